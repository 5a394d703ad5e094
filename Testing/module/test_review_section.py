"""The section "Review": lines, the self-check, going through the suspects, and correcting where one is."""

import numpy as np
import pytest

from SAM2VolumeSegLib.panel.review_table import suspect_key
from SAM2VolumeSegLib.review import LikelyErrors
from SAM2VolumeSegLib.scene import volume_from_node


@pytest.fixture
def to_end(stand_in):
    """Lets what a review computes come to its end."""

    def run(panel):
        for _step in range(400):
            if panel.state.checking is None:
                return
            stand_in.process_events()
        raise AssertionError("the review does not end")

    return run


@pytest.fixture
def unsure(monkeypatch):
    """The phantom of these tests is found so well that nothing is suspect: all of its surface is made likely wrong."""
    of = LikelyErrors.of.__func__

    def likely(cls, volume, evidence, model):
        found = of(cls, volume, evidence, model)
        return cls(found.found, found.box, np.where(found.chance > 0.02, 0.6, found.chance).astype(np.float32))

    monkeypatch.setattr(LikelyErrors, "of", classmethod(likely))


@pytest.fixture
def a_reviewed_panel(a_panel, run_to_end, to_end, unsure):
    """A run is over, and its result was looked at."""
    run_to_end()
    to_end(a_panel)
    return a_panel


def test_there_is_nothing_to_review_before_a_run(a_panel):
    ui = a_panel.ui
    assert ui.reviewCollapsibleButton.collapsed and not ui.selfCheckButton.enabled and not ui.fixButton.enabled
    assert ui.reviewLabel.text.startswith("After a run")


def test_after_a_run_the_section_opens_and_says_how_good_each_segment_is_expected_to_be(a_reviewed_panel, a_desktop):
    ui = a_reviewed_panel.ui
    assert a_desktop.errors == a_desktop.told == []
    assert not ui.reviewCollapsibleButton.collapsed and ui.selfCheckButton.enabled
    ((name, dice, count, _verdict),) = ui.reviewTable.texts()
    expected = a_reviewed_panel.reviewing.review.segments["Bone"].expected
    assert name == "Bone" and dice.startswith(f"{expected.dice:.2f} (") and int(count) > 1
    assert (
        ui.reviewTable.horizontalHeaderItem(1).text() == "Expected Dice"
        and "nine of ten" in ui.reviewTable.item(0, 1).toolTip
    )
    ground, interval, mark = ui.reviewTable.item(0, 1).data[1].rectangles
    assert ground[2] == 80 and interval[0] <= mark[0] <= interval[0] + interval[2]
    assert "not from this patient" in ui.reviewLabel.text and "It takes up to" in ui.reviewLabel.text


def test_the_self_check_says_where_it_is_and_then_what_it_found(a_reviewed_panel, to_end, stand_in):
    ui, before = a_reviewed_panel.ui, a_reviewed_panel.reviewing.review
    ui.selfCheckButton.click()
    assert ui.selfCheckButton.text == "Cancel" and a_reviewed_panel.state.isBusy
    stand_in.process_events(2)
    assert "Bone: without the axial slice at S: 6.00mm, 1 of 3" in ui.reviewLabel.text
    to_end(a_reviewed_panel)
    assert "left out" in ui.reviewLabel.text and "It takes up to" not in ui.reviewLabel.text
    assert len(a_reviewed_panel.reviewing.check.slices) == 3
    assert a_reviewed_panel.reviewing.review is not before and a_reviewed_panel.reviewing.review.check is not None


def test_a_cancelled_self_check_leaves_everything_as_it_was(a_reviewed_panel, stand_in, segmentations, a_desktop):
    ui, review, count = a_reviewed_panel.ui, a_reviewed_panel.reviewing.review, segmentations()
    for cancel in (ui.selfCheckButton.click, lambda: stand_in.Shortcut.press("Ctrl+Backspace")):
        ui.selfCheckButton.click()
        stand_in.process_events(3)
        cancel()
        stand_in.process_events(2)
        assert a_reviewed_panel.state.checking is None and ui.selfCheckButton.text == "Self-check"
        assert a_reviewed_panel.reviewing.review is review and a_reviewed_panel.reviewing.check is None
    assert segmentations() == count and a_desktop.errors == []


def test_a_run_ends_a_self_check_and_its_own_result_is_reviewed(a_reviewed_panel, stand_in, run_to_end, to_end):
    a_reviewed_panel.ui.selfCheckButton.click()
    stand_in.process_events(2)
    review = a_reviewed_panel.reviewing.review
    a_reviewed_panel.ui.propagateButton.click()
    assert a_reviewed_panel.state.checking is None and not a_reviewed_panel.ui.selfCheckButton.enabled
    run_to_end(press=False)
    to_end(a_reviewed_panel)
    assert a_reviewed_panel.reviewing.review not in (None, review)


