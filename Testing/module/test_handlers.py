"""Every handler of the panel, run for real: what the user presses, and what they see and get."""

import inspect
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import readiness, setup
from SAM2VolumeSegLib.volume import Plane


def run_to_end(panel, stand_in, limit=200):
    for _step in range(limit):
        if panel.state.propagation is None:
            return
        stand_in.process_events()
    raise AssertionError("the run does not end")


def segmentations(slicer):
    return slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")


def mask_of(slicer, scene, node, segment="bone"):
    return slicer.util.arrayFromSegmentBinaryLabelmap(node, segment, scene.volume) > 0


# -------------------------------------------------------------------------------------------------------------- opening


def test_the_panel_opens_on_what_is_in_the_scene(a_panel, a_painted_scene):
    assert a_panel.editor.widget.segmentationNode() is a_painted_scene.painted
    assert a_panel.editor.widget.sourceVolumeNode() is a_painted_scene.volume
    assert a_panel.state.parameters.volume is a_painted_scene.volume
    assert a_panel.ui.headlineLabel.text == "Everything is ready."


def test_the_panel_opens_on_an_empty_scene_and_says_what_to_do(a_module, a_desktop, stand_in):
    widget = a_module.SAM2VolumeSegWidget(SimpleNamespace(isEntered=False))
    widget.setup()
    stand_in.process_events()
    assert "Choose a segmentation and a CT" in widget.ui.seedsLabel.text
    assert not widget.ui.propagateButton.enabled
    widget.cleanup()


def test_the_standard_segment_editor_shows_the_same_work(a_panel, a_desktop):
    shared = a_desktop.slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert a_panel.editor.widget.mrmlSegmentEditorNode() is shared


def test_closing_the_scene_lets_go_of_everything(a_panel, a_desktop):
    a_desktop.slicer.mrmlScene.Clear()
    assert a_panel.state.parameters.volume is None
    assert a_panel.ui.seedsTable.texts() == []


def test_leaving_and_coming_back_keeps_the_choices(a_panel):
    a_panel.state.parameters.radius = 0.5
    model = a_panel.state.parameters.model
    a_panel.exit()
    a_panel.enter()
    assert a_panel.ui.radiusSlider.value == 0.5
    assert a_panel.state.parameters.model is model and model is not next(iter(ch.ModelChoice))
    a_panel.ui.recentSpinBox.value = 1
    assert a_panel.state.parameters.recent == 1


def test_reload_reloads_the_library_too(a_panel, monkeypatch):
    import sys

    modules = dict(sys.modules)
    a_panel.onReload()
    assert not any(name.startswith("SAM2VolumeSegLib") for name in sys.modules)
    sys.modules.update(modules)


# --------------------------------------------------------------------------------------------------------------- set up


def test_set_up_asks_once_and_a_no_leaves_the_panel_usable(a_panel, a_desktop, monkeypatch):
    missing = a_panel.state.facts.__class__(**{**vars(a_panel.state.facts), "sam2": None, "missing": (readiness.Package("iopath", "0.1.10", "iopath"),)})
    monkeypatch.setattr(a_panel.logic, "facts", lambda choices=None: missing)
    a_panel.state.lookAtComputer()
    assert not a_panel.ui.propagateButton.enabled and a_panel.ui.setupButton.enabled
    a_desktop.answer = False
    a_panel.ui.setupButton.click()
    assert len(a_desktop.questions) == 1 and "sam2 1.1.0" in a_desktop.questions[0]
    assert a_panel.ui.headlineLabel.text == setup.DECLINED
    assert a_panel.ui.seedsTable.texts()


def test_set_up_installs_with_slicers_own_tools(a_panel, a_module, a_desktop, monkeypatch):
    missing = a_panel.state.facts.__class__(**{**vars(a_panel.state.facts), "sam2": None, "missing": (readiness.Package("iopath", "0.1.10", "iopath"),)})
    monkeypatch.setattr(a_panel.logic, "facts", lambda choices=None: missing)
    calls = []
    monkeypatch.setattr(a_desktop.slicer.util, "pip_install", calls.append, raising=False)
    a_panel.state.lookAtComputer()
    a_panel.ui.setupButton.click()
    assert calls == ['"iopath>=0.1.10"', '"--no-deps" "--no-build-isolation" "sam2==1.1.0"']
    assert a_desktop.errors == []


def test_set_up_uses_slicer_packaging_and_the_pytorch_extension_where_they_exist(a_panel, stand_in, monkeypatch):
    import sys

    from SAM2VolumeSegPanel.install import SlicerTools

    calls = []
    packaging = stand_in.module("slicer.packaging", pip_install=lambda *a, **k: calls.append((a, k)))
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    SlicerTools().pip_install(["tqdm>=4"])
    assert calls == [((["tqdm>=4"],), {"requester": "SAM2VolumeSeg"})]
    answers = [None]
    utils = SimpleNamespace(installTorch=lambda **wanted: calls.append(wanted) or answers[0])
    torch_extension = stand_in.module("PyTorchUtils", PyTorchUtilsLogic=lambda: utils)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", torch_extension)
    with pytest.raises(RuntimeError):
        SlicerTools().install_torch(">=2.5.1")
    answers[0] = "torch"
    SlicerTools().install_torch(">=2.5.1")
    assert calls[-1] == {"askConfirmation": False, "torchVersionRequirement": ">=2.5.1"}


def test_clahe_asks_for_its_package_before_a_run(a_panel, monkeypatch):
    """Slicer has no scikit-image: without this, a run would end with a sentence that leads nowhere."""
    from SAM2VolumeSegLib.panel import facts

    folder = facts._folder
    monkeypatch.setattr(facts, "_folder", lambda name: None if name == "skimage" else folder(name))
    a_panel.state.lookAtComputer()
    assert "scikit-image" not in a_panel.ui.readinessLabel.text
    a_panel.state.parameters.clahe = True
    assert "scikit-image" in a_panel.ui.readinessLabel.text
    assert a_panel.ui.setupButton.enabled and not a_panel.ui.propagateButton.enabled
    a_panel.state.parameters.clahe = False
    assert "scikit-image" not in a_panel.ui.readinessLabel.text


def test_a_failed_set_up_is_one_sentence(a_panel, a_desktop, monkeypatch):
    missing = a_panel.state.facts.__class__(**{**vars(a_panel.state.facts), "missing": (readiness.Package("iopath", "0.1.10", "iopath"),)})
    monkeypatch.setattr(a_panel.logic, "facts", lambda choices=None: missing)

    def no_network(arguments):
        raise OSError("unreachable")

    monkeypatch.setattr(a_desktop.slicer.util, "pip_install", no_network, raising=False)
    a_panel.state.lookAtComputer()
    a_panel.ui.setupButton.click()
    assert len(a_desktop.errors) == 1 and "connected to the internet" in a_desktop.errors[0]
    assert a_panel.ui.setupButton.enabled


def test_a_failed_pip_that_slicer_has_shown_is_one_box(a_panel, a_desktop, stand_in, monkeypatch):
    """Slicer 5.12 shows pip's words itself; ours go to the panel."""
    import subprocess
    import sys

    missing = a_panel.state.facts.__class__(**{**vars(a_panel.state.facts), "missing": (readiness.Package("iopath", "0.1.10", "iopath"),)})
    monkeypatch.setattr(a_panel.logic, "facts", lambda choices=None: missing)

    def fails(*arguments, **more):
        raise subprocess.CalledProcessError(1, "pip install")

    monkeypatch.setitem(sys.modules, "slicer.packaging", stand_in.module("slicer.packaging", pip_install=fails))
    a_panel.state.lookAtComputer()
    a_panel.ui.setupButton.click()
    assert a_desktop.errors == []
    assert "connected to the internet" in a_panel.ui.headlineLabel.text and a_panel.ui.setupButton.enabled


