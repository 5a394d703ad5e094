"""The main way, in a window of 1366 x 768: CT loaded, two strokes, Propagate, correct one slice, Propagate."""

from driver.freezes import PAINTING
from driver.phantom import steps_of_the_main_way
from driver.runs import choose_demo, no_box, run, shown

MOST = 12  # clicks
BONE = 1


def walk(desk):
    """Ten presses and strokes, each in sight, counted."""
    check, phantom = desk.report.check, desk.phantom
    with check("main way: the window has 1366 x 768"):
        desk.window.resize(1366, 768)
        desk.window.fold_data_probe(False)  # as Slicer has it at first
    desk.close_scene()
    desk.open_module()
    with check("main way: the demo model is chosen"):
        choose_demo(desk, quick=False)
    with check("main way: a CT that is loaded is chosen by itself, with an empty segmentation"):
        volume = desk.load_ct()
        desk.wait(lambda: desk.choices.volume is volume, "the CT is chosen", 30)
        desk.wait(lambda: desk.choices.segmentation is not None, "there is a segmentation", 30)
    desk.boxes.take()
    desk.clicks.clear()
    axial, coronal = phantom.between(BONE, "axial", 0.5), phantom.between(BONE, "coronal", 0.3)
    _paint(desk, axial, coronal)
    with check("main way 5: Propagate makes a result, which is seen alone"):
        first = run(desk, "the first run of the main way")
        painted = desk.choices.segmentation
        assert (shown(first)[0], shown(painted)[0]) == (True, False)
        _measure(desk, "two strokes", first)
    _correct(desk, phantom.between(BONE, "axial", 0.25))
    with check("main way 10: Propagate makes a new result; the one before is there to compare"):
        before = desk.choices.result
        after = run(desk, "the run after a corrected slice")
        assert after is not before and desk.choices.compared is before
        _measure(desk, "two strokes and a corrected slice", after)
    with check(f"main way: at most {MOST} clicks, those that docs/real-slicer.md lists"):
        steps = steps_of_the_main_way()
        assert len(desk.clicks) <= MOST and desk.clicks == steps, f"{desk.clicks}, and the page has {steps}"
    with check("main way: nothing was scrolled"):
        assert desk.scrolled() == 0, f"the panel is scrolled by {desk.scrolled()} pixels"
    no_box(desk, "main way")
    desk.picture("main-way-1366x768")


def _paint(desk, axial, coronal):
    """Two strokes, and what is said of them."""
    check = desk.report.check
    with check("main way 1: Add makes a segment"):
        desk.press_in_editor("AddSegmentButton")
        assert desk.choices.segmentation.GetSegmentation().GetNumberOfSegments() == 1
        # The answer is found by its name.
        desk.choices.segmentation.GetSegmentation().GetNthSegment(0).SetName(desk.phantom.names[BONE])
    with check("main way 2: Paint is an effect of the editor in the panel"):
        desk.press_in_editor("Paint")
    with desk.freezes.watch("painting two slices", PAINTING):
        with check("main way 3: a stroke in Red is one painted slice, and is said to be too little (defect 14)"):
            desk.stroke("Red", BONE, axial)
            desk.wait(
                lambda: [plane for plane, _place in desk.rows()] == ["axial"], lambda: f"a row: {desk.rows()}", 30
            )
            assert "One slice" in desk.ui.adviceLabel.text, desk.ui.adviceLabel.text
        with check("main way 4: a stroke in Green is the second one, and the advice is good"):
            desk.stroke("Green", BONE, coronal)
            desk.wait(lambda: sorted(plane for plane, _place in desk.rows()) == ["axial", "coronal"], "two rows", 30)
    desk.picture("two-strokes-1366x768")


def _correct(desk, index):
    """Correct a slice of the result, and make it a seed."""
    check, result = desk.report.check, desk.choices.result
    with check("main way 6: the result goes into the editor, and the bar says so (defect 6)"):
        desk.press("editResultButton")
        assert desk.panel.state.isCorrecting and desk.ui.editResultButton.checked
        assert desk.panel.editor.widget.segmentationNode() is result
    with check("main way 7: Paint works on the result"):
        desk.press_in_editor("Paint")
    with desk.freezes.watch("correcting a slice", PAINTING), check("main way 8: a stroke in Red changes the result"):
        desk.stroke("Red", BONE, index)
        voxels = desk.phantom.voxels(result, desk.choices.volume, desk.phantom.names[BONE])
        assert (voxels[index] & desk.phantom.on_slice(BONE, "axial", index)).any()
    with check("main way 9: the corrected slice is a seed"):
        before = len(desk.rows())
        desk.press("useSliceButton")
        desk.wait(lambda: len(desk.rows()) == before + 1, lambda: f"one more row: {desk.rows()}", 30)


def _measure(desk, what, node):
    dice = desk.phantom.dice(node, desk.choices.volume, BONE)
    desk.report.measure(f"Dice of {desk.phantom.names[BONE]} from {what}: {dice:.3f}")