def test_a_line_moves_all_views_and_the_crosshair_there_and_is_marked_as_seen(a_reviewed_panel, a_desktop):
    ui, scene = a_reviewed_panel.ui, a_desktop.slicer.mrmlScene
    volume = volume_from_node(a_reviewed_panel.state.parameters.volume)
    assert {row[0] for row in ui.suspectsTable.texts()} == {"new"}
    ui.suspectsTable.emit("cellClicked(int,int)", 1, 2)
    suspect = a_reviewed_panel.suspects.suspects[1]
    i, j, k = np.rint(np.linalg.solve(volume.ijk_to_ras, [*suspect.centre, 1])[:3]).astype(int)
    planes = {(plane.value, index) for plane, index in a_reviewed_panel.views.shown()}
    assert planes == {("axial", k), ("coronal", j), ("sagittal", i)}
    crosshair = scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")
    assert np.allclose(crosshair.GetCrosshairRAS(), suspect.centre)
    assert [row[0] for row in ui.suspectsTable.texts()][:2] == ["new", ""]
    assert a_reviewed_panel.state.parameters.suspectsSeen == [suspect_key(suspect)]


def test_the_keys_of_the_list_are_its_own_while_it_has_the_focus(a_reviewed_panel, a_desktop, stand_in, monkeypatch):
    ui, press, p = a_reviewed_panel.ui, stand_in.Shortcut.press, a_reviewed_panel.state.parameters
    monkeypatch.setattr(a_desktop.slicer.util, "mainWindow", object)
    press("P")
    press("Space")  # the Segment Editor's
    assert p.suspectsSeen == p.suspectsDone == []
    a_desktop.focus(ui.suspectsTable)
    assert a_reviewed_panel.editor.widget.values["keys"] is False  # Space is not the Segment Editor's now
    for key, row in (("N", 0), ("N", 1), ("P", 0), ("P", 0)):
        press(key)
        assert ui.suspectsTable.currentRow() == row
    press("Space")
    assert p.suspectsDone == [suspect_key(a_reviewed_panel.suspects.suspects[0])]
    assert ui.reviewTable.texts()[0][2].endswith(", 1 done") and ui.suspectsTable.currentRow() == 0
    press("Space")
    assert p.suspectsDone == []
    press("D")
    assert p.showPainted and not p.showResult  # the panel's other keys stay
    a_desktop.focus(ui.propagateButton)
    assert a_reviewed_panel.editor.widget.values["keys"] is True
    press("N")
    assert a_reviewed_panel.seeds.advice.next in a_reviewed_panel.views.shown()
    assert ui.suspectsTable.currentRow() == 0


def test_a_box_that_is_set_ticks_off_and_goes_nowhere(a_reviewed_panel, stand_in):
    ui, p = a_reviewed_panel.ui, a_reviewed_panel.state.parameters
    places = a_reviewed_panel.views.shown()
    ui.suspectsTable.item(1, 0).setCheckState(2)
    stand_in.process_events()
    assert p.suspectsDone == [suspect_key(a_reviewed_panel.suspects.suspects[1])]
    assert a_reviewed_panel.views.shown() == places


def test_fix_here_opens_paint_with_what_the_result_has_there_and_the_list_is_made_anew(
    a_reviewed_panel, a_painted_scene, a_desktop, stand_in, mask_of, run_to_end, to_end
):
    panel, ui, painted = a_reviewed_panel, a_reviewed_panel.ui, a_painted_scene.painted
    result, p = panel.state.parameters.result, panel.state.parameters
    before = mask_of(painted)
    panel.ui.editResultButton.click()
    ui.suspectsTable.setCurrentCell(0, 1)
    suspect = panel.suspects.suspects[0]
    ui.fixButton.click()
    stand_in.process_events(2)
    assert a_desktop.errors == a_desktop.told == []
    assert panel.editor.widget.segmentationNode() is painted and panel.editor.widget.values["effect"] == "Paint"
    assert (p.showPainted, p.showResult) == (True, False)
    assert panel.views.shown()[0] == (suspect.plane, suspect.index)
    view = panel.reviewing.volume.view(suspect.plane)
    copied = view.slice(mask_of(painted), suspect.index)
    assert copied.any() and np.array_equal(copied, view.slice(mask_of(result), suspect.index))
    assert (suspect.plane, suspect.index) in [(row.plane, row.index) for row in panel.seeds.rows]  # it is a seed
    ui.fixButton.click()  # once more: what was corrected meanwhile stays
    ui.takeBackButton.click()
    stand_in.process_events(2)
    assert np.array_equal(mask_of(painted), before)
    ui.fixButton.click()
    keys = [line.key for line in panel.suspects.lines]
    run_to_end()
    to_end(panel)
    assert panel.state.parameters.result is not result and [line.key for line in panel.suspects.lines] != keys
    seeds = panel.state.finished.request.seeds["bone"]
    assert (suspect.plane, suspect.index) in [(seed.plane, seed.index) for seed in seeds]


