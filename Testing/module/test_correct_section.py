"""A slice of the result that the user corrected becomes a painted one, and can be taken back."""

import numpy as np
import pytest


@pytest.fixture
def a_result(a_panel, a_painted_scene):
    """The segmentation node that a run made, wrong on one slice."""
    from SAM2VolumeSegLib.scene import write_result

    found = a_painted_scene.bone.copy()
    found[9, :, :12] = False
    node = write_result({"bone": found}, a_painted_scene.painted, a_painted_scene.volume, {})
    a_panel.state.parameters.result = node
    return node


def test_a_corrected_slice_becomes_a_seed(a_panel, a_painted_scene, a_desktop, stand_in, a_result, run_to_end, mask_of):
    slicer = a_desktop.slicer
    a_panel.ui.editResultButton.click()
    stand_in.process_events(2)
    assert a_panel.editor.widget.segmentationNode() is a_result
    assert a_panel.state.parameters.segmentation is a_painted_scene.painted
    corrected = mask_of(a_result).astype(np.uint8)
    corrected[9] = a_painted_scene.bone[9]
    slicer.util.updateSegmentBinaryLabelmapFromArray(corrected, a_result, "bone", a_painted_scene.volume)
    slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode").SetSliceOffset(18.0)
    a_panel.ui.useSliceButton.click()
    stand_in.process_events(2)
    assert a_desktop.errors == []
    assert [row[2] for row in a_panel.ui.seedsTable.texts()] == ["S: 6.00mm", "S: 14.00mm", "S: 18.00mm", "S: 24.00mm"]
    a_panel.ui.editSeedsButton.click()
    assert a_panel.editor.widget.segmentationNode() is a_painted_scene.painted
    slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode").SetSliceOffset(20.0)
    a_panel.ui.useSliceButton.click()
    assert a_panel.editor.widget.undoPossible()
    assert a_panel.ui.takeBackButton.enabled
    run_to_end()
    assert a_panel.state.parameters.result is not a_result


@pytest.mark.parametrize("shown", ["result", "painted"])
def test_a_copied_slice_is_taken_back_whichever_segmentation_the_editor_shows(
    a_panel, a_painted_scene, a_desktop, stand_in, shown, a_result, mask_of
):
    slicer, painted = a_desktop.slicer, a_painted_scene.painted
    (a_panel.ui.editResultButton if shown == "result" else a_panel.ui.editSeedsButton).click()
    stand_in.process_events(2)
    before, states = mask_of(painted), mask_of(a_result)
    red = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    for offset in (18.0, 20.0):
        red.SetSliceOffset(offset)
        a_panel.ui.useSliceButton.click()
    stand_in.process_events(2)
    assert len(a_panel.ui.seedsTable.texts()) == 5
    a_panel.ui.takeBackButton.click()
    assert len(a_panel.ui.seedsTable.texts()) == 4 and a_panel.ui.takeBackButton.enabled
    if shown == "painted":
        a_panel.editor.widget.undo()  # taking back is a step of the editor's history too
        assert mask_of(painted)[10].any()
        a_panel.editor.widget.redo()
    a_panel.ui.takeBackButton.click()
    stand_in.process_events(2)
    assert np.array_equal(mask_of(painted), before)
    assert np.array_equal(mask_of(a_result), states)
    assert not a_panel.ui.takeBackButton.enabled and a_desktop.errors == []
    assert a_panel.editor.widget.segmentationNode() is (a_result if shown == "result" else painted)


def test_a_copied_slice_whose_segment_is_gone_is_not_offered_to_be_taken_back(
    a_panel, a_painted_scene, stand_in, a_result
):
    a_panel.ui.useSliceButton.click()
    assert a_panel.ui.takeBackButton.enabled
    a_painted_scene.painted.GetSegmentation().RemoveSegment("bone")
    stand_in.process_events(2)
    assert not a_panel.ui.takeBackButton.enabled


