"""Runs: pressing Propagate, and what is true of the scene afterwards. For all ways."""

import slicer

RUN = 1800  # seconds that a run may take


def choose_demo(desk, quick=True):
    """Choose the model that everybody has.

    Args:
        desk: the desk.
        quick: whether runs shall be short: one segment, forward, on two axes.
    """
    labels = type(desk.choices.model)  # a reload of the module has made new ones
    desk.choose("modelComboBox", labels.DEMO.label())
    desk.wait(lambda: desk.choices.model is labels.DEMO, "Demo is chosen")
    if quick or desk.is_light:
        p = desk.choices
        p.direction, p.scope = type(p.direction).FORWARD, type(p.scope).SELECTED
        p.sagittal = False
        desk.window.settle()


def start_run(desk, press=True):
    """Press Propagate, and wait until the first slice is computed. The model may be measured before."""
    state = desk.panel.state
    if press:
        desk.press("propagateButton")
    desk.wait(lambda: state.measurement is None, "the model is measured", RUN)
    desk.wait(lambda: state.propagation is None or desk.ui.progressBar.value > 0, "the first slice is computed", RUN)


def run(desk, doing="a run", during=None):
    """Press Propagate and wait for the end; returns the result.

    Args:
        desk: the desk.
        doing: what goes on, for the longest freeze.
        during: called without arguments when the run has begun.
    """
    state, before = desk.panel.state, segmentation_count()
    with desk.freezes.watch(doing):
        start_run(desk)
        if during is None:
            desk.wait(lambda: state.propagation is None, "the run ends", RUN)
    if during is not None:
        during()
        with desk.freezes.watch(f"the rest of {doing}"):
            desk.wait(lambda: state.propagation is None, "the run ends", RUN)
    words = f"{desk.ui.estimateLabel.text} {desk.ui.progressLabel.text}"
    assert segmentation_count() == before + 1, f"the run made no new segmentation: {words}"
    return desk.choices.result


def segmentation_count():
    """Segmentation nodes in the scene."""
    return slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")


def shown(node):
    """Whether a segmentation is seen, and whether it is filled."""
    display = node.GetDisplayNode()
    return bool(display.GetVisibility()), bool(display.GetVisibility2DFill())


def no_box(desk, way):
    """Check that nothing came up that had to be pressed away."""
    with desk.report.check(f"{way}: no box came up"):
        found = desk.boxes.take()
        assert not found, found