def test_where_the_result_is_empty_paint_opens_on_an_empty_slice(a_reviewed_panel, a_painted_scene, a_desktop, mask_of):
    from SAM2VolumeSegLib.volume import Plane

    before = mask_of(a_painted_scene.painted)
    a_reviewed_panel.correct.fixAt("bone", Plane.AXIAL, 0)
    assert np.array_equal(mask_of(a_painted_scene.painted), before)
    assert a_reviewed_panel.editor.widget.values["effect"] == "Paint" and a_desktop.told == []


def test_another_result_has_no_review_and_the_one_that_was_reviewed_gets_it_again(
    a_reviewed_panel, a_desktop, to_end, stand_in
):
    p = a_reviewed_panel.state.parameters
    result, p.result = p.result, None
    stand_in.process_events()
    assert a_reviewed_panel.ui.reviewTable.texts() == a_reviewed_panel.ui.suspectsTable.texts() == []
    p.result = result
    to_end(a_reviewed_panel)
    assert a_reviewed_panel.ui.reviewTable.texts()
    a_desktop.slicer.mrmlScene.RemoveNode(result)
    stand_in.process_events(3)
    assert a_reviewed_panel.ui.reviewTable.texts() == [] and a_desktop.errors == []
    assert a_reviewed_panel.state.finished is None  # it holds the voxels of the CT


def test_a_ct_that_was_moved_since_is_said(a_reviewed_panel, a_painted_scene, a_desktop, to_end, stand_in):
    a_painted_scene.volume.SetOrigin(5, 0, 0)
    stand_in.process_events(3)
    a_reviewed_panel.reviewing.lookAgain()
    to_end(a_reviewed_panel)
    assert "another volume" in a_desktop.told[0] or "beside" in a_desktop.told[0]
    assert a_desktop.errors == []


def test_a_closed_scene_leaves_nothing_of_a_review(a_reviewed_panel, a_desktop, stand_in):
    a_reviewed_panel.ui.selfCheckButton.click()
    a_desktop.slicer.mrmlScene.Clear()
    stand_in.process_events(3)
    assert a_reviewed_panel.state.checking is None and a_reviewed_panel.state.finished is None
    assert a_reviewed_panel.ui.suspectsTable.texts() == [] and a_desktop.errors == []
    assert a_reviewed_panel.ui.reviewLabel.text.startswith("After a run")  # and not how long a self-check takes


# ------------------------------------------------------------------------------------------------------ the next slice


def paint_crosses(scene, node, mask, places):
    """Paint a structure on a slice of each axis, and nothing else.

    Args:
        places: index of the axial, the coronal and the sagittal slice.
    """
    import slicer

    (k, j, i), voxels = places, np.zeros(mask.shape, np.uint8)
    voxels[k], voxels[:, j], voxels[:, :, i] = mask[k], mask[:, j], mask[:, :, i]
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, node, "bone", scene.volume)


@pytest.fixture
def sent(a_panel, a_painted_scene, run_to_end, to_end, unsure, stand_in):
    """Each axis is painted, and "Next" goes where the review says."""
    paint_crosses(a_painted_scene, a_painted_scene.painted, a_painted_scene.bone, (7, 9, 11))
    stand_in.process_events(3)
    run_to_end()
    to_end(a_panel)
    stand_in.process_events(3)
    assert "likely wrong there" in a_panel.ui.adviceLabel.text
    return a_panel


@pytest.fixture
def a_small_structure(a_painted_scene):
    mask = np.zeros(a_painted_scene.bone.shape, bool)
    mask[1:6, 1:6, 1:6] = True
    return mask


def test_next_does_not_go_where_the_result_of_another_segmentation_is_wrong(
    sent, a_painted_scene, a_small_structure, a_desktop, stand_in
):
    """Slicer numbers segments in each segmentation anew: both have the same ID."""
    other = a_desktop.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Other")
    other.CreateDefaultDisplayNodes()
    other.SetReferenceImageGeometryParameterFromVolumeNode(a_painted_scene.volume)
    other.GetSegmentation().AddEmptySegment("bone", "Liver")
    paint_crosses(a_painted_scene, other, a_small_structure, (3, 3, 3))
    sent.editor.widget.setSegmentationNode(other)
    stand_in.process_events(5)
    assert sent.state.segment.name == "Liver" and "likely wrong" not in sent.ui.adviceLabel.text
    sent.editor.widget.setSegmentationNode(a_painted_scene.painted)
    stand_in.process_events(5)
    assert "likely wrong there" in sent.ui.adviceLabel.text and a_desktop.errors == []


