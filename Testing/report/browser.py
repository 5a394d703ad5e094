"""Where a Chromium is."""

import os
import shutil

BROWSER = "SAM2VOLUMESEG_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
# A container's root has no sandbox, and its shared memory is small.
LAUNCH = ["--disable-dev-shm-usage", *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]


def browser_path():
    """The browser that the environment names, else one that is installed; None where there is none."""
    return os.environ.get(BROWSER) or next(filter(None, map(shutil.which, NAMES)), None)
