"""What users of neighbouring tools reported broken: undo, a closed editor, moved and replaced CTs, loaded scenes."""

import numpy as np
import pytest
import SimpleITK as sitk
from scene_runs import a_run

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation import Settings
from SAM2VolumeSegLib.scene import mask_from_segment, volume_from_node, write_result
from SAM2VolumeSegLib.scene.nodes import grid_of
from SAM2VolumeSegLib.volume import Plane, read_seeds

SETTINGS = Settings(planes=(Plane.AXIAL, Plane.SAGITTAL), direction="forward")
REORIENTED = np.array([[0.0, -1, 0, 30], [0, 0, 1, -12], [-1, 0, 0, 5], [0, 0, 0, 1]])
"""Axes swapped and flipped, as the module Reorient or "Split" of a dental CT leaves them."""


def propagate(segmenter, segmentation, ct, **ending):
    """Run to the end; the run and the node with its result."""
    with a_run(segmenter, segmentation, ct, SETTINGS) as run:
        while run.step() is not None:
            pass
        return run, run.finish(**ending)


def a_history(nodes, segmentation):
    """What the editor's undo is made of."""
    history = nodes.slicer.vtkSegmentationHistory()
    history.SetSegmentation(segmentation.GetSegmentation())
    history.SetMaximumNumberOfStates(10)
    return history


def masks_of(nodes, segmentation, ct, names=("middle", "below", "empty")):
    return {name: nodes.mask(segmentation, f"id_{name}", ct) for name in names}


def assert_same(found, expected):
    for name, mask in expected.items():
        np.testing.assert_array_equal(found[name], mask, err_msg=name)


# ------------------------------------------------------------------------------------------------- undo


def test_propagate_undo_paint_propagate_and_undo_to_the_very_start(nodes, painted, segmenter):
    """Each state comes back as it was, the second run starts from what is there then, and the end is an empty scene."""
    ct, segmentation = painted
    history, states = a_history(nodes, segmentation), []
    start = {name: np.zeros_like(mask) for name, mask in masks_of(nodes, segmentation, ct).items()}
    seeds = masks_of(nodes, segmentation, ct)
    for name in ("middle", "below"):
        nodes.paint(segmentation, f"id_{name}", start[name], ct)

    def save():
        states.append(masks_of(nodes, segmentation, ct))
        history.SaveState()

    save()
    for name in ("middle", "below"):
        nodes.paint(segmentation, f"id_{name}", seeds[name], ct)
    save()
    first, _ = propagate(segmenter, segmentation, ct, target="same", editor_node=nodes.editor())
    assert history.RestorePreviousState()
    assert_same(masks_of(nodes, segmentation, ct), seeds)

    view = first.request.volume.view(Plane.AXIAL)
    corner = seeds["middle"].copy()
    view.slice(corner, view.order[-2])[2:7, 2:7] = True  # beyond the first run's painted slices
    history.SaveState()
    nodes.paint(segmentation, "id_middle", corner, ct)
    save()
    second, _ = propagate(segmenter, segmentation, ct, target="same", editor_node=nodes.editor())
    assert view.order[-2] in [seed.index for seed in second.request.seeds["id_middle"] if seed.plane is Plane.AXIAL]
    assert view.slice(nodes.mask(segmentation, "id_middle", ct), view.order[-2])[2:7, 2:7].all()
    assert history.RestorePreviousState()
    assert_same(masks_of(nodes, segmentation, ct), states[-1])
    while history.IsRestorePreviousStateAvailable():
        assert history.RestorePreviousState()
    assert_same(masks_of(nodes, segmentation, ct), start)
    with pytest.raises(InputError, match="Nothing is painted"):
        a_run(segmenter, segmentation, ct, SETTINGS)


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_closed_editor_costs_neither_result_nor_masking(nodes, painted, segmenter, when):
    """The editor's node goes with its module, or with a script that cleans up."""
    ct, segmentation = painted
    voxels = nodes.slicer.util.arrayFromVolume(ct)
    lower = float(np.median(voxels))
    editor = nodes.editor(SourceVolumeIntensityMask=True, SourceVolumeIntensityMaskRange=(lower, 5000.0))
    seeds = masks_of(nodes, segmentation, ct)
    if when == "before":
        nodes.scene.RemoveNode(editor)
    with a_run(segmenter, segmentation, ct, SETTINGS, segment_ids=["id_middle"]) as run:
        run.step()
        if when == "during":
            nodes.scene.RemoveNode(editor)
        while run.step() is not None:
            pass
        node = run.finish(target="same", editor_node=editor)
    if when == "after":
        nodes.scene.RemoveNode(editor)
    expected = run.result.segments["bone"].mask & ((voxels >= lower) | seeds["middle"])
    np.testing.assert_array_equal(nodes.mask(node, "id_middle", ct), expected)
    propagate(segmenter, segmentation, ct)