@pytest.mark.parametrize("places", [(3, 3, 3), (7, 9, 11)])
def test_next_does_not_go_where_the_result_of_a_deleted_segment_is_wrong(
    sent, a_painted_scene, a_small_structure, a_desktop, stand_in, places
):
    """The ID of a deleted segment is given to the next one that is added; it may be painted on the same slices."""
    segmentation, mask = a_painted_scene.painted.GetSegmentation(), a_small_structure
    segmentation.RemoveSegment("bone")
    segmentation.AddEmptySegment("bone", "Rib")
    if places == (7, 9, 11):
        mask = np.zeros_like(mask)
        mask[:3, 9:12, 11:14] = mask[7:10, :3, 11:14] = mask[7:10, 9:12, :3] = True
        mask &= ~a_painted_scene.bone
    paint_crosses(a_painted_scene, a_painted_scene.painted, mask, places)
    stand_in.process_events(5)
    assert sent.seeds.rows and "likely wrong" not in sent.ui.adviceLabel.text and a_desktop.errors == []


def test_next_goes_where_it_did_after_a_painted_slice_was_erased_or_the_segment_renamed(
    sent, a_painted_scene, stand_in
):
    a_painted_scene.painted.GetSegmentation().GetSegment("bone").SetName("L3")
    paint_crosses(a_painted_scene, a_painted_scene.painted, a_painted_scene.bone, (8, 9, 11))
    stand_in.process_events(5)
    assert "likely wrong there" in sent.ui.adviceLabel.text


def test_next_does_not_go_where_a_ct_was_wrong_that_is_another_one_now(sent, a_painted_scene, a_desktop, stand_in):
    """Crop Volume can write into the volume that it crops: then all slices have other numbers."""
    slicer, volume = a_desktop.slicer, a_painted_scene.volume
    slicer.util.updateVolumeFromArray(volume, slicer.util.arrayFromVolume(volume)[4:14, 4:16, 6:20].copy())
    volume.SetOrigin(12, 8, 8)
    stand_in.process_events(5)
    assert sent.seeds.rows and "likely wrong" not in sent.ui.adviceLabel.text and a_desktop.errors == []


# ---------------------------------------------------------------------------------------------------- likely errors


@pytest.fixture
def in_front(a_desktop):
    """Classes of what our nodes are, and the foregrounds of the views."""

    def look():
        scene = a_desktop.slicer.mrmlScene
        composites = [scene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode") for n in range(3)]
        nodes = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
        names = {node.GetName() for node in nodes if node.GetName() and "Chance of an error" in node.GetName()}
        return names, {composite.GetForegroundVolumeID() for composite in composites}

    return look


def show_in_views(slicer, volume):
    for n in range(3):
        slicer.mrmlScene.GetNthNodeByClass(n, "vtkMRMLSliceCompositeNode").SetBackgroundVolumeID(volume.GetID())


def test_likely_errors_are_coloured_and_go_without_a_trace(
    a_reviewed_panel, a_painted_scene, a_desktop, stand_in, in_front
):
    p, ui, scene = a_reviewed_panel.state.parameters, a_reviewed_panel.ui, a_desktop.slicer.mrmlScene
    show_in_views(a_desktop.slicer, a_painted_scene.volume)
    nothing, count = in_front(), scene.GetNumberOfNodes()
    ui.showErrorsCheckBox.click()
    stand_in.process_events(2)
    assert p.showErrors and in_front()[0] and None not in in_front()[1]
    assert scene.GetNumberOfNodesByClass("vtkMRMLModelNode") == 1
    model = scene.GetFirstNodeByClass("vtkMRMLModelNode")
    a_reviewed_panel.suspects.onNext()  # the list is filled anew, and nothing is computed again
    stand_in.process_events(2)
    assert scene.GetFirstNodeByClass("vtkMRMLModelNode") is model
    ui.showErrorsCheckBox.click()
    stand_in.process_events(2)
    assert in_front() == nothing and scene.GetNumberOfNodes() == count
    assert a_desktop.errors == []


def test_of_likely_errors_and_what_the_model_sees_the_last_one_is_shown(
    a_reviewed_panel, a_painted_scene, a_desktop, stand_in, in_front
):
    """Both lie in front of the CT: together, the one would take the views from the other again and again."""
    p = a_reviewed_panel.state.parameters
    show_in_views(a_desktop.slicer, a_painted_scene.volume)
    nothing = in_front()
    p.showErrors = True
    stand_in.process_events(4)
    p.showWindow = True
    stand_in.process_events(4)
    assert (p.showErrors, p.showWindow) == (False, True) and not in_front()[0]
    p.showErrors = True
    stand_in.process_events(6)
    assert (p.showErrors, p.showWindow) == (True, False) and in_front()[0] and None not in in_front()[1]
    a_reviewed_panel.exit()
    assert in_front() == nothing
    a_reviewed_panel.enter()
    stand_in.process_events(4)
    assert in_front()[0]
    p.showErrors = False
    stand_in.process_events(4)
    assert in_front() == nothing and a_desktop.errors == []


# ----------------------------------------------------------------------------------------------------------- verdict


def test_a_verdict_is_kept_on_the_segment_with_who_said_it_when_and_with_what(a_reviewed_panel, a_desktop, stand_in):
    from SAM2VolumeSegLib.scene import verdicts_of

    ui, p = a_reviewed_panel.ui, a_reviewed_panel.state.parameters
    a_desktop.person.SetName("reader 1")
    assert ui.verdictLabel.text == "" and ui.verdictComboBox.currentText == "not given"
    ui.verdictComboBox.currentIndex = ui.verdictComboBox.findData("fix")
    ui.verdictComboBox.emit("activated(int)", 2)
    ui.starsComboBox.currentIndex = 4
    ui.starsComboBox.emit("activated(int)", 4)
    ui.commentLineEdit.text = "left pedicle "
    ui.commentLineEdit.emit("editingFinished()")
    said = verdicts_of(p.result, {"Bone": "bone"})["Bone"]
    assert (said.decision, said.stars, said.comment, said.reviewer) == ("fix", 4, "left pedicle", "reader 1")
    assert said.time.startswith("20") and "Slicer 5.12" in said.program
    assert ui.reviewTable.texts()[0][3] == "Fix ★★★★" and ui.verdictLabel.text.startswith("By reader 1, 20")
    a_desktop.person.SetName("Grace")
    ui.commentLineEdit.emit("editingFinished()")  # who only passes by has not said anything
    assert verdicts_of(p.result, {"Bone": "bone"})["Bone"].reviewer == "reader 1"
    a_reviewed_panel.exit()
    assert not ui.verdictComboBox.enabled
    a_reviewed_panel.enter()
    stand_in.process_events(2)
    assert ui.commentLineEdit.text == "left pedicle" and a_desktop.errors == []


def test_no_key_does_anything_while_a_comment_is_typed(a_reviewed_panel, a_desktop, stand_in):
    a_desktop.focus(a_reviewed_panel.ui.commentLineEdit)
    assert not any(shortcut.enabled for shortcut in stand_in.Shortcut.made)
    a_desktop.focus(a_reviewed_panel.ui.fixButton)
    assert any(shortcut.enabled for shortcut in stand_in.Shortcut.made)


# ----------------------------------------------------------------------------------- reference, distance, report, audit


@pytest.fixture
def a_reference(a_painted_scene, a_desktop):
    """The ellipsoid with a piece cut off, as somebody else's segmentation."""
    slicer, mask = a_desktop.slicer, a_painted_scene.bone.copy()
    mask[:, :, 16:] = False
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Expert")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(a_painted_scene.volume)
    node.GetSegmentation().AddEmptySegment("other", "Bone")
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, "other", a_painted_scene.volume)
    return node