def test_a_damaged_model_is_told_with_the_panels_buttons(a_panel, a_desktop, monkeypatch):
    from SAM2VolumeSegLib.model import checkpoints

    def damaged(*arguments):
        raise checkpoints.CheckpointError("The file is damaged.", "fetch again", "sam2-volume-seg ...")

    monkeypatch.setattr(a_panel.logic, "startRun", damaged)
    a_panel.ui.propagateButton.click()
    assert a_desktop.errors == [
        "The file is damaged. In the section Set up select the model, press Delete and then Download."
    ]


def test_nothing_is_installed_in_testing_mode(a_panel, a_desktop):
    a_desktop.testing = True
    a_panel.state.lookAtComputer()
    a_panel.setUp.onSetup()
    assert "testing mode" in a_desktop.errors[0] and not a_desktop.questions


def test_models_are_listed_downloaded_cancelled_and_deleted(a_panel, a_desktop, stand_in, monkeypatch, tmp_path):
    from SAM2VolumeSegLib.model import checkpoints

    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    a_panel.state.lookAtComputer()
    states = {row[0]: row[2] for row in a_panel.ui.modelsTable.texts()}
    assert states == {"tiny": "no", "small": "no", "base+": "no", "large": "no", "demo": "bundled"}
    closed = []

    def fetch(model):
        try:
            yield 1, 4
            yield 2, 4
            path = checkpoints.path_in_store(model)
            with path.open("wb") as file:
                file.truncate(model.size)
            yield 4, 4
        finally:
            closed.append(model.name)

    monkeypatch.setattr(checkpoints, "fetch", fetch)
    a_desktop.answer = False
    a_panel.ui.downloadButton.click()
    assert a_panel.state.download is None and "156 MB" in a_desktop.questions[-1]
    a_desktop.answer = True
    a_panel.ui.downloadButton.click()
    stand_in.process_events(2)
    assert a_panel.ui.downloadProgressBar.value == 50
    a_panel.ui.cancelDownloadButton.click()
    stand_in.process_events()
    assert closed == ["tiny"] and a_panel.ui.downloadButton.enabled
    a_panel.ui.downloadButton.click()
    stand_in.process_events(6)
    assert a_panel.ui.modelsTable.texts()[0][2] == "yes"
    a_panel.ui.deleteButton.click()
    assert a_panel.ui.modelsTable.texts()[0][2] == "no" and a_desktop.errors == []


def test_a_download_that_breaks_off_is_told_and_can_be_repeated(a_panel, a_desktop, stand_in, monkeypatch, tmp_path):
    from SAM2VolumeSegLib.errors import InputError
    from SAM2VolumeSegLib.model import checkpoints

    def broken(model):
        yield 1, 4
        raise InputError("The connection broke off.")

    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    monkeypatch.setattr(checkpoints, "fetch", broken)
    a_panel.state.lookAtComputer()
    a_panel.ui.downloadButton.click()
    stand_in.process_events(3)
    assert a_desktop.errors == ["The connection broke off."]
    assert a_panel.ui.downloadButton.enabled and not a_panel.ui.cancelDownloadButton.enabled


# ---------------------------------------------------------------------------------------------------------------- seeds


def test_painted_slices_appear_by_themselves(a_panel, a_painted_scene, stand_in):
    assert [row[1] for row in a_panel.ui.seedsTable.texts()] == ["axial"] * 3
    a_painted_scene.paint((3, 7))
    stand_in.process_events(2)
    assert len(a_panel.ui.seedsTable.texts()) == 2
    assert "Bone" in a_panel.ui.seedsLabel.text


def test_a_line_moves_the_views_by_mouse_and_by_keyboard(a_panel, a_desktop):
    red = a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    a_panel.ui.seedsTable.emit("cellClicked(int,int)", 0, 1)
    assert red.GetSliceOffset() == pytest.approx(6.0)
    a_panel.ui.seedsTable.setCurrentCell(2, 1)
    assert red.GetSliceOffset() == pytest.approx(24.0)


def test_a_cleared_box_leaves_that_slice_out_and_survives_saving(a_panel, a_module, stand_in):
    item = a_panel.ui.seedsTable.item(1, 0)
    item.setCheckState(0)
    assert a_panel.ui.seedsTable.item(1, 0) is item  # the table is not filled anew while it tells of the change
    stand_in.process_events()
    assert a_panel.state.parameters.skipped == ["axial:7:bone"]
    assert a_panel.ui.seedsTable.item(1, 0).checkState() == 0
    assert "2 painted slices" in a_panel.ui.adviceLabel.text
    again = a_module.SAM2VolumeSegLogic().getParameterNode()
    assert again.skipped == ["axial:7:bone"]
    a_panel.ui.seedsTable.item(1, 0).setCheckState(2)
    stand_in.process_events()
    assert a_panel.state.parameters.skipped == []


def test_two_boxes_cleared_at_once_are_both_left_out(a_panel, stand_in):
    for row in (0, 2):
        a_panel.ui.seedsTable.item(row, 0).setCheckState(0)
    stand_in.process_events()
    assert a_panel.state.parameters.skipped == ["axial:3:bone", "axial:12:bone"]


def test_a_box_cleared_just_before_the_scene_is_closed_does_no_harm(a_panel, a_desktop, stand_in):
    a_panel.ui.seedsTable.item(1, 0).setCheckState(0)
    a_desktop.slicer.mrmlScene.Clear()
    stand_in.process_events(3)
    assert a_panel.state.parameters.skipped == [] and a_desktop.errors == []


def test_marks_do_not_leak_to_another_segmentation_with_the_same_segment_id(a_panel, a_desktop, stand_in):
    a_panel.ui.seedsTable.item(1, 0).setCheckState(0)
    stand_in.process_events()
    other = a_desktop.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Other")
    a_panel.editor.widget.setSegmentationNode(other)
    stand_in.process_events(2)
    assert a_panel.state.marks.skipped == {}


def moved(slicer, node):
    import vtk

    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetAndObserveTransformNodeID(transform.GetID())
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 3, 4.0)
    transform.SetMatrixTransformToParent(matrix)


def other_segments(slicer, scene):
    new = slicer.vtkSegmentation()
    new.DeepCopy(scene.painted.GetSegmentation())
    scene.painted.SetAndObserveSegmentation(new)
    new.GetSegment("bone").SetName("Copy")