@pytest.mark.parametrize("shown", ["result", "painted"])
def test_a_deleted_result_leaves_the_painted_slices_in_the_panel(
    a_panel, a_painted_scene, a_desktop, stand_in, shown, a_result
):
    (a_panel.ui.editResultButton if shown == "result" else a_panel.ui.editSeedsButton).click()
    a_desktop.slicer.mrmlScene.RemoveNode(a_result)
    if shown == "result":  # as the real editor tells
        a_panel.editor.widget.emit("segmentationNodeChanged(vtkMRMLSegmentationNode*)", None)
    stand_in.process_events(2)
    assert a_panel.state.parameters.segmentation is a_painted_scene.painted
    assert a_panel.editor.widget.segmentationNode() is a_painted_scene.painted
    assert a_panel.ui.seedsTable.texts() and a_desktop.errors == []
    for name in ("editResultButton", "editSeedsButton", "useSliceButton"):
        assert not getattr(a_panel.ui, name).enabled


def test_the_bar_above_the_editor_says_what_is_edited(a_panel, a_painted_scene, stand_in, a_result):
    ui = a_panel.ui
    assert ui.editingBar.visible and ui.editSeedsButton.checked and not ui.editResultButton.checked
    colour = ui.editingBar.palette["Window"]
    ui.editResultButton.click()
    assert ui.editResultButton.checked and not ui.editSeedsButton.checked
    assert ui.editingBar.palette["Window"] != colour
    ui.editResultButton.click()  # a second press is no way back
    assert ui.editResultButton.checked and a_panel.editor.widget.segmentationNode() is a_result
    ui.editSeedsButton.click()
    assert ui.editSeedsButton.checked and ui.editingBar.palette["Window"] == colour


def test_what_is_edited_is_what_is_seen(a_panel, a_painted_scene, a_result):
    shown = [node.GetDisplayVisibility for node in (a_painted_scene.painted, a_result)]
    a_panel.ui.editResultButton.click()
    assert [visible() for visible in shown] == [0, 1]
    a_panel.ui.editSeedsButton.click()
    assert [visible() for visible in shown] == [1, 0]


def test_correction_goes_on_with_the_new_result(a_panel, a_painted_scene, stand_in, a_result, run_to_end):
    """An editor that went on showing the old one would make it the painted segmentation when the module is left."""
    a_panel.ui.editResultButton.click()
    run_to_end()
    result = a_panel.state.parameters.result
    assert result is not a_result and a_panel.editor.widget.segmentationNode() is result
    assert a_panel.ui.editResultButton.checked
    a_panel.exit()
    a_panel.enter()
    assert a_panel.state.parameters.segmentation is a_painted_scene.painted


def test_there_is_nothing_to_correct_before_a_run(a_panel):
    assert not a_panel.ui.editingBar.visible
    for name in ("editResultButton", "editSeedsButton", "useSliceButton", "takeBackButton"):
        assert not getattr(a_panel.ui, name).enabled


def test_the_ct_stays_chosen_when_the_painted_segmentation_does_not_name_it(
    a_panel, a_painted_scene, stand_in, a_result
):
    """One that was loaded from a file names no volume; choosing it makes the editor drop the one that was chosen."""
    painted, volume = a_painted_scene.painted, a_painted_scene.volume
    painted.RemoveNodeReferenceIDs(painted.GetReferenceImageGeometryReferenceRole())
    for button in ("editResultButton", "editSeedsButton"):
        getattr(a_panel.ui, button).click()
        stand_in.process_events(2)
        assert a_panel.editor.widget.sourceVolumeNode() is volume and a_panel.state.parameters.volume is volume
    assert a_panel.editor.widget.segmentationNode() is painted and a_panel.ui.seedsTable.texts()


def test_a_segment_that_is_in_one_node_only_is_told(a_panel, a_painted_scene, a_desktop, a_result):
    a_painted_scene.painted.GetSegmentation().AddEmptySegment("rib", "Rib")
    a_panel.editor.widget.setCurrentSegmentID("rib")
    a_panel.ui.useSliceButton.click()
    assert "not in both" in a_desktop.told[0]