def test_beside_a_reference_there_are_figures_and_where_they_differ_are_the_suspects(
    a_reviewed_panel, a_reference, a_desktop, to_end, stand_in
):
    ui, p, reviewing = a_reviewed_panel.ui, a_reviewed_panel.state.parameters, a_reviewed_panel.reviewing
    own = [line.key for line in a_reviewed_panel.suspects.lines]
    ui.referenceComboBox.setCurrentNode(a_reference)
    to_end(a_reviewed_panel)
    agreement = reviewing.comparison.segments["Bone"].agreement
    assert f"Dice {agreement.dice:.3f}" in ui.reviewLabel.text and 0.7 < agreement.dice < 0.95
    assert "Too much: the reference" in ui.suspectsTable.texts()[0][3]
    suspect = a_reviewed_panel.suspects.suspects[0]
    assert suspect.region.box.lower[2] >= 14  # where the piece is missing
    p.reference = None
    stand_in.process_events()
    assert [line.key for line in a_reviewed_panel.suspects.lines] == own and reviewing.comparison is None
    assert a_desktop.errors == a_desktop.told == []


def test_the_distance_is_on_the_surface_in_place_of_likely_errors(
    a_reviewed_panel, a_reference, a_painted_scene, a_desktop, to_end, stand_in
):
    from vtk.util.numpy_support import vtk_to_numpy

    p, scene = a_reviewed_panel.state.parameters, a_desktop.slicer.mrmlScene
    show_in_views(a_desktop.slicer, a_painted_scene.volume)
    p.reference = a_reference
    to_end(a_reviewed_panel)
    count = scene.GetNumberOfNodes()
    p.showErrors = True
    a_reviewed_panel.ui.showDistanceCheckBox.click()
    stand_in.process_events(3)
    assert p.showDistance and scene.GetNumberOfNodesByClass("vtkMRMLModelNode") == 1
    model = scene.GetFirstNodeByClass("vtkMRMLModelNode")
    away = vtk_to_numpy(model.GetPolyData().GetPointData().GetScalars())
    right = vtk_to_numpy(model.GetPolyData().GetPoints().GetData())[:, 0]  # RAS of this CT is i * 2 mm
    assert away[right > 34].min() > 0.5 and np.abs(away[right < 20]).max() < 2.5
    p.showDistance = p.showErrors = False
    stand_in.process_events(3)
    assert scene.GetNumberOfNodes() == count


