"""A report in files, and a browser to open it in."""

import pytest
from browser import BROWSER, LAUNCH, browser_path
from report_cases import a_report_of

from SAM2VolumeSegLib.report import write_report


@pytest.fixture(scope="session")
def a_report(a_phantom):
    return a_report_of(a_phantom)


@pytest.fixture(scope="session")
def a_folder(a_report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, a_report)
    return folder


@pytest.fixture(scope="session")
def a_browser():
    """Chromium. What the page says is tested without it, too; how it is used is not."""
    from playwright.sync_api import sync_playwright

    path = browser_path()
    if path is None:
        pytest.skip(
            "NO BROWSER: the page of a review was not opened. Install Chromium (Debian: apt install chromium), or name "
            f"one in {BROWSER}"
        )
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=LAUNCH)
        yield browser
        browser.close()