CHANGES = {
    "renamed": lambda slicer, scene: scene.painted.GetSegmentation().GetSegment("bone").SetName("Femur"),
    "removed": lambda slicer, scene: scene.painted.GetSegmentation().RemoveSegment("bone"),
    "painted": lambda slicer, scene: scene.paint((4, 8)),
    "moved": lambda slicer, scene: moved(slicer, scene.painted),
    "CT moved": lambda slicer, scene: moved(slicer, scene.volume),
    "CT set elsewhere": lambda slicer, scene: scene.volume.SetOrigin(0, 0, 100),
    "CT cropped": lambda slicer, scene: slicer.util.updateVolumeFromArray(
        scene.volume, np.zeros((16, 20, 23), np.int16)
    ),
    "CT renamed": lambda slicer, scene: scene.volume.SetName("Other name"),
    "as surfaces": lambda slicer, scene: (
        scene.painted.CreateClosedSurfaceRepresentation(),
        scene.painted.SetSourceRepresentationToClosedSurface(),
    ),
    "other segments": other_segments,
    "segmentation deleted": lambda slicer, scene: slicer.mrmlScene.RemoveNode(scene.painted),
    "CT deleted": lambda slicer, scene: slicer.mrmlScene.RemoveNode(scene.volume),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_a_script_changes_is_followed_at_once(a_panel, a_painted_scene, a_desktop, stand_in, what):
    """Without a press in the panel: the table, the problem, and the volume that pictures are made of."""

    def state():
        volume = a_panel.state.found.volume
        ct = None if volume is None else (volume.name, volume.voxels.shape, volume.ijk_to_ras.tobytes())
        return a_panel.ui.seedsLabel.text, a_panel.ui.seedsTable.texts(), ct

    before = state()
    CHANGES[what](a_desktop.slicer, a_painted_scene)
    if "deleted" not in what:
        assert state() == before  # not in the middle of a stroke
    stand_in.process_events(2)
    assert state() != before and a_desktop.errors == []


def test_a_transform_that_moves_later_is_followed_too(a_panel, a_painted_scene, a_desktop, stand_in):
    moved(a_desktop.slicer, a_painted_scene.painted)
    stand_in.process_events(2)
    first = a_panel.ui.seedsTable.texts()
    import vtk

    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(2, 3, -2.0)
    a_painted_scene.painted.GetParentTransformNode().SetMatrixTransformToParent(matrix)
    stand_in.process_events(2)
    assert a_panel.ui.seedsTable.texts() != first


def test_voxels_changed_in_place_are_seen(a_panel, a_painted_scene, a_desktop, stand_in):
    before, fingerprint = a_panel.state.found.volume, a_panel.state.found.volume.fingerprint()
    slicer = a_desktop.slicer
    slicer.util.arrayFromVolume(a_painted_scene.volume)[0, 0, 0] = 1234
    slicer.util.arrayFromVolumeModified(a_painted_scene.volume)
    stand_in.process_events(2)
    assert a_panel.state.found.volume is not before and a_panel.state.found.volume.fingerprint() != fingerprint
    again = a_panel.state.found.volume
    a_painted_scene.paint((3, 7))
    stand_in.process_events(2)
    assert a_panel.state.found.volume is again  # what did not change is not read again


def test_nothing_is_followed_twice_or_for_ever(a_panel, a_painted_scene, a_desktop, stand_in):
    slicer, scene = a_desktop.slicer, a_painted_scene
    open_, kept = len(a_panel.nodes._followed), len(a_panel.Observations)
    for _round in range(3):
        a_panel.exit()
        closed = len(a_panel.nodes._followed)
        a_panel.enter()
        assert len(a_panel.nodes._followed) == open_ and closed == 0 and len(a_panel.Observations) == kept
    for _round in range(3):
        other_segments(slicer, scene)
        scene.painted.Modified()
        stand_in.process_events(2)
        assert len(a_panel.nodes._followed) == open_
    slicer.mrmlScene.RemoveNode(scene.volume)
    stand_in.process_events(2)
    assert not any(obj is scene.volume for obj, *_rest in a_panel.nodes._followed)
    slicer.mrmlScene.Clear()
    stand_in.process_events(2)
    assert not any(obj.IsA("vtkMRMLDisplayableNode") for obj, *_rest in a_panel.nodes._followed)
    a_panel.cleanup()
    assert a_panel.nodes._followed == {}
    assert len(a_panel.Observations) == 0


def test_a_deleted_ct_gives_its_memory_back(a_panel, a_painted_scene, a_desktop, stand_in):
    """Slicer's VTKObservationMixin keeps what it was told of, also when it is not observed any more."""
    import gc

    import vtk

    slicer, painted = a_desktop.slicer, a_painted_scene.painted
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Another CT")
    slicer.util.updateVolumeFromArray(other, np.zeros((16, 20, 24), np.int16))
    other.SetSpacing(2, 2, 2)
    a_panel.editor.widget.setSourceVolumeNode(other)
    stand_in.process_events(2)
    assert a_panel.state.found.volume.name == "Another CT"
    painted.SetNodeReferenceID(painted.GetReferenceImageGeometryReferenceRole(), a_painted_scene.volume.GetID())
    voxels = vtk.vtkWeakReference()
    voxels.Set(other.GetImageData())
    slicer.mrmlScene.RemoveNode(other)
    del other
    stand_in.process_events(2)
    gc.collect()
    assert voxels.Get() is None


def test_a_scene_that_is_loaded_keeps_its_choice_whatever_the_node_lists_choose_meanwhile(
    a_panel, a_painted_scene, a_desktop, stand_in
):
    slicer, p = a_desktop.slicer, a_panel.state.parameters
    scene, editor = slicer.mrmlScene, a_panel.editor.widget
    scene.InvokeEvent(scene.StartImportEvent)
    for chosen in (None, scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "The last in the list")):
        editor.setSegmentationNode(chosen)
        a_panel.ui.resultComboBox.setCurrentNode(chosen)
    scene.InvokeEvent(scene.EndImportEvent)
    stand_in.process_events(2)
    assert a_panel.state.parameters.segmentation is editor.segmentationNode() is a_painted_scene.painted
    assert a_panel.state.parameters.volume is editor.sourceVolumeNode() is a_painted_scene.volume
    assert a_panel.state.parameters.result is None and p.result is None
    assert a_panel.ui.seedsTable.texts()


def test_only_the_editor_that_is_seen_takes_the_mouse(a_panel, a_desktop, stand_in, monkeypatch):
    """All editors on the shared node follow the views when an effect is chosen; Undo is that of the one who painted."""
    slicer, node = a_desktop.slicer, a_panel.editor.widget.mrmlSegmentEditorNode()
    standard = stand_in.SegmentEditor("qMRMLSegmentEditorWidget", "standard")
    monkeypatch.setattr(slicer.modules, "SegmentEditorWidget", SimpleNamespace(editor=standard), raising=False)
    for entered in (True, False, True):
        (a_panel.enter if entered else a_panel.exit)()
        a_panel.parent.isEntered = entered
        for editor in (standard, a_panel.editor.widget):  # as the real ones do in answer to the node
            editor.setupViewObservations()
        node.SetActiveEffectName("Paint" if entered else "Erase")
        assert (a_panel.editor.widget.values["views"], standard.values["views"]) == (entered, not entered)
    a_panel.cleanup()
    standard.setupViewObservations()
    node.SetActiveEffectName("")
    assert standard.values["views"]


def test_an_effect_that_is_registered_later_is_offered(a_panel, a_desktop):
    factory = a_desktop.slicer.qSlicerSegmentEditorEffectFactory.instance()
    factory.emit("effectRegistered(QString)", "SAM2 propagate")
    assert a_panel.editor.widget.values["effects"] == 1
    a_panel.cleanup()
    factory.emit("effectRegistered(QString)", "Another")
    assert a_panel.editor.widget.values["effects"] == 1


def test_a_panel_that_was_reloaded_over_stays_quiet(a_panel, stand_in):
    """Old versions of Slicer go on calling the first widget after a reload."""
    a_panel.cleanup()
    a_panel.enter()
    a_panel.exit()
    a_panel.cleanup()
    stand_in.process_events(3)
    assert a_panel.state.parameters is None


def test_absent_here_marks_the_shown_slice_and_takes_it_back(a_panel, a_desktop):
    red = a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    red.SetSliceOffset(28.0)
    a_panel.ui.absentButton.click()
    assert a_panel.ui.seedsTable.texts()[-1][1:] == ["axial", "S 28.0 mm", "absent here"]
    a_panel.ui.absentButton.click()
    assert len(a_panel.ui.seedsTable.texts()) == 3
    red.SetSliceOffset(14.0)
    a_panel.ui.absentButton.click()
    assert "has paint" in a_desktop.errors[0]


def test_the_next_slice_is_one_press_away(a_panel, a_painted_scene, a_desktop, stand_in):
    a_painted_scene.paint((3, 12))
    stand_in.process_events(2)
    assert "Paint next" in a_panel.ui.adviceLabel.text
    a_panel.ui.nextSliceButton.click()
    red = a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    assert red.GetSliceOffset() == pytest.approx(14.0)


def test_views_at_an_angle_are_told_and_turned(a_panel, a_painted_scene, a_desktop):
    slicer = a_desktop.slicer
    a_painted_scene.volume.SetIJKToRASDirections(1, 0, 0, 0, 0.9, -0.436, 0, 0.436, 0.9)
    a_panel.views.update()
    assert a_panel.ui.rotateViewsButton.visible and "angle" in a_panel.ui.viewsLabel.text
    a_panel.ui.rotateViewsButton.click()
    assert not a_panel.ui.rotateViewsButton.visible
    assert slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode") is not None and a_desktop.errors == []