def test_a_report_is_written_into_the_folder_that_is_chosen(
    a_reviewed_panel, a_desktop, a_reference, to_end, monkeypatch, tmp_path
):
    import qt

    a_reviewed_panel.ui.reportButton.click()  # the box is closed without a folder
    assert a_reviewed_panel.state.checking is None
    a_reviewed_panel.state.parameters.reference = a_reference
    to_end(a_reviewed_panel)
    a_reviewed_panel.ui.commentLineEdit.text = "a ragged edge"
    a_reviewed_panel.ui.commentLineEdit.emit("editingFinished()")
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda parent, title, folder: str(tmp_path))
    a_reviewed_panel.ui.reportButton.click()
    to_end(a_reviewed_panel)
    assert a_desktop.errors == a_desktop.told == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["review.csv", "review.html", "suspects.csv"]
    page = (tmp_path / "review.html").read_text("utf-8")
    assert "a ragged edge" in page and "Beside the reference" in page and "Reviewed in 3D Slicer" in page
    assert a_desktop.settings["SAM2VolumeSeg/ReportFolder"] == str(tmp_path)


@pytest.fixture
def a_finished_one(a_panel, a_painted_scene, stand_in):
    """A segmentation that is filled on every slice, with a bite taken out of it."""
    from SAM2VolumeSegLib.panel.finished import RUN

    mask = a_painted_scene.bone.copy()
    mask[8:10, 2:7, 8:16] = False
    assert mask.any(axis=(1, 2)).sum() >= RUN
    import slicer

    slicer.util.updateSegmentBinaryLabelmapFromArray(
        mask.astype(np.uint8), a_painted_scene.painted, "bone", a_painted_scene.volume
    )
    stand_in.process_events(3)
    return a_painted_scene.painted


def audit_button(panel):
    buttons = (panel.ui.hintButton, panel.ui.hintOtherButton, panel.ui.hintThirdButton)
    return next(button for button in buttons if button.visible and button.text == "Audit it")


def test_a_finished_segmentation_is_audited_by_what_its_own_slices_lead_to(
    a_panel, a_finished_one, a_desktop, to_end, stand_in, mask_of, run_to_end
):
    before = mask_of(a_finished_one)
    audit_button(a_panel).click()
    assert not a_panel.ui.reviewCollapsibleButton.collapsed
    stand_in.process_events(3)
    assert "Bone: " in a_panel.ui.reviewLabel.text  # where the run is, with the time that is left
    to_end(a_panel)
    p, reviewing = a_panel.state.parameters, a_panel.reviewing
    assert a_desktop.errors == a_desktop.told == []
    assert p.result is a_finished_one and p.segmentation is not a_finished_one  # it is corrected, not painted on
    assert np.array_equal(mask_of(a_finished_one), before)
    assert "with what was propagated from its own slices" in a_panel.ui.reviewLabel.text
    table, agreement = a_panel.ui.reviewTable, reviewing.propagated.segments["Bone"].agreement.dice
    assert table.texts()[0][1] == f"{agreement:.3f}"  # and no range, which was found on results of this program
    assert table.horizontalHeaderItem(1).text() == "Dice with what was propagated"
    assert "no estimate of how good" in table.item(0, 1).toolTip and "xpected Dice" not in a_panel.ui.reviewLabel.text
    assert "does not say: that it is right" in a_panel.ui.reviewLabel.text
    assert reviewing.propagated.segments["Bone"].agreement.dice > 0.7 and a_panel.suspects.lines
    a_panel.suspects.onNext()
    a_panel.ui.fixButton.click()
    assert mask_of(p.segmentation).any()  # the first corrected slice


def test_a_cancelled_audit_leaves_no_trace(a_panel, a_finished_one, a_desktop, segmentations, stand_in):
    count, button = segmentations(), audit_button(a_panel)
    button.click()
    stand_in.process_events(4)
    assert not button.enabled
    a_panel.ui.selfCheckButton.click()
    stand_in.process_events(3)
    p = a_panel.state.parameters
    assert (p.result, p.segmentation, segmentations()) == (None, a_finished_one, count)
    assert a_panel.state.finished is None and button.enabled and a_desktop.errors == []


# -------------------------------------------------------------------------------------------------------------- plot


@pytest.fixture
def a_plot_view(a_desktop, stand_in, monkeypatch):
    """A layout manager with one plot view, and a layout of the user's."""
    from types import SimpleNamespace

    node = a_desktop.slicer.vtkMRMLPlotViewNode()
    view = stand_in.Emitter("qMRMLPlotView")
    widget = SimpleNamespace(plotView=lambda: view, mrmlPlotViewNode=lambda: node)
    manager = SimpleNamespace(layout=3, plotViewCount=1, plotWidget=lambda n: widget)
    manager.setLayout = lambda layout: setattr(manager, "layout", layout)
    a_desktop.slicer.mrmlScene.AddNode(node)
    monkeypatch.setattr(a_desktop.slicer.app, "layoutManager", lambda: manager)
    return SimpleNamespace(view=view, node=node, manager=manager)


