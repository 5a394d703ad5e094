r"""Walk through the module in a real Slicer, as somebody with a mouse does: check, time, and take pictures.

    Slicer --no-splash --additional-module-paths "$PWD/SAM2VolumeSeg" \
        --python-script Testing/slicer/drive.py FOLDER WAY...

It needs a Slicer with the extension, set up (the path is left out where the extension is installed), and a screen of at
least 1920 x 1200. FOLDER takes the pictures and report.txt; without one a new one is made, and its name is printed.
Each WAY is one of main, tutorial, sizes, defects; without any, all are walked, which takes a while without a graphics
card.

Slicer ends with 0: all that could be tried passed; 1: something failed, it is named in report.txt; 2: nothing could be
tried. The open scene is closed, and what the module keeps in the application's settings is put back.
"""

import sys
import tempfile
import traceback
from pathlib import Path

import slicer

HERE = Path(__file__).resolve().parent
BY_HAND = (
    "keys (N, Ctrl+Return, Ctrl+Backspace, U, X): a script's key events do not reach Qt's shortcuts",
    "the wheel in the views, and how the panel feels while it is scrolled",
    "Set up with a real pip, the PyTorch extension, a download",
    "the dark theme; a screen with more than 100 %; Windows and macOS",
    "a scene that is saved as .mrb and loaded after a restart",
    "whether what is on the pictures is right: look at them",
)


def drive(arguments):
    """Walk the ways; returns the exit code."""
    if slicer.util.mainWindow() is None or not hasattr(slicer.modules, "sam2volumeseg"):
        print("This needs a main window, and the module SAM2VolumeSeg: give --additional-module-paths.")
        return 2
    panel = slicer.util.getModuleWidget("SAM2VolumeSeg")  # it finds the library
    from SAM2VolumeSegLib.panel import choices, readiness

    demo = choices.Choices(model=choices.ModelChoice.DEMO)
    requirements = readiness.check(panel.logic.facts(demo))
    if not requirements.are_met:
        print(f"{requirements.headline} Press Set up... in the module first.")
        return 2
    sys.path.insert(0, str(HERE))
    from driver import way_defects, way_main, way_sizes, way_tutorial
    from driver.boxes import Boxes
    from driver.desk import Desk
    from driver.freezes import Freezes
    from driver.report import Report
    from driver.window import Window

    ways = {"main": way_main, "tutorial": way_tutorial, "sizes": way_sizes, "defects": way_defects}
    wanted = [name for name in arguments if name in ways]
    others = [name for name in arguments if name not in ways]
    folder = Path(others[0]) if others else Path(tempfile.mkdtemp(prefix="SAM2VolumeSeg-drive-"))
    folder.mkdir(parents=True, exist_ok=True)
    report = Report(folder / "report.txt")
    report.say(f"Slicer {slicer.app.applicationVersion}, revision {slicer.app.revision}, {slicer.app.os}; to {folder}")
    desk = Desk(report, Window(folder), Freezes(report), Boxes())
    try:
        for name in wanted or ways:
            report.say(f"\n{name}")
            with report.check(f"{name}: walked to its end"):
                ways[name].walk(desk)
    finally:
        with report.check("all is put back"):
            desk.leave()
    report.say("\nTo be tried by hand:\n  " + "\n  ".join(BY_HAND))
    return report.finish()


if __name__ == "__main__":
    code = 2
    try:
        code = drive(sys.argv[1:])
    except Exception:
        traceback.print_exc()
    finally:
        slicer.util.exit(code)