def test_a_view_that_somebody_else_turns_is_noticed(a_panel, a_desktop, stand_in):
    red = a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    assert not a_panel.ui.viewsLabel.visible
    matrix = red.GetSliceToRAS()
    matrix.SetElement(1, 2, 0.3)
    red.UpdateMatrices()
    red.Modified()
    stand_in.process_events(2)
    assert a_panel.ui.viewsLabel.visible and "angle" in a_panel.ui.viewsLabel.text
    red.SetOrientation("Axial")
    stand_in.process_events(2)
    assert not a_panel.ui.viewsLabel.visible


def test_a_view_that_shows_no_slice_of_the_ct_is_told(a_panel, a_desktop):
    a_desktop.slicer.mrmlScene.RemoveNode(a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode"))
    a_panel.ui.absentButton.click()
    assert "no such slice view" in a_desktop.errors[0]
    a_panel.views.goTo(Plane.AXIAL, 3)
    assert "No view shows axial" in a_desktop.errors[1]


def test_another_segment_shows_its_own_seeds(a_panel, a_painted_scene, stand_in):
    a_painted_scene.painted.GetSegmentation().AddEmptySegment("rib", "Rib")
    stand_in.process_events(2)
    a_panel.editor.widget.setCurrentSegmentID("rib")
    assert "Rib" in a_panel.ui.seedsLabel.text and a_panel.ui.seedsTable.texts() == []
    a_panel.ui.scopeComboBox.currentIndex = 1
    assert not a_panel.ui.propagateButton.enabled


# --------------------------------------------------------------------------------------------------------------- window


def in_front(slicer, view):
    """What lies over the CT in a slice view."""
    composite = slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLSliceCompositeNode")
    return slicer.mrmlScene.GetNodeByID(composite.GetForegroundVolumeID() or "")


@pytest.fixture
def a_shown_ct(a_panel, a_painted_scene, a_desktop):
    """The CT in the background of all views, as the Segment Editor puts it there."""
    for view in ("Red", "Green", "Yellow"):
        composite = a_desktop.slicer.mrmlScene.GetSingletonNode(view, "vtkMRMLSliceCompositeNode")
        composite.SetBackgroundVolumeID(a_painted_scene.volume.GetID())
    display = a_painted_scene.volume.GetDisplayNode()
    display.SetAutoWindowLevel(0)
    display.SetWindowLevelMinMax(-20, 300)
    return a_painted_scene.volume


def show_what_the_model_sees(panel, stand_in):
    panel.ui.showWindowCheckBox.click()
    stand_in.process_events(2)


def test_the_views_show_what_the_model_sees_and_the_ct_is_left_alone(a_panel, a_shown_ct, a_desktop, stand_in):
    slicer, display = a_desktop.slicer, a_shown_ct.GetDisplayNode()
    before, times = slicer.util.arrayFromVolume(a_shown_ct).copy(), (a_shown_ct.GetMTime(), display.GetMTime())
    show_what_the_model_sees(a_panel, stand_in)
    node = in_front(slicer, "Red")
    assert node.GetName() == "What the model sees (Red)"
    bone = slicer.util.arrayFromVolume(node)
    assert "192 \u00d7 192 pixels" in a_panel.ui.previewLabel.text and a_panel.ui.previewLabel.visible
    assert bone.min() == 0 and bone.max() == pytest.approx(0.8)  # 700 HU in the window from -100 to 900
    a_panel.ui.windowComboBox.currentIndex = 1  # soft tissue
    stand_in.process_events(2)
    assert slicer.util.arrayFromVolume(in_front(slicer, "Red")).max() == 1
    a_panel.ui.windowComboBox.currentIndex = 5  # by hand
    assert a_panel.ui.windowLowerSpinBox.enabled
    a_panel.ui.windowUpperSpinBox.value = 1400.0
    stand_in.process_events(2)
    assert slicer.util.arrayFromVolume(in_front(slicer, "Red")).max() == pytest.approx((700 + 135) / (1400 + 135))
    a_panel.ui.showWindowCheckBox.click()
    stand_in.process_events(2)
    assert in_front(slicer, "Red") is None and not a_panel.ui.previewLabel.visible
    assert (a_shown_ct.GetMTime(), display.GetMTime()) == times
    assert np.array_equal(before, slicer.util.arrayFromVolume(a_shown_ct))


def test_what_is_shown_is_what_the_run_gives_the_model(
    a_panel, a_shown_ct, a_painted_scene, a_desktop, stand_in, monkeypatch
):
    """The pictures that the encoder gets in a run, with CLAHE, against those in the views."""
    from SAM2VolumeSegLib.model.tracker import SliceTracker

    slicer, given = a_desktop.slicer, {}
    encode = SliceTracker._encode

    def listening(self, pictures, index, upcoming):
        given[pictures.view.plane, index] = pictures.picture(index)
        return encode(self, pictures, index, ())

    monkeypatch.setattr(SliceTracker, "_encode", listening)
    a_panel.state.parameters.clahe = True
    show_what_the_model_sees(a_panel, stand_in)
    a_panel.ui.propagateButton.click()
    run_to_end(a_panel, stand_in)
    assert a_desktop.errors == [] and len(given) == 10
    for (plane, index), picture in given.items():
        a_panel.views.goTo(plane, index)
        (shown,) = slicer.util.arrayFromVolume(in_front(slicer, "Red"))
        above, left = a_panel.preview.preview._shown["vtkMRMLSliceNodeRed"].frame
        assert np.array_equal(shown[above : above + len(picture), left : left + len(picture)], picture)


def test_the_crop_follows_what_is_painted_and_the_choices(a_panel, a_shown_ct, a_painted_scene, a_desktop, stand_in):
    slicer = a_desktop.slicer
    show_what_the_model_sees(a_panel, stand_in)
    text = a_panel.ui.previewLabel.text
    a_panel.state.parameters.marginMm = 0.0
    stand_in.process_events(2)
    assert a_panel.ui.previewLabel.text != text
    tight = a_panel.preview.preview._pictures[Plane.AXIAL].box
    assert (tight.lower[0], tight.upper[0]) == (3, 13)
    a_painted_scene.paint((7,))
    stand_in.process_events(3)
    tight = a_panel.preview.preview._pictures[Plane.AXIAL].box
    assert (tight.lower[0], tight.upper[0]) == (7, 8)
    a_painted_scene.painted.GetSegmentation().AddEmptySegment("rib", "Rib")
    stand_in.process_events(3)
    a_panel.editor.widget.setCurrentSegmentID("rib")
    a_panel.state.parameters.cropEach = True
    stand_in.process_events(3)
    assert "once something is painted" in a_panel.ui.previewLabel.text
    assert in_front(slicer, "Red") is not None


@pytest.mark.parametrize("how", ["leave", "close the scene", "delete the CT", "reload", "another CT"])
def test_the_views_are_given_back(a_panel, a_shown_ct, a_desktop, stand_in, how):
    slicer = a_desktop.slicer
    show_what_the_model_sees(a_panel, stand_in)
    assert in_front(slicer, "Green") is not None
    if how == "leave":
        a_panel.exit()
    elif how == "close the scene":
        slicer.mrmlScene.Clear()
    elif how == "delete the CT":
        slicer.mrmlScene.RemoveNode(a_shown_ct)
    elif how == "reload":
        a_panel.cleanup()
    else:
        other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Other")
        slicer.util.updateVolumeFromArray(other, np.zeros((5, 6, 7), np.int16))
        a_panel.editor.widget.setSourceVolumeNode(other)
    stand_in.process_events(3)
    assert in_front(slicer, "Green") is None
    assert slicer.mrmlScene.GetFirstNodeByName("What the model sees (Green)") is None
    if how == "leave":
        a_panel.enter()
        stand_in.process_events(3)
        assert in_front(slicer, "Green") is not None
    if how == "another CT":
        assert "is painted beside" in a_panel.ui.previewLabel.text


def test_a_scene_that_was_saved_with_the_pictures_gets_its_views_back(a_panel, a_shown_ct, a_desktop, stand_in):
    composite = a_desktop.slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceCompositeNode")
    composite.SetAttribute("SAM2VolumeSeg.Foreground", "0.25 0")
    composite.SetNodeReferenceID("SAM2VolumeSeg.Foreground", a_shown_ct.GetID())
    a_panel.onSceneEndImport()
    assert composite.GetForegroundVolumeID() == a_shown_ct.GetID()
    assert composite.GetForegroundOpacity() == pytest.approx(0.25)


def test_a_ct_that_no_view_shows_is_told(a_panel, stand_in):
    show_what_the_model_sees(a_panel, stand_in)
    assert a_panel.ui.previewLabel.text == "No slice view shows this CT. Show it in the slice views first."


def test_choices_that_show_nothing_are_told_below_the_switch(a_panel, a_shown_ct, stand_in):
    show_what_the_model_sees(a_panel, stand_in)
    for name in ("axial", "coronal", "sagittal"):
        setattr(a_panel.state.parameters, name, False)
    stand_in.process_events(2)
    assert "All three axes are switched off" in a_panel.ui.previewLabel.text and not a_panel.preview.preview.is_shown


def test_the_window_can_follow_the_display_or_the_whole_ct(a_panel, a_painted_scene, stand_in):
    display = a_painted_scene.volume.GetDisplayNode()
    display.SetAutoWindowLevel(0)
    display.SetWindowLevelMinMax(-20, 300)
    a_panel.ui.windowComboBox.currentIndex = 4
    assert ch.window_of(a_panel.state.parameters) == (-20, 300)
    display.SetWindowLevelMinMax(-50, 500)
    stand_in.process_events(2)
    assert ch.window_of(a_panel.state.parameters) == (-50, 500)
    a_panel.ui.windowComboBox.currentIndex = 6
    assert ch.window_of(a_panel.state.parameters) == "min-max"
    assert a_panel.ui.windowUpperSpinBox.value == 700


# ------------------------------------------------------------------------------------------------------------ propagate


def test_before_a_run_the_panel_says_how_many_slices_where_and_how_long(a_panel):
    text = a_panel.ui.estimateLabel.text
    assert re.fullmatch(r"Up to 10 slices on the processor .*\. About 1 s, measured on this computer\.", text)
    assert a_panel.ui.propagateButton.enabled and not a_panel.ui.cancelButton.enabled
    assert not a_panel.ui.measureButton.visible


def forget_the_speed(panel, light):
    """As on a computer where this model has never run."""
    panel.logic._keepTimings(type(panel.logic.timings())())
    panel.measure.isLight = lambda: light
    panel.run.update()


def test_a_light_model_is_measured_when_nothing_else_happens(a_panel, a_desktop, stand_in):
    forget_the_speed(a_panel, light=True)
    assert "has not been measured" in a_panel.ui.estimateLabel.text
    stand_in.process_events(2)
    assert "is being measured" in a_panel.ui.estimateLabel.text and a_panel.ui.cancelButton.enabled
    stand_in.process_events(12)
    assert "measured on this computer." in a_panel.ui.estimateLabel.text
    assert a_panel.state.measurement is None and a_panel.state.propagation is None and a_desktop.errors == []
    (kept,) = a_panel.logic.timings().speeds.items()
    assert "cpu" in kept[0] and "192" in kept[0] and kept[1].encode > 0
    a_panel.run.update()
    stand_in.process_events(1)
    assert a_panel.state.measurement is None  # once for such a computer and model


def test_a_heavy_model_is_measured_when_the_user_asks(a_panel, stand_in):
    forget_the_speed(a_panel, light=False)
    stand_in.process_events(5)
    assert a_panel.state.measurement is None and a_panel.ui.measureButton.visible
    a_panel.ui.measureButton.click()
    assert a_panel.ui.progressLabel.text.startswith("Measuring") and not a_panel.ui.measureButton.visible
    stand_in.process_events(12)
    assert "measured on this computer." in a_panel.ui.estimateLabel.text and a_panel.state.propagation is None
    assert a_panel.ui.progressLabel.text == "" and not a_panel.ui.measureButton.visible


def test_propagate_measures_first_and_says_so_before_the_run(a_panel, stand_in):
    forget_the_speed(a_panel, light=False)
    a_panel.ui.propagateButton.click()
    assert a_panel.state.propagation is None and a_panel.ui.progressLabel.text.startswith("Measuring")
    a_panel.ui.propagateButton.click()  # once is enough
    for _step in range(30):
        if a_panel.state.propagation is not None:
            break
        stand_in.process_events()
    assert "measured on this computer." in a_panel.ui.estimateLabel.text
    encoded = a_panel.logic._tracker[1].encoded
    assert encoded >= 3
    run_to_end(a_panel, stand_in)
    assert a_panel.logic._tracker[1].encoded < encoded + 10  # what was encoded for it is not encoded again
    assert a_panel.state.parameters.result is not None


@pytest.mark.parametrize("how", ["cancel", "leave", "close the scene", "reload"])
def test_a_measurement_can_be_stopped_at_any_time(a_panel, a_desktop, stand_in, how):
    forget_the_speed(a_panel, light=False)
    a_panel.ui.propagateButton.click()
    stand_in.process_events(3)
    assert a_panel.state.measurement is not None
    if how == "cancel":
        a_panel.ui.cancelButton.click()
        assert a_panel.ui.progressLabel.text == "Cancelled. Nothing was written."
    else:
        {"leave": a_panel.exit, "close the scene": a_desktop.slicer.mrmlScene.Clear, "reload": a_panel.cleanup}[how]()
    stand_in.process_events(15)
    assert a_panel.state.measurement is None and a_panel.state.propagation is None and a_desktop.errors == []


def test_what_cannot_be_measured_does_not_keep_anybody_from_running(a_panel, a_desktop, stand_in, monkeypatch):
    def broken(*arguments):
        yield
        raise ZeroDivisionError

    forget_the_speed(a_panel, light=True)
    monkeypatch.setattr(a_panel.logic, "measurement", broken)
    stand_in.process_events(5)
    assert a_desktop.errors == [] and a_panel.state.measurement is None
    stand_in.process_events(5)
    assert "has not been measured" in a_panel.ui.estimateLabel.text
    a_panel.ui.propagateButton.click()
    assert a_panel.state.propagation is not None
    a_panel.ui.cancelButton.click()


def test_a_model_that_does_not_load_is_told_once(a_panel, a_desktop, stand_in, monkeypatch):
    from SAM2VolumeSegLib.errors import InputError

    def refused(choices):
        raise InputError("The checkpoint is damaged.")

    forget_the_speed(a_panel, light=False)
    monkeypatch.setattr(a_panel.logic, "segmenter", refused)
    a_panel.ui.propagateButton.click()
    stand_in.process_events(3)
    assert a_desktop.errors == ["The checkpoint is damaged."] and a_panel.state.propagation is None
    assert a_panel.ui.propagateButton.enabled


def test_a_second_run_is_expected_to_be_faster(a_panel, stand_in):
    """Its slices are encoded already, and the estimate knows it."""
    first = a_panel.logic.workload(a_panel.state.seedsOfRun(), a_panel.state.found.volume, a_panel.state.parameters)
    a_panel.ui.propagateButton.click()
    run_to_end(a_panel, stand_in)
    second = a_panel.logic.workload(a_panel.state.seedsOfRun(), a_panel.state.found.volume, a_panel.state.parameters)
    assert (first.encoded, second.encoded) == (10, 0) and first.predicted == second.predicted
    a_panel.state.parameters.marginMm = 0.0
    assert a_panel.logic.workload(a_panel.state.seedsOfRun(), a_panel.state.found.volume, a_panel.state.parameters).encoded == 10


def test_propagate_gives_a_new_segmentation_and_corrects_the_measured_time(
    a_panel, a_painted_scene, a_desktop, stand_in
):
    slicer = a_desktop.slicer
    before, measured = segmentations(slicer), a_panel.logic.timings().speeds
    a_panel.ui.propagateButton.click()
    assert a_panel.ui.cancelButton.enabled and not a_panel.ui.propagateButton.enabled
    stand_in.process_events(2)
    assert re.match(r"Bone: axial slice at S [\d.]+ mm, \d+ of 10\. About", a_panel.ui.progressLabel.text)
    assert segmentations(slicer) == before
    run_to_end(a_panel, stand_in)
    assert a_desktop.errors == []
    assert segmentations(slicer) == before + 1
    result = a_panel.state.parameters.result
    assert result is not a_painted_scene.painted and a_panel.ui.resultComboBox.currentNode() is result
    found = mask_of(slicer, a_painted_scene, result)
    for n in a_painted_scene.slices:
        assert np.array_equal(found[n], a_painted_scene.bone[n])
    dice = 2 * (found & a_painted_scene.bone).sum() / (found.sum() + a_painted_scene.bone.sum())
    assert dice > 0.8
    assert a_panel.ui.progressLabel.text.startswith("Done in")
    assert "measured on this computer" in a_panel.ui.estimateLabel.text
    assert a_panel.logic.timings().speeds != measured
    assert result.GetSegmentation().ContainsRepresentation("Closed surface")


def test_into_the_painted_segments_is_one_undo_step(a_panel, a_painted_scene, a_desktop, stand_in):
    a_panel.state.parameters.target = ch.Target.SAME
    a_panel.state.parameters.limitToRange = True
    before = mask_of(a_desktop.slicer, a_painted_scene, a_painted_scene.painted)
    a_panel.ui.propagateButton.click()
    run_to_end(a_panel, stand_in)
    assert a_desktop.errors == []
    after = mask_of(a_desktop.slicer, a_painted_scene, a_painted_scene.painted)
    assert after.sum() > before.sum()
    a_panel.editor.widget.undo()
    assert np.array_equal(mask_of(a_desktop.slicer, a_painted_scene, a_painted_scene.painted), before)
    assert not a_panel.editor.widget.undoPossible()


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_cancel_leaves_the_scene_as_it_was(a_panel, a_painted_scene, a_desktop, stand_in, steps):
    before = segmentations(a_desktop.slicer)
    a_panel.ui.propagateButton.click()
    stand_in.process_events(steps)
    a_panel.ui.cancelButton.click()
    stand_in.process_events(3)
    assert segmentations(a_desktop.slicer) == before and a_panel.state.propagation is None
    assert a_panel.ui.progressLabel.text == "Cancelled. Nothing was written."
    assert a_panel.ui.propagateButton.enabled


@pytest.mark.parametrize("which", ["volume", "painted"])
def test_deleting_a_node_during_a_run_ends_it_with_a_sentence(a_panel, a_painted_scene, a_desktop, stand_in, which):
    a_panel.ui.propagateButton.click()
    stand_in.process_events(2)
    a_desktop.slicer.mrmlScene.RemoveNode(getattr(a_painted_scene, which))
    stand_in.process_events(3)
    assert a_panel.state.propagation is None and len(a_desktop.errors) == 1
    assert a_desktop.slicer.mrmlScene.GetFirstNodeByName("CT result") is None


def test_closing_the_scene_during_a_run_cancels_it(a_panel, a_desktop, stand_in):
    a_panel.ui.propagateButton.click()
    stand_in.process_events(2)
    a_desktop.slicer.mrmlScene.Clear()
    stand_in.process_events(3)
    assert a_panel.state.propagation is None and segmentations(a_desktop.slicer) == 0


def test_a_second_press_during_a_run_does_nothing(a_panel, stand_in):
    a_panel.ui.propagateButton.click()
    run = a_panel.state.propagation
    a_panel.run.onPropagate()
    assert a_panel.state.propagation is run
    a_panel.ui.cancelButton.click()


def test_what_is_switched_off_and_gone_does_not_stop_a_run(a_panel, a_painted_scene, a_desktop, stand_in):
    """A painted slice switched off and then erased has no line in the table where it could be switched on again."""
    marks = a_panel.state.marks
    n = a_painted_scene.slices[-1]
    marks.skipped["bone"] = [(Plane.AXIAL, n), (Plane.AXIAL, n + 2)]
    marks.absent["bone"] = [(Plane.AXIAL, n + 2)]
    a_panel.state.setMarks(marks)
    a_painted_scene.paint(a_painted_scene.slices[:-1])
    stand_in.process_events(2)
    a_panel.ui.propagateButton.click()
    assert a_desktop.errors == [] and a_panel.state.propagation is not None
    seeds = a_panel.state.propagation.run.seeds["bone"]
    assert [seed.index for seed in seeds] == list(a_painted_scene.slices[:-1])
    a_panel.ui.cancelButton.click()


def test_a_second_press_while_the_model_loads_starts_one_run(a_panel, a_desktop, monkeypatch):
    started, start = [], a_panel.logic.startRun
    monkeypatch.setattr(a_panel.logic, "startRun", lambda *args: started.append(1) or start(*args))
    monkeypatch.setattr(a_desktop.slicer.app, "processEvents", a_panel.run.onPropagate)
    a_panel.ui.propagateButton.click()
    assert started == [1]
    a_panel.ui.cancelButton.click()


def test_what_the_result_will_replace_is_said_before_the_run(a_panel, a_painted_scene, a_desktop, stand_in):
    """Overwrite all is Slicer's default; a finished neighbour is not what the user wants to lose to a leak."""
    slicer, painted = a_desktop.slicer, a_painted_scene.painted
    painted.GetSegmentation().AddEmptySegment("neighbour", "L4")
    neighbour = np.zeros(a_painted_scene.bone.shape, np.uint8)
    neighbour[2:4, 2:4, 2:4] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(neighbour, painted, "neighbour", a_painted_scene.volume)
    p, label, editor = a_panel.state.parameters, a_panel.ui.writingLabel, a_panel.logic.editorNode()
    p.scope = ch.Scope.SELECTED
    a_panel.editor.widget.setCurrentSegmentID("bone")
    stand_in.process_events(3)
    assert label.text == "" and not label.visible
    p.target = ch.Target.SAME
    stand_in.process_events(3)
    assert 'Where the result reaches "L4", it replaces what is there' in label.text and label.visible
    editor.SetOverwriteMode(editor.OverwriteNone)
    assert label.text == "" and not label.visible
    editor.SetOverwriteMode(editor.OverwriteVisibleSegments)
    p.scope = ch.Scope.ALL
    stand_in.process_events(3)
    assert label.text == ""


def test_masking_counts_also_when_the_editor_was_closed_during_the_run(
    a_panel, a_painted_scene, a_desktop, stand_in
):
    """A new editor node would overwrite all segments, as Slicer's default is."""
    slicer, painted = a_desktop.slicer, a_painted_scene.painted
    painted.GetSegmentation().AddEmptySegment("neighbour", "L4")
    neighbour = np.zeros(a_painted_scene.bone.shape, np.uint8)
    neighbour[5] = a_painted_scene.bone[5]
    slicer.util.updateSegmentBinaryLabelmapFromArray(neighbour, painted, "neighbour", a_painted_scene.volume)
    p, editor = a_panel.state.parameters, a_panel.logic.editorNode()
    p.scope, p.target = ch.Scope.SELECTED, ch.Target.SAME
    editor.SetOverwriteMode(editor.OverwriteNone)
    a_panel.editor.widget.setCurrentSegmentID("bone")
    stand_in.process_events(3)
    a_panel.ui.propagateButton.click()
    stand_in.process_events()
    slicer.mrmlScene.RemoveNode(editor)
    run_to_end(a_panel, stand_in)
    assert a_desktop.errors == []
    array = slicer.util.arrayFromSegmentBinaryLabelmap
    assert mask_of(slicer, a_painted_scene, painted)[5].any()
    assert np.array_equal(array(painted, "neighbour", a_painted_scene.volume), neighbour)


def test_undo_works_also_when_the_result_was_in_the_editor(a_panel, a_painted_scene, a_desktop, stand_in):
    """The editor keeps the history of what it shows: a state saved there would not bring the painted slices back."""
    slicer = a_desktop.slicer
    a_panel.ui.propagateButton.click()
    run_to_end(a_panel, stand_in)
    a_panel.ui.editResultButton.click()
    a_panel.state.parameters.target = ch.Target.SAME
    before = mask_of(slicer, a_painted_scene, a_painted_scene.painted)
    a_panel.ui.propagateButton.click()
    run_to_end(a_panel, stand_in)
    assert mask_of(slicer, a_painted_scene, a_painted_scene.painted).sum() > before.sum()
    a_panel.editor.widget.undo()
    assert np.array_equal(mask_of(slicer, a_painted_scene, a_painted_scene.painted), before)


def test_undo_is_that_of_the_editor_for_which_the_module_was_left(
    a_panel, a_painted_scene, a_desktop, stand_in, monkeypatch
):
    """Every editor widget has a history of its own, also on a shared node."""
    slicer, painted = a_desktop.slicer, a_painted_scene.painted
    a_panel.state.parameters.target = ch.Target.SAME
    before = mask_of(slicer, a_painted_scene, painted)
    a_panel.ui.propagateButton.click()
    stand_in.process_events()
    a_panel.exit()
    a_panel.parent.isEntered = False
    editor = stand_in.SegmentEditor("qMRMLSegmentEditorWidget", "standard")
    history = slicer.vtkSegmentationHistory()
    history.SetSegmentation(painted.GetSegmentation())
    editor.values.update(node=a_panel.logic.editorNode(), history=history)
    standard = SimpleNamespace(editor=editor, parent=SimpleNamespace(isEntered=True))
    monkeypatch.setattr(slicer.modules, "SegmentEditorWidget", standard, raising=False)
    run_to_end(a_panel, stand_in)
    assert mask_of(slicer, a_painted_scene, painted).sum() > before.sum()
    editor.undo()
    assert np.array_equal(mask_of(slicer, a_painted_scene, painted), before)


def test_a_result_is_remembered_when_the_module_was_left_during_the_run(a_panel, a_painted_scene, stand_in):
    a_panel.ui.propagateButton.click()
    stand_in.process_events(2)
    a_panel.exit()
    run_to_end(a_panel, stand_in)
    a_panel.enter()
    assert a_panel.state.parameters.result is not None and a_panel.ui.editResultButton.enabled


def test_choices_that_do_not_go_together_are_told_before_a_run(a_panel):
    a_panel.ui.recentSpinBox.value = 6
    assert "two recent slices" in a_panel.ui.estimateLabel.text and not a_panel.ui.propagateButton.enabled
    a_panel.ui.recentSpinBox.value = 2
    for name in ("axial", "coronal", "sagittal"):
        setattr(a_panel.state.parameters, name, False)
    assert "All three axes are switched off" in a_panel.ui.estimateLabel.text
    a_panel.state.parameters.coronal = True
    assert "Nothing is painted on the axes" in a_panel.ui.estimateLabel.text


def test_a_segment_whose_slices_are_all_switched_off_is_left_out(a_panel, a_painted_scene, a_desktop, stand_in):
    slicer = a_desktop.slicer
    a_painted_scene.painted.GetSegmentation().AddEmptySegment("rib", "Rib")
    mask = np.zeros(a_painted_scene.bone.shape, np.uint8)
    mask[5, :3, :3] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, a_painted_scene.painted, "rib", a_painted_scene.volume)
    stand_in.process_events(2)
    marks = a_panel.state.marks
    marks.switch("rib", (Plane.AXIAL, 5), used=False)
    a_panel.state.setMarks(marks)
    a_panel.ui.propagateButton.click()
    assert a_desktop.errors == [] and list(a_panel.state.propagation.run.seeds) == ["bone"]
    a_panel.ui.cancelButton.click()


