"""What is in sight without scrolling, at three sizes of the window, while a result is corrected: the fullest case."""

from driver.phantom import VIEWS
from driver.runs import choose_demo, run

SIZES = ((1366, 768), (1600, 1000), (1920, 1200))
ALWAYS = (
    "modelComboBox", "readyLabel", "editSeedsButton", "editResultButton", "useSliceButton", "takeBackButton",
    "adviceLabel", "nextSliceButton", "absentButton", "propagateButton", "progressBar", "cancelButton",
    "showResultCheckBox", "showPaintedCheckBox", "showComparedCheckBox",
)  # fmt: skip
"""Outside of the part that scrolls."""
OF_THE_EDITOR = ("SegmentationNodeComboBox", "SourceVolumeNodeComboBox", "AddSegmentButton", "Paint", "Erase")
LEAST = 150  # pixels of a view, each way
SECTIONS = ("result", "options", "advanced", "setup")


def walk(desk):
    """Each size, with Slicer's Data Probe folded, and open as it is at first."""
    check = desk.report.check
    with check("sizes: the window has 1600 x 1000 at first"):
        desk.window.resize(1600, 1000)
    desk.close_scene()
    with check("sizes: a result is being corrected"):
        volume, _painted, _reference = desk.load_sample()
        desk.open_module()
        choose_demo(desk)
        desk.wait(lambda: desk.choices.volume is volume and desk.rows(), "painted slices are found", 30)
        run(desk, "a run with the phantom")
        desk.press("editResultButton")
        desk.press_in_editor("Paint")
    for width, height in SIZES:
        with check(f"{width} x {height}: the window has that size"):
            desk.window.resize(width, height)
            for folded in (True, False):
                _look(desk, f"{width} x {height}", folded)
    with check("sizes: the Data Probe is as it was"):
        desk.window.fold_data_probe(False)


def _look(desk, size, folded):
    check, ui = desk.report.check, desk.ui
    probe = "the Data Probe folded" if folded else "the Data Probe open"
    with check(f"{size}, {probe}: nothing of the panel is cut off at its side"):
        desk.window.fold_data_probe(folded)
        ui.scrollArea.verticalScrollBar().setValue(0)
        desk.window.settle()
        assert ui.scrollArea.horizontalScrollBar().maximum == 0
    for name in ALWAYS + OF_THE_EDITOR:
        with check(f"{size}, {probe}: {name} is in sight"):
            desk.window.assert_in_sight(desk.widget(name), name)
    desk.picture(f"panel-{size.replace(' ', '')}-{'folded' if folded else 'open'}")
    with check(f"{size}, {probe}: the views and Propagate keep their place when sections open (defects 7, 22)"):
        before = desk.places()
        for name in SECTIONS:
            desk.open_section(name)
        opened = desk.places()
        for name in SECTIONS:
            desk.open_section(name, opened=False)
        closed = desk.places()
        assert before == opened == closed, f"{before}, open {opened}, closed again {closed}"
    with check(f"{size}, {probe}: each view has room"):
        sizes = {view: (desk.view(view).width, desk.view(view).height) for view in VIEWS}
        assert min(map(min, sizes.values())) >= LEAST, sizes
