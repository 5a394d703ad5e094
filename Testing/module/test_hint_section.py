"""The yellow line in the panel: each of its buttons does what it says."""

import numpy as np
import pytest

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import facts
from SAM2VolumeSegLib.panel.hint import Way


@pytest.fixture
def the_line(a_panel):
    """(words, buttons) as the user sees them; None: no line."""

    def line():
        ui = a_panel.ui
        if not ui.hintBar.visible:
            return None
        return ui.hintLabel.text, [
            button.text for button in (ui.hintButton, ui.hintOtherButton, ui.hintThirdButton) if button.visible
        ]

    return line


def test_every_button_has_something_to_do(a_panel):
    assert set(a_panel.hint.handlers) == set(Way)


def test_set_up_is_one_press_away_and_its_section_stays_closed(a_panel, a_desktop, the_line, monkeypatch):
    folder = facts._folder
    monkeypatch.setattr(facts, "_folder", lambda name: None if name == "iopath" else folder(name))
    a_panel.state.lookAtComputer()
    words, buttons = the_line()
    assert "not installed (iopath)" in words and ">=" not in words and buttons == ["Set up..."]
    a_desktop.answer = False
    a_panel.ui.hintButton.click()
    assert "iopath" in a_desktop.questions[0]
    assert a_panel.ui.setupCollapsibleButton.collapsed


def test_a_missing_model_is_one_press_away(a_panel, a_desktop, the_line, monkeypatch, tmp_path):
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    a_panel.state.parameters.model = ch.ModelChoice.LARGE
    words, buttons = the_line()
    assert "large" in words and buttons == ["Download..."] and a_panel.ui.readyLabel.text == "not ready"
    a_desktop.answer = False
    a_panel.ui.hintButton.click()
    assert "898 MB" in a_desktop.questions[0]
    a_panel.state.parameters.model = ch.ModelChoice.OWN
    words, buttons = the_line()
    assert "own model is not there" in words and buttons == ["Choose the file"]
    a_panel.ui.hintButton.click()
    assert not a_panel.ui.advancedCollapsibleButton.collapsed
    assert a_panel.ui.scrollArea.values["scrolled"] == "advancedCollapsibleButton"


def test_a_segmentation_kept_as_surfaces_is_converted(a_panel, a_painted_scene, stand_in, the_line):
    painted = a_painted_scene.painted
    painted.CreateClosedSurfaceRepresentation()
    painted.SetSourceRepresentationToClosedSurface()
    stand_in.process_events(2)
    words, buttons = the_line()
    assert "kept as surfaces" in words and buttons == ["Convert to labelmap"]
    a_panel.ui.hintButton.click()
    assert the_line() is None and a_panel.state.found.volume is not None


def test_a_warping_transform_leads_to_where_it_is_hardened(
    a_panel, a_painted_scene, a_desktop, stand_in, the_line, monkeypatch
):
    slicer, opened = a_desktop.slicer, []
    monkeypatch.setattr(slicer.util, "selectModule", opened.append, raising=False)
    bend = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode", "Bend")
    a_painted_scene.volume.SetAndObserveTransformNodeID(bend.GetID())
    stand_in.process_events(2)
    words, buttons = the_line()
    assert "Bend" in words and buttons == ["Open Data"]
    a_panel.ui.hintButton.click()
    assert opened == ["Data"]


def add_labels(slicer, kind, voxels, name="Labels"):
    node = slicer.mrmlScene.AddNewNodeByClass(f"vtkMRML{kind}VolumeNode", name)
    slicer.util.updateVolumeFromArray(node, voxels)
    node.SetSpacing(2, 2, 2)
    return node


