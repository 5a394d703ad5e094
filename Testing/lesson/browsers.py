"""A lesson in Chromium, and the picture of a lesson that the README shows.

python Testing/lesson/browsers.py     # makes the bundled lesson and takes Resources/lesson.png
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "report"))  # pytest's settings do the same
from browser import LAUNCH, browser_path  # noqa: E402

PICTURE = Path(__file__).parents[2] / "Resources" / "lesson.png"
SHOWN = "#view=slices&way=2&plane=axial&index=45&step=1"
"""Stock SAM2 in the middle of the phantom: all it remembers at once."""
WIDTH, HEIGHT = 1280, 860


def open_page(browser, file, address="", **viewport):
    """Open a page; returns it when it shows something, and the list of its complaints and of what it asked for."""
    page, complaints = browser.new_page(viewport={"width": WIDTH, "height": 900} | viewport), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or complaints.append(request.url))
    page.goto(file.as_uri() + address)
    page.wait_for_selector("body[data-ready]", timeout=60_000)
    return page, complaints


def take_picture(browser, file, picture):
    """The page as the README shows it."""
    page, complaints = open_page(browser, file, SHOWN)
    page.evaluate("document.querySelectorAll('.idea details').forEach((one) => { one.open = false; })")
    top = page.evaluate("byId('views').getBoundingClientRect().top + scrollY")
    page.screenshot(path=picture, full_page=True, clip={"x": 0, "y": top, "width": WIDTH, "height": HEIGHT})
    page.close()
    return complaints


def main():
    import tempfile

    from playwright.sync_api import sync_playwright

    from SAM2VolumeSegLib.cli import main as command

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        file = Path(folder) / "lesson.html"
        if code := command(["lesson", "--phantom", "-o", str(file)]):
            sys.exit(code)
        browser = driver.chromium.launch(executable_path=browser_path(), args=LAUNCH)
        print(take_picture(browser, file, PICTURE) or f"Written: {PICTURE}")
        browser.close()


if __name__ == "__main__":
    main()