def test_what_stood_in_the_way_is_asked_again_when_it_may_be_gone(a_panel, a_desktop, stand_in, monkeypatch):
    from SAM2VolumeSegLib.errors import InputError

    plan = a_panel.logic.devicePlan

    def refused(choices):
        raise InputError("This machine has no device 'cuda'.")

    monkeypatch.setattr(a_panel.logic, "devicePlan", refused)
    a_panel.state.parameters.device = ch.Device.CUDA
    stand_in.process_events(3)
    assert "has no device" in a_panel.ui.estimateLabel.text and not a_panel.ui.propagateButton.enabled
    monkeypatch.setattr(a_panel.logic, "devicePlan", lambda choices: plan(ch.Choices(model=ch.ModelChoice.DEMO)))
    a_panel.state.lookAtComputer()
    stand_in.process_events(3)
    assert a_panel.ui.propagateButton.enabled


def test_an_unexpected_error_is_one_sentence_and_the_panel_goes_on(a_panel, a_desktop, stand_in, monkeypatch):
    def broken(*arguments, **more):
        raise ZeroDivisionError

    monkeypatch.setattr(a_panel.logic, "startRun", broken)
    a_panel.ui.propagateButton.click()
    assert "unexpected" in a_desktop.errors[0] and a_panel.ui.propagateButton.enabled
    monkeypatch.setattr(a_panel.logic, "devicePlan", broken)
    a_panel.state.parameters.inputSize = ch.InputSize.PIXELS_256
    stand_in.process_events(2)
    assert "PyTorch is installed but does not start" in a_panel.ui.estimateLabel.text