def test_a_click_into_the_plot_goes_to_its_slice_and_the_layout_comes_back(
    a_reviewed_panel, a_desktop, a_plot_view, stand_in, monkeypatch
):
    import vtk

    from SAM2VolumeSegLib.panel.choices import PlotAxis
    from SAM2VolumeSegLib.volume import Plane

    slicer, p, gone = a_desktop.slicer, a_reviewed_panel.state.parameters, []
    monkeypatch.setattr(a_reviewed_panel.views, "goTo", lambda plane, index: gone.append((plane, index)))
    count = slicer.mrmlScene.GetNumberOfNodes()
    a_reviewed_panel.ui.plotComboBox.currentIndex = list(PlotAxis).index(PlotAxis.AXIAL)
    stand_in.process_events(2)
    assert a_plot_view.manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView
    chart = a_plot_view.node.GetPlotChartNode()
    assert chart.GetNumberOfPlotSeriesNodes() == 4 and chart.GetXAxisTitle() == "S (mm)"
    points, selected, names = vtk.vtkIdTypeArray(), vtk.vtkCollection(), vtk.vtkStringArray()
    points.InsertNextValue(4)
    selected.AddItem(points)
    a_plot_view.view.emit("dataSelected(vtkStringArray*,vtkCollection*)", names, selected)
    first = a_reviewed_panel.reviewing.along(Plane.AXIAL).indices[0]
    assert gone == [(Plane.AXIAL, first + 4)]
    p.plot = PlotAxis.CORONAL
    stand_in.process_events(2)
    assert a_plot_view.node.GetPlotChartNode().GetXAxisTitle() == "A (mm)"
    p.plot = PlotAxis.NONE
    stand_in.process_events(2)
    assert a_plot_view.manager.layout == 3 and slicer.mrmlScene.GetNumberOfNodes() == count
    assert a_desktop.errors == a_desktop.told == []


# ------------------------------------------------------------------------------------------------- the scene keeps it


@pytest.fixture
def kept_count(a_desktop):
    """How many nodes there are that keep what a run knew."""
    from SAM2VolumeSegLib.scene.evidence import EVIDENCE

    scene, kind = a_desktop.slicer.mrmlScene, "vtkMRMLScriptedModuleNode"

    def count():
        nodes = [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]
        return sum(node.GetAttribute(EVIDENCE) is not None for node in nodes)

    return count


def test_when_the_scene_is_loaded_again_the_review_goes_on_where_it_was(
    a_reviewed_panel, a_desktop, save_and_load_mrb, stand_in, to_end
):
    """The next day: the same suspects, those that were ticked off still are, and a self-check can follow."""
    panel, ui = a_reviewed_panel, a_reviewed_panel.ui
    panel.suspects.onNext()
    panel.suspects.onTick()
    segments, suspects = ui.reviewTable.texts(), ui.suspectsTable.texts()
    seeds = panel.state.finished.request.seeds["bone"]
    save_and_load_mrb()
    stand_in.process_events(5)
    to_end(panel)
    assert panel.state.parameters.result is not None and panel.state.parameters.result.GetScene() is not None
    assert ui.reviewTable.texts() == segments and segments[0][2].endswith("1 done")
    assert ui.suspectsTable.texts() == suspects
    for now, before in zip(panel.state.finished.request.seeds["bone"], seeds, strict=True):
        assert (now.plane, now.index) == (before.plane, before.index) and np.array_equal(now.mask, before.mask)
    ui.selfCheckButton.click()
    to_end(panel)
    assert len(panel.reviewing.check.slices) == 3 and a_desktop.errors == a_desktop.told == []


def test_where_all_segments_were_deleted_nothing_is_reviewed(
    a_reviewed_panel, a_desktop, save_and_load_mrb, stand_in, to_end
):
    """What the run found is not judged in the place of a result that is not there any more."""
    ui = a_reviewed_panel.ui
    a_reviewed_panel.state.parameters.result.GetSegmentation().RemoveSegment("bone")
    save_and_load_mrb()
    stand_in.process_events(5)
    to_end(a_reviewed_panel)
    ui.showErrorsCheckBox.click()
    stand_in.process_events(3)
    assert ui.reviewTable.texts() == ui.suspectsTable.texts() == [] and not ui.fixButton.enabled
    assert a_desktop.errors == a_desktop.told == []