@pytest.mark.parametrize("target", ["new", "same"])
def test_islands_after_a_run_inside_an_editable_area_clears_nothing_else(nodes, shapes, target):
    """Keep the largest island, as the effect Islands writes it: within the area, and no other segment is touched."""
    ct, source = nodes.case(names=("bone", "region", "other"))
    region = np.indices(shapes.ball.shape)[2] < 8
    seed = shapes.ball & (np.indices(shapes.ball.shape)[0] == 5)
    for segment_id, mask in (("id_bone", seed), ("id_region", region), ("id_other", shapes.apart)):
        nodes.paint(source, segment_id, mask, ct)
    slicer = nodes.slicer
    editor = nodes.editor(MaskSegmentID="id_region", OverwriteMode=slicer.vtkMRMLSegmentEditorNode.OverwriteNone)
    editor.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment)
    speck = np.zeros_like(shapes.ball)
    speck[1, 1, 1:3] = True
    node = write_result({"id_bone": shapes.ball | speck}, source, ct, {}, target=target, editor_node=editor)
    result = (shapes.ball | speck) & region | seed
    np.testing.assert_array_equal(nodes.mask(node, "id_bone", ct), result)

    logic = slicer.vtkSlicerSegmentEditorLogic()
    logic.SetMRMLScene(nodes.scene)
    logic.SetSegmentEditorNode(editor)
    logic.SetSegmentationNode(node)
    logic.SetSourceVolumeNode(ct)
    logic.SetCurrentSegmentID("id_bone")
    largest = nodes.image(shapes.ball & region | seed, nodes.matrix(ct))
    if node is source:  # a new node has no segment "region", so there the area is empty
        logic.ModifySegmentByLabelmap(node, "id_bone", largest, logic.ModificationModeSet, True, False)
        np.testing.assert_array_equal(nodes.mask(node, "id_bone", ct), shapes.ball & region | seed)
    logic.SetSegmentEditorNode(None)
    np.testing.assert_array_equal(nodes.mask(source, "id_region", ct), region)
    np.testing.assert_array_equal(nodes.mask(source, "id_other", ct), shapes.apart)


# ------------------------------------------------------------------------------------------------- where things are


@pytest.mark.parametrize("together", [True, False])
def test_a_ct_under_a_reorientation_transform_gives_a_result_with_its_place_and_spacing(
    nodes, shapes, cross, tmp_path, together
):
    """Exported as a volume and as .seg.nrrd: a swapped spacing makes a bone 2.5 times as long."""
    slicer, geometry = nodes.slicer, nodes.geometries["oblique"]
    ct = nodes.ct(geometry=geometry, move=REORIENTED)
    source = nodes.segmentation(ct, REORIENTED if together else None)
    nodes.paint(source, "id_bone", cross, ct)
    node = write_result({"id_bone": shapes.ball}, source, ct, {})
    exported = nodes.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    assert logic.ExportSegmentsToLabelmapNode(node, ["id_bone"], exported, ct)
    np.testing.assert_allclose(exported.GetSpacing(), ct.GetSpacing())
    _, place = grid_of(exported)
    found = np.argwhere(slicer.util.arrayFromVolume(exported))[:, ::-1]
    centre = place @ [*found.mean(axis=0), 1]
    wanted = REORIENTED @ geometry @ [*np.argwhere(shapes.ball)[:, ::-1].mean(axis=0), 1]
    np.testing.assert_allclose(centre, wanted, atol=1e-6)  # mm: sums of 257 places in double precision
    assert len(found) == np.count_nonzero(shapes.ball)

    storage = nodes.scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    path = str(tmp_path / "result.seg.nrrd")
    storage.SetFileName(path)
    assert storage.WriteData(node)
    assert sorted(sitk.ReadImage(path).GetSpacing()) == pytest.approx([1.0, 1.5, 2.5])
    if together:  # a file has no parent transform: it lies on the CT's file
        volume = volume_from_node(nodes.ct(geometry=geometry, name="file"))
        np.testing.assert_array_equal(read_seeds(path, volume)["bone"].mask, shapes.ball)