def test_presets_set_every_choice_they_name(a_panel):
    a_panel.ui.stockButton.click()
    p = a_panel.state.parameters
    assert (p.recent, p.keepAllSeeds, p.coronal, p.direction) == (6, True, False, ch.Direction.FORWARD)
    a_panel.ui.paperButton.click()
    assert (p.recent, p.keepAllSeeds, p.coronal, p.fusion) == (2, False, True, ch.Fusion.MEAN)
    a_panel.ui.recommendedButton.click()
    assert (p.recent, p.fusion) == (2, ch.Choices.fusion)


def test_a_file_of_your_own_that_is_not_there_is_told(a_panel):
    a_panel.state.parameters.model = ch.ModelChoice.OWN
    assert "own model is not there" in a_panel.ui.readinessLabel.text
    assert a_panel.ui.ownCheckpointLineEdit.enabled and not a_panel.ui.propagateButton.enabled


# -------------------------------------------------------------------------------------------------------------- correct


def test_a_mended_slice_becomes_a_seed(a_panel, a_painted_scene, a_desktop, stand_in):
    slicer = a_desktop.slicer
    a_panel.ui.propagateButton.click()
    run_to_end(a_panel, stand_in)
    result = a_panel.state.parameters.result
    a_panel.ui.editResultButton.click()
    stand_in.process_events(2)
    assert a_panel.editor.widget.segmentationNode() is result
    assert a_panel.state.parameters.segmentation is a_painted_scene.painted
    mended = mask_of(slicer, a_painted_scene, result).astype(np.uint8)
    mended[9] = a_painted_scene.bone[9]
    slicer.util.updateSegmentBinaryLabelmapFromArray(mended, result, "bone", a_painted_scene.volume)
    slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode").SetSliceOffset(18.0)
    a_panel.ui.useSliceButton.click()
    stand_in.process_events(2)
    assert a_desktop.errors == []
    assert [row[2] for row in a_panel.ui.seedsTable.texts()] == ["S 6.0 mm", "S 14.0 mm", "S 18.0 mm", "S 24.0 mm"]
    a_panel.ui.editSeedsButton.click()
    assert a_panel.editor.widget.segmentationNode() is a_painted_scene.painted
    slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode").SetSliceOffset(20.0)
    a_panel.ui.useSliceButton.click()
    assert a_panel.editor.widget.undoPossible()
    assert a_panel.ui.takeBackButton.enabled
    a_panel.ui.propagateButton.click()
    run_to_end(a_panel, stand_in)
    assert a_panel.state.parameters.result is not result