@pytest.mark.parametrize("kind", ["LabelMap", "Scalar"])
def test_a_label_volume_is_taken_as_a_segmentation(a_panel, a_painted_scene, a_desktop, stand_in, the_line, kind):
    """A file with labels that is dropped into Slicer becomes one or the other."""
    slicer = a_desktop.slicer
    voxels = a_painted_scene.bone.astype(np.int16) * 3
    add_labels(slicer, kind, voxels)
    stand_in.process_events(2)
    words, buttons = the_line()
    assert "Labels" in words and buttons == ["Use as segmentation", "Leave it"]
    a_panel.ui.hintButton.click()
    stand_in.process_events(2)
    taken = a_panel.editor.widget.segmentationNode()
    assert taken is a_panel.state.parameters.segmentation and taken.GetName() == "Labels"
    array = slicer.util.arrayFromSegmentBinaryLabelmap(taken, "label_3", a_painted_scene.volume)
    assert np.array_equal(array > 0, a_painted_scene.bone)
    assert "label volume" not in (the_line() or ("",))[0]


def test_a_label_volume_that_is_left_alone_is_not_offered_again(
    a_panel, a_painted_scene, a_desktop, stand_in, the_line
):
    add_labels(a_desktop.slicer, "LabelMap", a_painted_scene.bone.astype(np.int16))
    stand_in.process_events(2)
    a_panel.ui.hintOtherButton.click()
    stand_in.process_events(2)
    assert the_line() is None


@pytest.fixture
def a_finished_one(a_panel, a_painted_scene, stand_in):
    """Every slice of the bone is filled, as in a segmentation that somebody else has made."""
    a_painted_scene.paint(range(16))
    stand_in.process_events(2)
    return a_painted_scene.painted


def test_a_finished_segmentation_is_offered_for_correction(
    a_panel, a_painted_scene, a_desktop, stand_in, the_line, a_finished_one, mask_of
):
    """Before, it was taken for 29 painted slices, and a run gave it back as it was."""
    words, buttons = the_line()
    assert "finished segmentation" in words and buttons == ["Correct it", "Audit it", "It is painted"]
    assert "looks finished" in a_panel.ui.adviceLabel.text
    a_panel.ui.hintButton.click()
    stand_in.process_events(2)
    p = a_panel.state.parameters
    assert p.result is a_finished_one is a_panel.editor.widget.segmentationNode()
    assert p.segmentation.GetName() == "Painted corrections" and a_panel.ui.editResultButton.checked
    assert the_line() is None and not mask_of(p.segmentation).any()
    a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode").SetSliceOffset(14.0)
    a_panel.ui.useSliceButton.click()
    assert a_desktop.told == a_desktop.errors == [] and mask_of(p.segmentation)[7].any()
    assert a_panel.ui.seedsTable.texts()[0][1:3] == ["axial", "S: 14.00mm"]


def test_who_has_painted_every_slice_says_so_once(a_panel, a_painted_scene, stand_in, the_line, a_finished_one):
    a_panel.ui.hintThirdButton.click()
    assert the_line() is None
    a_painted_scene.paint(range(1, 16))
    stand_in.process_events(2)
    assert the_line() is None


def test_the_line_stays_during_a_run_and_its_buttons_rest(a_panel, stand_in, the_line, a_finished_one):
    """What comes and goes with a run moves the editor."""
    before = the_line()
    a_panel.ui.propagateButton.click()
    assert a_panel.state.propagation is not None and the_line() == before
    assert not a_panel.ui.hintButton.enabled
    a_panel.ui.cancelButton.click()
    assert a_panel.ui.hintButton.enabled


def test_what_is_chosen_as_ct_is_not_offered_as_labels(a_panel, a_painted_scene, a_desktop, stand_in, the_line):
    """An 8-bit image with a few values, as of a teaching phantom."""
    other = add_labels(a_desktop.slicer, "Scalar", a_painted_scene.bone.astype(np.int16) * 3, "Phantom")
    a_panel.editor.widget.setSourceVolumeNode(other)
    stand_in.process_events(2)
    assert a_panel.state.parameters.volume is other and the_line() is None
