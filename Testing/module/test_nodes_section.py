"""What others change in the scene is followed: nothing twice, nothing for ever."""

import numpy as np
import pytest


def test_painted_slices_appear_by_themselves(a_panel, a_painted_scene, stand_in):
    assert [row[1] for row in a_panel.ui.seedsTable.texts()] == ["axial"] * 3
    a_painted_scene.paint((3, 7))
    stand_in.process_events(2)
    assert len(a_panel.ui.seedsTable.texts()) == 2
    assert "Bone" in a_panel.ui.seedsCollapsibleButton.text


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
        said = [getattr(a_panel.ui, name).text for name in ("seedsCollapsibleButton", "adviceLabel", "hintLabel")]
        return said, a_panel.ui.seedsTable.texts(), ct

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


def test_a_ct_that_is_loaded_while_the_module_is_open_is_chosen(a_panel, a_desktop, stand_in):
    """Before, all stayed grey until four clicks later."""
    slicer = a_desktop.slicer
    slicer.mrmlScene.Clear()
    stand_in.process_events(2)
    assert a_panel.state.parameters.volume is None and a_panel.editor.widget.segmentationNode() is None
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    slicer.util.updateVolumeFromArray(labels, np.zeros((8, 9, 10), np.int16))
    stand_in.process_events(2)
    assert a_panel.state.parameters.volume is None
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    slicer.util.updateVolumeFromArray(volume, np.full((8, 9, 10), -1000, np.int16))
    stand_in.process_events(2)
    assert a_panel.state.parameters.volume is volume is a_panel.editor.widget.sourceVolumeNode()
    assert a_panel.editor.widget.segmentationNode() is not None  # so that Add can be pressed
    second = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Another CT")
    slicer.util.updateVolumeFromArray(second, np.full((8, 9, 10), -1000, np.int16))
    stand_in.process_events(2)
    assert a_panel.state.parameters.volume is volume  # the user's choice stays


def test_another_segment_shows_its_own_seeds(a_panel, a_painted_scene, stand_in):
    a_painted_scene.painted.GetSegmentation().AddEmptySegment("rib", "Rib")
    stand_in.process_events(2)
    a_panel.editor.widget.setCurrentSegmentID("rib")
    assert "Rib" in a_panel.ui.seedsCollapsibleButton.text and a_panel.ui.seedsTable.texts() == []
    a_panel.ui.scopeComboBox.currentIndex = 1
    assert not a_panel.ui.propagateButton.enabled
