"""Takes the pictures of the README from fresh demo data: `python tests/browser/screenshots.py docs/images`."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # run as a file, from anywhere
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from tests.browser import steps
from tests.browser.driver import Browser, Page, launched
from tests.browser.pages import PLACES, Place
from tests.browser.server import Server

DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@dataclass(frozen=True, slots=True)
class Picture:
    name: str
    place: Place
    size: dict[str, int]
    scheme: str


def reveal(page: Page, server: Server) -> None:
    steps.create_key(page, "Build server")


PICTURES = (
    Picture("keys", PLACES["keys"], DESK, "light"),
    Picture("keys-phone", PLACES["keys"], PHONE, "light"),
    Picture("service-keys-dark", PLACES["service keys"], DESK, "dark"),
    Picture("key", PLACES["key, expiring"], DESK, "light"),
    Picture("key-phone-dark", PLACES["key, expiring"], PHONE, "dark"),
    Picture("reveal", Place("olivia", reveal), DESK, "light"),
)


def take(picture: Picture, browser: Browser, server: Server, folder: Path) -> Path:
    context = browser.new_context(
        base_url=server.url, viewport=picture.size, color_scheme=picture.scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    if picture.place.person:
        steps.sign_in(page, picture.place.person, server.password)
    picture.place.open(page, server)
    page.evaluate("document.fonts.ready")
    path = folder / f"{picture.name}.png"
    page.screenshot(path=path, animations="disabled", caret="hide")
    context.close()
    return path


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, launched() as browser:
        server = Server.start(Path(temporary), Path(temporary) / "demo", PUBLIC_URL="http://127.0.0.1:8000")
        try:
            for picture in PICTURES:
                path = take(picture, browser, server, folder)
                print(f"{path}  {path.stat().st_size / 1024:.0f} KB")
        finally:
            server.stop()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