@pytest.mark.parametrize("shown", ["result", "painted"])
def test_a_copied_slice_is_taken_back_whichever_segmentation_the_editor_shows(
    a_panel, a_painted_scene, a_desktop, stand_in, shown
):
    slicer, painted = a_desktop.slicer, a_painted_scene.painted
    a_panel.ui.propagateButton.click()
    run_to_end(a_panel, stand_in)
    result = a_panel.state.parameters.result
    (a_panel.ui.editResultButton if shown == "result" else a_panel.ui.editSeedsButton).click()
    stand_in.process_events(2)
    before, states = mask_of(slicer, a_painted_scene, painted), mask_of(slicer, a_painted_scene, result)
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
        assert mask_of(slicer, a_painted_scene, painted)[10].any()
        a_panel.editor.widget.redo()
    a_panel.ui.takeBackButton.click()
    stand_in.process_events(2)
    assert np.array_equal(mask_of(slicer, a_painted_scene, painted), before)
    assert np.array_equal(mask_of(slicer, a_painted_scene, result), states)
    assert not a_panel.ui.takeBackButton.enabled and a_desktop.errors == []
    assert a_panel.editor.widget.segmentationNode() is (result if shown == "result" else painted)  # nothing was switched


def test_a_copied_slice_whose_segment_is_gone_is_not_offered_to_be_taken_back(a_panel, a_painted_scene, stand_in):
    a_panel.ui.propagateButton.click()
    run_to_end(a_panel, stand_in)
    a_panel.ui.useSliceButton.click()
    assert a_panel.ui.takeBackButton.enabled
    a_painted_scene.painted.GetSegmentation().RemoveSegment("bone")
    stand_in.process_events(2)
    assert not a_panel.ui.takeBackButton.enabled


