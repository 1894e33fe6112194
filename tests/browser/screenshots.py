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
from tests.browser.pages import PLACES, Open, Place, create_dialog, key_page
from tests.browser.server import Server

DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}


@dataclass(frozen=True, slots=True)
class Picture:
    name: str
    place: Place
    size: dict[str, int]
    scheme: str


def reveal(name: str) -> Place:
    return Place("olivia", lambda page, server: steps.create_key(page, name))


def filled_in(page_open: Open, name: str) -> Open:
    def open_(page: Page, server: Server) -> None:
        page_open(page, server)
        page.get_by_role("dialog").get_by_label("Name").fill(name)

    return open_


# In this order: a picture of a new key puts the key into the lists that come after it.
PICTURES = (
    Picture("keys", PLACES["keys"], DESK, "light"),
    Picture("keys-dark", PLACES["keys"], DESK, "dark"),
    Picture("keys-phone", PLACES["keys"], PHONE, "light"),
    Picture("keys-phone-dark", PLACES["keys"], PHONE, "dark"),
    Picture("service-keys", PLACES["service keys"], DESK, "light"),
    Picture("service-keys-dark", PLACES["service keys"], DESK, "dark"),
    Picture("key", Place("olivia", key_page("GitHub Actions")), DESK, "light"),
    Picture("create", Place("olivia", filled_in(create_dialog(), "Laptop CLI")), DESK, "light"),
    Picture("create-phone-dark", Place("olivia", filled_in(create_dialog(), "Laptop CLI")), PHONE, "dark"),
    Picture("delete", PLACES["delete, typed name"], DESK, "light"),
    Picture("forbidden-dark", PLACES["forbidden"], DESK, "dark"),
    Picture("sign-in", PLACES["sign-in"], DESK, "light"),
    Picture("reveal", reveal("Build server"), DESK, "light"),
    Picture("reveal-dark", reveal("Release notes bot"), DESK, "dark"),
    Picture("reveal-phone", reveal("Phone shortcut"), PHONE, "light"),
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