def test_a_segmentation_coarser_than_the_ct_loses_no_paint(nodes, shapes):
    """Painted with a brush finer than its voxels: what the grid took of it stays, slice by slice."""
    ct, source = nodes.case("oblique", names=("bone", "second"))
    grid = nodes.matrix(ct) @ np.diag([2.0, 2, 2, 1])
    grid[:3, 3] = (grid @ [0.25, 0.25, 0.25, 1])[:3]  # the outer edges coincide
    coarse = np.zeros((5, 6, 8), dtype=bool)
    coarse[2, 1:5, 1:6] = True
    nodes.paint_image(source, "id_bone", nodes.image(coarse, grid))
    nodes.paint_image(source, "id_second", nodes.image(np.roll(coarse, 1, axis=2), grid))
    before = {segment: mask_from_segment(source, segment, ct) for segment in ("id_bone", "id_second")}
    masks = {"id_bone": shapes.ball, "id_second": shapes.overlapping}
    node = write_result(masks, source, ct, {}, target="same", editor_node=nodes.editor())
    for segment, mask in before.items():
        assert mask.sum() >= 8 * 20
        assert not (mask & ~mask_from_segment(node, segment, ct)).any()


@pytest.mark.parametrize("change", ["smaller", "larger"])
@pytest.mark.parametrize("target", ["new", "same"])
def test_a_ct_replaced_in_place_by_one_of_another_size_gets_its_own_result(nodes, shapes, cross, change, target):
    """Cropped or reloaded into the same node after painting: the result is on the new grid, the paint stays."""
    ct, source = nodes.case("oblique")
    nodes.paint(source, "id_bone", cross, ct)
    state = nodes.segment_state(source)
    voxels = nodes.slicer.util.arrayFromVolume(ct)
    part = voxels[:8, :9, :10].copy() if change == "smaller" else np.pad(voxels, ((0, 2), (0, 3), (0, 4)))
    nodes.slicer.util.updateVolumeFromArray(ct, part)
    mask = np.zeros(part.shape, dtype=bool)
    overlap = tuple(slice(0, min(sizes)) for sizes in zip(part.shape, shapes.ball.shape, strict=True))
    mask[overlap] = shapes.ball[overlap]
    mask[-1, -1, -1] = True
    node = write_result({"id_bone": mask}, source, ct, {}, target=target, editor_node=nodes.editor())
    found, painted = nodes.mask(node, "id_bone", ct), np.zeros_like(mask)
    painted[overlap] = cross[overlap]
    np.testing.assert_array_equal(found, mask if target == "new" else mask | painted)
    with pytest.raises(InputError, match="not on the grid"):
        write_result({"id_bone": shapes.ball}, source, ct, {}, target=target)
    if target == "new":
        assert nodes.segment_state(source) == state
    else:  # also what lies outside of the smaller CT
        again = nodes.ct(geometry=nodes.geometries["oblique"], name="as it was")
        assert not (cross & ~nodes.mask(source, "id_bone", again)).any()


# ------------------------------------------------------------------------------------------------- loaded scenes


def test_undo_is_alive_after_a_run_in_a_loaded_scene(nodes, painted, segmenter, tmp_path):
    """Saved yesterday, propagated today: undo has to bring back the painted slices of yesterday."""
    ct, segmentation = painted
    expected, scene = masks_of(nodes, segmentation, ct), nodes.scene
    nodes.save_and_load(tmp_path, ct, segmentation)
    (volume,), (loaded,) = scene.GetNodesByName("phantom"), scene.GetNodesByName("Segmentation")
    assert_same(masks_of(nodes, loaded, volume), expected)
    history = a_history(nodes, loaded)
    history.SaveState()
    run, _ = propagate(segmenter, loaded, volume, target="same", editor_node=nodes.editor())
    written = masks_of(nodes, loaded, volume)
    np.testing.assert_array_equal(written["middle"], run.result.segments["bone"].mask)
    assert history.RestorePreviousState()
    assert_same(masks_of(nodes, loaded, volume), expected)
    assert history.RestoreNextState()
    assert_same(masks_of(nodes, loaded, volume), written)