def test_after_loading_a_self_check_is_made_with_the_model_and_the_size_of_the_run(
    a_reviewed_panel, a_module, save_and_load_mrb, stand_in, to_end
):
    p, ch = a_reviewed_panel.state.parameters, a_module.ch
    p.model, p.inputSize = ch.ModelChoice.SMALL, ch.InputSize.PIXELS_1024  # chosen after the run, for the next one
    save_and_load_mrb()
    stand_in.process_events(5)
    to_end(a_reviewed_panel)
    choices = a_reviewed_panel.state.finished.choices
    assert (choices.model, choices.inputSize) == (ch.ModelChoice.DEMO, ch.InputSize.PIXELS_192)


def test_no_self_check_is_made_with_another_model(a_reviewed_panel, a_desktop, to_end):
    """A file of the user's own may not be the one that is chosen when the scene is loaded again."""
    review = a_reviewed_panel.reviewing.review
    a_reviewed_panel.state.finished.provenance["model"].update(name="mine", sha256=64 * "0")
    a_reviewed_panel.ui.selfCheckButton.click()
    to_end(a_reviewed_panel)
    assert "another model, \u201cmine\u201d" in a_desktop.told[0] and a_desktop.errors == []
    assert a_reviewed_panel.reviewing.review is review and a_reviewed_panel.reviewing.check is None


def test_a_segment_that_was_deleted_from_the_result_is_not_reviewed_again(
    a_panel, a_painted_scene, a_desktop, run_to_end, to_end, save_and_load_mrb, stand_in
):
    """The others are: who throws one away still wants to know where the rest is wrong."""
    painted, volume = a_painted_scene.painted, a_painted_scene.volume
    painted.GetSegmentation().AddEmptySegment("disc", "Disc")
    mask = np.zeros(a_painted_scene.bone.shape, np.uint8)
    mask[7, 1:4, 1:5] = 1
    a_desktop.slicer.util.updateSegmentBinaryLabelmapFromArray(mask, painted, "disc", volume)
    stand_in.process_events(3)
    run_to_end()
    to_end(a_panel)
    assert [row[0] for row in a_panel.ui.reviewTable.texts()] == ["Bone", "Disc"]
    a_panel.state.parameters.result.GetSegmentation().RemoveSegment("disc")
    save_and_load_mrb()
    stand_in.process_events(5)
    to_end(a_panel)
    assert [row[0] for row in a_panel.ui.reviewTable.texts()] == ["Bone"]
    assert a_desktop.errors == a_desktop.told == []


def test_what_a_review_needs_goes_in_and_out_of_the_scene_with_its_box(
    a_reviewed_panel, a_desktop, save_and_load_mrb, stand_in, to_end, kept_count
):
    """A scene that is to stay small does not hold it; the review of this session goes on."""
    ui, p = a_reviewed_panel.ui, a_reviewed_panel.state.parameters
    lines = ui.suspectsTable.texts()
    for wanted in (False, True, False):
        ui.keepEvidenceCheckBox.click()
        stand_in.process_events(2)
        assert (p.keepEvidence, kept_count()) == (wanted, wanted) and ui.suspectsTable.texts() == lines
    save_and_load_mrb()
    stand_in.process_events(5)
    assert a_reviewed_panel.state.finished is None and ui.reviewLabel.text.startswith("After a run")
    assert a_desktop.errors == a_desktop.told == []


def test_what_was_kept_of_another_run_is_said_in_place_of_a_review(
    a_reviewed_panel, a_desktop, save_and_load_mrb, stand_in, to_end
):
    from SAM2VolumeSegLib.scene.writing import PROVENANCE

    node = a_reviewed_panel.state.parameters.result
    node.SetAttribute(PROVENANCE, node.GetAttribute(PROVENANCE).replace('"seconds": ', '"seconds": 9'))
    save_and_load_mrb()
    stand_in.process_events(5)
    to_end(a_reviewed_panel)
    assert a_reviewed_panel.ui.suspectsTable.texts() == []
    assert "was not used" in a_reviewed_panel.ui.reviewLabel.text
    assert "Propagate again" in a_reviewed_panel.ui.reviewLabel.text and a_desktop.errors == a_desktop.told == []


def test_what_was_kept_goes_with_its_result_whoever_deletes_that(
    a_reviewed_panel, a_module, a_desktop, stand_in, kept_count, run_to_end, to_end
):
    scene, p = a_desktop.slicer.mrmlScene, a_reviewed_panel.state.parameters
    tag = a_module.followScene()
    first = p.result
    p.target = a_module.ch.Target.REPLACE
    run_to_end()
    to_end(a_reviewed_panel)
    assert first.GetScene() is None and kept_count() == 1
    p.target = a_module.ch.Target.NEW
    run_to_end()
    to_end(a_reviewed_panel)
    assert kept_count() == 2  # the one before is there to compare with, and can be reviewed again
    for left in (1, 0):
        scene.RemoveNode(p.result or p.compared)
        stand_in.process_events(2)
        assert kept_count() == left
    scene.RemoveObserver(tag)
    assert a_desktop.errors == []
