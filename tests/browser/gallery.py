"""Takes a picture of every page and state, at a desk and on a phone, light and dark: `python tests/browser/gallery.py FOLDER`.

The folder's index.html shows them side by side. `--only WORDS` takes those whose name holds the words.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from html import escape
from pathlib import Path

if __name__ == "__main__":  # run as a file, from anywhere
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from tests.browser import steps
from tests.browser.driver import Browser, Error, launched
from tests.browser.pages import PLACES, Place
from tests.browser.server import Server

WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
STYLE = (
    "body{font:14px system-ui;margin:2rem}section{display:flex;gap:1rem;align-items:start}img{border:1px solid #ccc;width:24%}"
)


def take(name: str, place: Place, browser: Browser, server: Server, folder: Path) -> list[str]:
    """The names of the four files of one place."""
    context = browser.new_context(base_url=server.url, reduced_motion="reduce")
    page = context.new_page()
    if place.person:
        steps.sign_in(page, place.person, server.password)
    place.open(page, server)
    page.evaluate("document.fonts.ready")
    files = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            files.append(f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}-{width}-{scheme}.png")
            page.screenshot(path=folder / files[-1], full_page=True, animations="disabled", caret="hide")
    context.close()
    return files


def main(folder: Path, words: str) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    sheet, missing = [f"<!doctype html><meta charset='utf-8'><title>KeyPortal, every page</title><style>{STYLE}</style>"], []
    with tempfile.TemporaryDirectory() as temporary, launched() as browser:
        server = Server.start(Path(temporary), Path(temporary) / "demo")
        try:
            for name, place in PLACES.items():
                if words not in name:
                    continue
                try:
                    files = take(name, place, browser, server, folder)
                except (Error, AssertionError) as error:
                    missing.append(name)
                    print(f"{name}: {error}", file=sys.stderr)
                    continue
                pictures = "".join(f'<img src="{file}" alt="" loading="lazy">' for file in files)
                sheet.append(f"<h2>{escape(name)}</h2><section>{pictures}</section>")
                print(name, flush=True)
        finally:
            server.stop()
    (folder / "index.html").write_text("\n".join(sheet), encoding="utf-8")
    print(f"{len(sheet) - 1} places in {folder / 'index.html'}" + (f"; not reached: {', '.join(missing)}" if missing else ""))
    return bool(missing)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    sys.exit(main(asked.folder, asked.only))