@pytest.mark.parametrize("shown", ["result", "painted"])
def test_a_deleted_result_leaves_the_painted_slices_in_the_panel(a_panel, a_painted_scene, a_desktop, stand_in, shown):
    a_panel.ui.propagateButton.click()
    run_to_end(a_panel, stand_in)
    (a_panel.ui.editResultButton if shown == "result" else a_panel.ui.editSeedsButton).click()
    a_desktop.slicer.mrmlScene.RemoveNode(a_panel.state.parameters.result)
    if shown == "result":  # as the real editor tells
        a_panel.editor.widget.emit("segmentationNodeChanged(vtkMRMLSegmentationNode*)", None)
    stand_in.process_events(2)
    assert a_panel.state.parameters.segmentation is a_painted_scene.painted
    assert a_panel.editor.widget.segmentationNode() is a_painted_scene.painted
    assert a_panel.ui.seedsTable.texts() and a_desktop.errors == []
    for name in ("editResultButton", "editSeedsButton", "useSliceButton"):
        assert not getattr(a_panel.ui, name).enabled


def test_there_is_nothing_to_correct_before_a_run(a_panel):
    for name in ("editResultButton", "editSeedsButton", "useSliceButton", "takeBackButton"):
        assert not getattr(a_panel.ui, name).enabled


def test_the_ct_stays_chosen_when_the_painted_segmentation_does_not_name_it(a_panel, a_painted_scene, stand_in):
    """One that was loaded from a file names no volume; choosing it makes the editor drop the one that was chosen."""
    painted, volume = a_painted_scene.painted, a_painted_scene.volume
    painted.RemoveNodeReferenceIDs(painted.GetReferenceImageGeometryReferenceRole())
    a_panel.ui.propagateButton.click()
    run_to_end(a_panel, stand_in)
    for button in ("editResultButton", "editSeedsButton"):
        getattr(a_panel.ui, button).click()
        stand_in.process_events(2)
        assert a_panel.editor.widget.sourceVolumeNode() is volume and a_panel.state.parameters.volume is volume
    assert a_panel.editor.widget.segmentationNode() is painted and a_panel.ui.seedsTable.texts()


def test_a_segment_that_is_in_one_node_only_is_told(a_panel, a_painted_scene, a_desktop, stand_in):
    a_panel.ui.propagateButton.click()
    run_to_end(a_panel, stand_in)
    a_painted_scene.painted.GetSegmentation().AddEmptySegment("rib", "Rib")
    a_panel.editor.widget.setCurrentSegmentID("rib")
    a_panel.ui.useSliceButton.click()
    assert "not in both" in a_desktop.errors[0]


# --------------------------------------------------------------------------------------------------------------- script


def test_three_lines_segment_a_node(a_module, a_painted_scene, a_desktop):
    choices = ch.Choices(model=ch.ModelChoice.DEMO, device=ch.Device.CPU, direction=ch.Direction.FORWARD)
    seen = []
    logic = a_module.SAM2VolumeSegLogic()
    result = logic.segment(a_painted_scene.volume, a_painted_scene.painted, choices, progress=seen.append)
    assert seen[-1].done == seen[-1].total == 10
    assert mask_of(a_desktop.slicer, a_painted_scene, result).sum() > 500


def test_a_script_that_raises_in_its_progress_writes_nothing(a_module, a_painted_scene, a_desktop):
    def stop(progress):
        raise KeyboardInterrupt

    before = segmentations(a_desktop.slicer)
    choices = ch.Choices(model=ch.ModelChoice.DEMO, device=ch.Device.CPU)
    with pytest.raises(KeyboardInterrupt):
        a_module.SAM2VolumeSegLogic().segment(a_painted_scene.volume, a_painted_scene.painted, choices, progress=stop)
    assert segmentations(a_desktop.slicer) == before


def test_without_a_choice_a_script_gets_the_best_model_that_is_here(a_module, a_desktop, monkeypatch, tmp_path):
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    assert a_module.SAM2VolumeSegLogic().recommended().model is ch.ModelChoice.DEMO
    from SAM2VolumeSegLib.model import checkpoints

    path = checkpoints.path_in_store(checkpoints.find("tiny"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(checkpoints.find("tiny").size)
    assert a_module.SAM2VolumeSegLogic().recommended().model is ch.ModelChoice.TINY


def test_the_module_registers_and_loads_its_sample(a_module, a_desktop, stand_in, monkeypatch):
    import sys

    parent = SimpleNamespace()
    a_module.SAM2VolumeSeg(parent)
    assert parent.categories == ["Segmentation"] and "startupCompleted()" in a_desktop.status
    registered = []
    logic = SimpleNamespace(
        registerCustomSampleDataSource=lambda **source: registered.append(source),
        registerCustomSampleDataCategory=lambda category, title: registered.append(title),
    )
    monkeypatch.setitem(sys.modules, "SampleData", stand_in.module("SampleData", SampleDataLogic=logic))
    a_module.registerSampleData()
    assert registered[1]["uris"] == registered[1]["fileNames"] == []  # Slicer takes their length
    volume, painted, _reference = registered[1]["customDownloader"](None)
    assert volume.IsA("vtkMRMLScalarVolumeNode") and painted.GetSegmentation().GetNumberOfSegments() >= 2


def test_every_handler_is_run_by_a_test(a_module):
    """A handler that no test reaches fails first at the user's desk."""
    source = Path(__file__).read_text(encoding="utf-8")
    bound = dict(re.findall(r'\("(\w+)", self\.(on\w+)\)', inspect.getsource(a_module.SAM2VolumeSegWidget.setup)))
    reached = {handler for button, handler in bound.items() if f"{button}.click()" in source}
    handlers = {name for name in dir(a_module.SAM2VolumeSegWidget) if re.match(r"on[A-Z]", name)}
    by_signal = {  # raised by MRML or by a widget in these tests
        "onSceneStartClose", "onSceneEndClose", "onSceneStartImport", "onSceneEndImport", "onNodeRemoved",
        "onEditorNodesChanged", "onEditorModified", "onSharedNodeModified", "onEffectRegistered", "onNodesChanged",
        "onDisplayChanged", "onViewChanged", "onIdle", "onMeasureStep",
        "onSegmentChanged", "onParametersChanged", "onSeedClicked", "onSeedRow", "onSeedChecked", "onStep",
        "onDownloadStep", "onReload",
    }  # fmt: skip
    assert handlers == reached | by_signal
