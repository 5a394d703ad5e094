"""Results in real segmentation nodes: what is written, what is left alone, and going back."""

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.scene import before_writing, mask_from_segment, provenance_of, use_slice_as_seed, write_result
from SAM2VolumeSegLib.volume import Plane

NOTE = {"program": "SAM2VolumeSeg", "segments": {'Wirbel "L3" äöü;:|&<>%': {"seeds": ["axial:5"]}}}


# ------------------------------------------------------------------------------------------------- into a new node


def test_a_new_node_holds_the_result_where_the_ct_is(nodes, shapes, cross, geometry, transforms):
    """The parent transforms must be applied once: applied twice, the mask lies beside the bone."""
    ct, source = nodes.case(geometry, transforms)
    nodes.paint(source, "id_bone", cross, ct)
    before = nodes.segment_state(source)
    node = write_result({"id_bone": shapes.ball}, source, ct, NOTE)
    np.testing.assert_array_equal(nodes.mask(node, "id_bone", ct), shapes.ball)
    np.testing.assert_array_equal(mask_from_segment(node, "id_bone", ct), shapes.ball)
    assert node.GetTransformNodeID() == source.GetTransformNodeID()
    assert nodes.segment_state(source) == before
    assert provenance_of(node) == NOTE
    assert provenance_of(source) is None


def test_a_new_node_keeps_names_colours_and_terminology(nodes, shapes):
    """A radiologist who coded the bone in SNOMED does not want to do it again."""
    ct, source = nodes.case(names=("a", "b"))
    segment = source.GetSegmentation().GetSegment("id_a")
    term = "Segmentation category and type~SCT^123037004^Anatomical Structure~SCT^36470004^Third lumbar vertebra~^^"
    segment.SetColor(0.2, 0.4, 0.6)
    segment.SetTag(segment.GetTerminologyEntryTagName(), term)
    segment.SetTag("mine", "kept")
    node = write_result({"id_b": shapes.apart, "id_a": shapes.ball}, source, ct, NOTE)
    import vtk

    copied = node.GetSegmentation().GetSegment("id_a")
    tag = vtk.reference("")
    assert copied.GetName() == "a"
    assert copied.GetColor() == (0.2, 0.4, 0.6)
    assert copied.GetTag(copied.GetTerminologyEntryTagName(), tag)
    assert tag.get() == term
    assert copied.GetTag("mine", tag)
    assert tag.get() == "kept"
    assert node.GetName() == "Segmentation result"
    assert node.GetNodeReference("referenceImageGeometryRef") is ct


def test_overlapping_and_empty_results_are_kept_as_they_are(nodes, shapes):
    ct, source = nodes.case(names=("a", "b", "none"))
    masks = {"id_a": shapes.ball, "id_b": shapes.overlapping, "id_none": np.zeros_like(shapes.ball)}
    node = write_result(masks, source, ct, NOTE)
    for segment_id, mask in masks.items():
        np.testing.assert_array_equal(mask_from_segment(node, segment_id, ct), mask)


def test_a_second_result_does_not_take_the_name_of_the_first(nodes, shapes):
    ct, source = nodes.case()
    first, second = (write_result({"id_bone": shapes.ball}, source, ct, NOTE) for _ in range(2))
    assert first.GetName() != second.GetName()


# -------------------------------------------------------------------------------------- into the painted segmentation


def test_the_same_node_holds_the_result_where_the_ct_is(nodes, shapes, cross, geometry, transforms):
    ct, source = nodes.case(geometry, transforms)
    nodes.paint(source, "id_bone", cross, ct)
    before = nodes.ids()
    assert write_result({"id_bone": shapes.ball}, source, ct, NOTE, target="same") is source
    np.testing.assert_array_equal(nodes.mask(source, "id_bone", ct), shapes.ball)
    assert provenance_of(source) == NOTE
    assert nodes.ids() == before


@pytest.mark.parametrize(("size", "enough"), [(2.0, 0.75), (1 / 3, 0.99)])
def test_into_a_segmentation_with_larger_or_smaller_voxels(nodes, shapes, size, enough):
    """An oversampled segmentation keeps its own grid, and the result lies in its place."""
    ct, source = nodes.case("oblique", "segmentation moved")
    grid = np.linalg.solve(nodes.segmentation_move, nodes.matrix(ct)) @ np.diag([size, size, size, 1])
    grid[:3, 3] = (grid @ [*[(1 - 1 / size) / 2] * 3, 1])[:3]  # the outer edges of both grids coincide
    count = tuple(int(n / size) for n in (11, 13, 17))
    dot = np.zeros(count, dtype=bool)
    dot[count[0] // 2, count[1] // 2, count[2] // 2] = True
    nodes.paint_image(source, "id_bone", nodes.image(dot, grid))
    write_result({"id_bone": shapes.ball}, source, ct, NOTE, target="same")
    image = nodes.slicer.vtkOrientedImageData()
    source.GetBinaryLabelmapRepresentation("id_bone", image)
    np.testing.assert_allclose(image.GetSpacing(), np.array([1.0, 1.5, 2.5]) * size)
    read = mask_from_segment(source, "id_bone", ct)
    overlap = 2 * np.count_nonzero(read & shapes.ball) / (np.count_nonzero(read) + np.count_nonzero(shapes.ball))
    assert overlap > enough  # voxels of twice the size hold a ball of nine only roughly


def test_into_a_segmentation_whose_grid_starts_elsewhere(nodes, shapes):
    """A segmentation loaded from a file is cropped: same voxels, another origin."""
    ct, source = nodes.case("oblique", names=("bone", "neighbour"))
    cropped = nodes.matrix(ct)
    cropped[:3, 3] = (cropped @ [6, 5, 4, 1])[:3]
    part = (slice(4, 8), slice(5, 9), slice(6, 10))
    nodes.paint_image(source, "id_bone", nodes.image(shapes.ball[part], cropped))
    nodes.paint_image(source, "id_neighbour", nodes.image(shapes.overlapping[part] & ~shapes.ball[part], cropped))
    source.GetSegmentation().CollapseBinaryLabelmaps(False)
    neighbour = nodes.mask(source, "id_neighbour", ct)
    write_result({"id_bone": shapes.ball}, source, ct, NOTE, target="same")
    np.testing.assert_array_equal(nodes.mask(source, "id_bone", ct), shapes.ball)
    np.testing.assert_array_equal(nodes.mask(source, "id_neighbour", ct), neighbour)


def test_paint_that_is_not_in_the_result_stays(nodes, shapes):
    """A slice that was switched off as a seed, or painted while the model was running, is still the user's."""
    ct, source = nodes.case()
    nodes.paint(source, "id_bone", shapes.apart, ct)
    write_result({"id_bone": shapes.ball}, source, ct, NOTE, target="same")
    np.testing.assert_array_equal(nodes.mask(source, "id_bone", ct), shapes.ball | shapes.apart)


@pytest.mark.parametrize(
    ("mode", "visible", "neighbour_gives_way"),
    [
        (None, True, False),
        ("OverwriteNone", True, False),
        ("OverwriteVisibleSegments", True, True),
        ("OverwriteVisibleSegments", False, False),
        ("OverwriteAllSegments", False, True),
    ],
)
def test_the_overwrite_mode_says_whether_a_neighbour_gives_way(nodes, shapes, mode, visible, neighbour_gives_way):
    """Overwriting a finished neighbour unasked is what users of other tools complain about most."""
    ct, source = nodes.case(names=("bone", "neighbour"))
    nodes.paint(source, "id_neighbour", shapes.overlapping, ct)
    source.GetDisplayNode().SetSegmentVisibility("id_neighbour", visible)
    editor = None
    if mode is not None:
        editor = nodes.editor()
        editor.SetOverwriteMode(getattr(editor, mode))
    write_result({"id_bone": shapes.ball}, source, ct, NOTE, target="same", editor_node=editor)
    expected = shapes.overlapping & ~shapes.ball if neighbour_gives_way else shapes.overlapping
    np.testing.assert_array_equal(nodes.mask(source, "id_neighbour", ct), expected)
    np.testing.assert_array_equal(nodes.mask(source, "id_bone", ct), shapes.ball)


@pytest.mark.parametrize("mode", ["OverwriteNone", "OverwriteAllSegments"])
def test_neighbours_in_the_same_layer_keep_every_voxel_outside_the_result(nodes, shapes, mode):
    """Segments of a loaded file share one labelmap: writing one must not disturb the others."""
    ct, source = nodes.case(names=("bone", "near", "far"))
    near = shapes.overlapping & ~shapes.ball
    seed = np.zeros_like(shapes.ball)
    seed[5] = shapes.ball[5]
    for segment_id, mask in (("id_bone", seed), ("id_near", near), ("id_far", shapes.apart)):
        nodes.paint(source, segment_id, mask, ct)
    source.GetSegmentation().CollapseBinaryLabelmaps(False)
    assert source.GetSegmentation().GetNumberOfLayers() == 1
    editor = nodes.editor()
    editor.SetOverwriteMode(getattr(editor, mode))
    write_result({"id_bone": shapes.ball}, source, ct, NOTE, target="same", editor_node=editor)
    for segment_id, mask in (("id_bone", shapes.ball), ("id_near", near), ("id_far", shapes.apart)):
        np.testing.assert_array_equal(nodes.mask(source, segment_id, ct), mask)


@pytest.mark.parametrize("mode", ["OverwriteAllSegments", "OverwriteVisibleSegments"])
def test_a_later_segment_takes_nothing_that_was_painted_in_an_earlier_one(nodes, shapes, mode):
    """Two painted slices that overlap: the second result took hundreds of painted voxels of the first segment."""
    ct, source = nodes.case(names=("bone", "second"))
    k = np.indices(shapes.ball.shape)[0]
    painted = {"id_bone": shapes.ball & (k == 5), "id_second": shapes.overlapping & (k == 5)}
    assert (painted["id_bone"] & painted["id_second"]).any()
    for segment_id, mask in painted.items():
        nodes.paint(source, segment_id, mask, ct)
    editor = nodes.editor(OverwriteMode=getattr(nodes.slicer.vtkMRMLSegmentEditorNode, mode))
    masks = {"id_bone": shapes.ball, "id_second": shapes.overlapping}
    write_result(masks, source, ct, NOTE, target="same", editor_node=editor)
    found = {segment_id: nodes.mask(source, segment_id, ct) for segment_id in masks}
    for segment_id, mask in painted.items():
        assert not (mask & ~found[segment_id]).any()
    both = found["id_bone"] & found["id_second"]
    np.testing.assert_array_equal(both, painted["id_bone"] & painted["id_second"])


def test_a_finished_neighbour_on_a_finer_grid_keeps_its_detail(nodes, shapes):
    """The editor's own overwriting resamples a neighbour to the result's voxels: its fine surface would be gone."""
    ct, source = nodes.case(names=("bone", "neighbour"))
    grid = nodes.matrix(ct) @ np.diag([1 / 3, 1 / 3, 1 / 3, 1])
    grid[:3, 3] = (grid @ [-1, -1, -1, 1])[:3]
    fine = np.kron(shapes.overlapping, np.ones((3, 3, 3))) > 0
    fine &= np.random.default_rng(0).random(fine.shape) < 0.5
    seed = shapes.ball & (np.indices(shapes.ball.shape)[0] == 5)
    for segment_id, mask, matrix in (("id_bone", seed, nodes.matrix(ct)), ("id_neighbour", fine, grid)):
        source.GetSegmentation().RemoveSegment(segment_id)  # an empty one would share the other's labelmap and grid
        image = nodes.image(mask, matrix)
        source.AddSegmentFromBinaryLabelmapRepresentation(image, segment_id, (1, 0, 0), segment_id)
    write_result({"id_bone": shapes.ball}, source, ct, NOTE, target="same", editor_node=nodes.editor())
    image = nodes.slicer.vtkOrientedImageData()
    source.GetBinaryLabelmapRepresentation("id_neighbour", image)
    np.testing.assert_allclose(image.GetSpacing(), np.array([1.0, 1.5, 2.5]) / 3)
    import vtk.util.numpy_support as support

    kept = fine & ~(np.kron(shapes.ball, np.ones((3, 3, 3))) > 0)
    assert np.count_nonzero(support.vtk_to_numpy(image.GetPointData().GetScalars())) == np.count_nonzero(kept)


def test_segments_that_give_way_stay_in_one_layer(nodes, shapes):
    """A layer for each segment makes the saved file 4D, which other programs read as a colour image."""
    ct, source = nodes.case(names=("bone", "second", "far"))
    k, _, i = np.indices(shapes.ball.shape)
    masks = {"id_bone": shapes.ball, "id_second": shapes.overlapping}
    nodes.paint(source, "id_bone", shapes.ball & (k == 5) & (i < 9), ct)
    nodes.paint(source, "id_second", shapes.overlapping & (k == 5) & (i >= 9), ct)
    nodes.paint(source, "id_far", shapes.apart, ct)
    source.GetSegmentation().CollapseBinaryLabelmaps(False)
    write_result(masks, source, ct, NOTE, target="same", editor_node=nodes.editor())
    found = [nodes.mask(source, segment_id, ct) for segment_id in ("id_bone", "id_second", "id_far")]
    assert max(sum(found, np.zeros(shapes.ball.shape, dtype=int)).ravel()) == 1
    assert (shapes.ball & shapes.overlapping & (k != 5) & found[1]).any()
    assert source.GetSegmentation().GetNumberOfLayers() == 1


@pytest.mark.parametrize("off", [0.5, 1 / 3, -0.25])
@pytest.mark.parametrize("fine", [1, 2])
def test_touching_segments_have_no_gap_and_no_common_voxel_on_another_grid(nodes, shapes, fine, off):
    """Two vertebrae that touch, on a grid whose voxels lie between those of the CT: each voxel goes to one of them."""
    ct, source = nodes.case("oblique", names=("bone", "second"))
    grid = nodes.matrix(ct) @ np.diag([1 / fine, 1 / fine, 1 / fine, 1])
    grid[:3, 3] = (grid @ [off, off, off, 1])[:3]
    start = np.zeros([fine * n for n in shapes.ball.shape], dtype=bool)
    start[5 * fine, 6 * fine, 7 * fine] = True
    for segment_id in ("id_bone", "id_second"):
        nodes.paint_image(source, segment_id, nodes.image(start, grid))
    left = np.indices(shapes.ball.shape)[2] < 7
    masks = {"id_bone": shapes.ball & left, "id_second": shapes.ball & ~left}
    write_result(masks, source, ct, NOTE, target="same")
    import vtk.util.numpy_support as support

    found = []
    for segment_id in masks:
        image = nodes.slicer.vtkOrientedImageData()
        source.GetBinaryLabelmapRepresentation(segment_id, image)
        array = support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])
        found.append({tuple(place) for place in np.argwhere(array) + image.GetExtent()[::2][::-1]})
    assert found[0] & found[1] == {(5 * fine, 6 * fine, 7 * fine)}  # painted in both
    for axis in range(3):  # no hole along any row: the ball is convex
        rows = {}
        for place in found[0] | found[1]:
            rows.setdefault(place[:axis] + place[axis + 1 :], []).append(place[axis])
        assert all(max(row) - min(row) + 1 == len(set(row)) for row in rows.values())


# ------------------------------------------------------------------------------------------------- masking


@pytest.mark.parametrize("target", ["new", "same"])
@pytest.mark.parametrize(
    ("mode", "area"),
    [
        ("EditAllowedEverywhere", lambda own, region, hidden: np.ones_like(own)),
        ("EditAllowedInsideSingleSegment", lambda own, region, hidden: region),
        ("EditAllowedInsideAllSegments", lambda own, region, hidden: own | region | hidden),
        ("EditAllowedInsideVisibleSegments", lambda own, region, hidden: own | region),
        ("EditAllowedOutsideAllSegments", lambda own, region, hidden: ~(region | hidden)),
        ("EditAllowedOutsideVisibleSegments", lambda own, region, hidden: ~region),
    ],
)
def test_the_editable_area_bounds_the_result(nodes, shapes, target, mode, area):
    """The user set "editable area" in the editor: a result beyond it is not what they asked for."""
    ct, source = nodes.case(names=("bone", "region", "hidden"))
    k, j, i = np.indices(shapes.ball.shape)
    region, hidden = i < 6, (i > 8) & (j > 6)
    seed = shapes.ball & (k == 5)
    for segment_id, mask in (("id_bone", seed), ("id_region", region), ("id_hidden", hidden)):
        nodes.paint(source, segment_id, mask, ct)
    source.GetDisplayNode().SetSegmentVisibility("id_hidden", False)
    editor = nodes.editor(MaskSegmentID="id_region", OverwriteMode=nodes.slicer.vtkMRMLSegmentEditorNode.OverwriteNone)
    editor.SetMaskMode(getattr(nodes.slicer.vtkMRMLSegmentationNode, mode))
    node = write_result({"id_bone": shapes.ball}, source, ct, NOTE, target=target, editor_node=editor)
    expected = shapes.ball & (area(seed, region, hidden) | seed)
    assert expected.any()
    np.testing.assert_array_equal(nodes.mask(node, "id_bone", ct), expected)


@pytest.mark.parametrize("target", ["new", "same"])
@pytest.mark.parametrize("by_editor", [True, False])
def test_the_intensity_range_bounds_the_result_but_not_the_paint(nodes, shapes, target, by_editor):
    """ "Limit to intensity range" keeps the result inside bone; marrow that the user painted stays painted."""
    ct, source = nodes.case("oblique")
    seed = np.zeros_like(shapes.ball)
    seed[5] = shapes.ball[5]
    nodes.paint(source, "id_bone", seed, ct)
    voxels = nodes.slicer.util.arrayFromVolume(ct)
    bone = (voxels >= 200) & (voxels <= 1500)
    if by_editor:
        editor = nodes.editor(SourceVolumeIntensityMask=True, SourceVolumeIntensityMaskRange=(200, 1500))
        options = {"editor_node": editor}
    else:
        options = {"intensity_range": (200, 1500)}
    node = write_result({"id_bone": shapes.ball}, source, ct, NOTE, target=target, **options)
    np.testing.assert_array_equal(nodes.mask(node, "id_bone", ct), (shapes.ball & bone) | seed)


@pytest.mark.parametrize("target", ["new", "same"])
@pytest.mark.parametrize("chosen", [None, "", "id_gone"])
def test_an_editable_area_without_its_segment_does_not_cost_the_run(nodes, shapes, target, chosen):
    """ "Inside segment ..." with none chosen, or one that was deleted since: the run ended in a traceback."""
    ct, source = nodes.case()
    seed = shapes.ball & (np.indices(shapes.ball.shape)[0] == 5)
    nodes.paint(source, "id_bone", seed, ct)
    mode = nodes.slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment
    editor = nodes.editor(MaskMode=mode, MaskSegmentID=chosen)
    node = write_result({"id_bone": shapes.ball}, source, ct, NOTE, target=target, editor_node=editor)
    np.testing.assert_array_equal(nodes.mask(node, "id_bone", ct), seed)
    (sentence,) = before_writing(source, ct, ["id_bone"], ["id_bone"], target=target, editor_node=editor)
    assert "none is chosen" in sentence


@pytest.mark.parametrize("target", ["new", "same"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_segment_beside_the_ct_or_turned_to_it_does_not_cost_the_run(nodes, shapes, target, turned):
    """It only bounds the editable area; the finished result was refused for it."""
    ct, source = nodes.case(names=("bone", "other"))
    seed = shapes.ball & (np.indices(shapes.ball.shape)[0] == 5)
    nodes.paint(source, "id_bone", seed, ct)
    matrix = nodes.matrix(ct)
    if turned:
        matrix = matrix @ np.array([[0.9, -0.436, 0, 2.5], [0.436, 0.9, 0, -1], [0, 0, 1, 0], [0, 0, 0, 1]])
    else:
        matrix[:3, 3] += 500
    nodes.paint_image(source, "id_other", nodes.image(shapes.overlapping, matrix))
    area = ~nodes.mask(source, "id_other", ct)
    assert area.all() != turned
    mode = nodes.slicer.vtkMRMLSegmentationNode.EditAllowedOutsideAllSegments
    editor = nodes.editor(MaskMode=mode, OverwriteMode=nodes.slicer.vtkMRMLSegmentEditorNode.OverwriteNone)
    node = write_result({"id_bone": shapes.ball}, source, ct, NOTE, target=target, editor_node=editor)
    np.testing.assert_array_equal(nodes.mask(node, "id_bone", ct), shapes.ball & (area | seed))


def test_what_the_result_will_replace_or_round_is_said_before_the_run(nodes, shapes):
    """Nothing where nothing is to be feared."""
    ct, source = nodes.case(names=("bone", "L4", "L5"))
    editor, run, painted = nodes.editor(), ["id_bone"], ["id_bone", "id_L4"]

    def said(target="same", run=run):
        return before_writing(source, ct, run, painted, target=target, editor_node=editor)

    assert said("new") == [] and said(run=painted) == []
    (sentence,) = said()
    assert sentence.startswith('Where the result reaches "L4", it replaces')
    editor.SetOverwriteMode(editor.OverwriteVisibleSegments)
    source.GetDisplayNode().SetSegmentVisibility("id_L4", False)
    assert said() == []
    exact, rounded = [(1 / 3, -1 / 3), (1, 3)], [(2, 0.5), (1, 0.5), (0.7, 0)]
    for size, shift in exact + rounded:
        grid = nodes.matrix(ct) @ np.diag([size, size, size, 1])
        grid[:3, 3] = (nodes.matrix(ct) @ [shift, shift, shift, 1])[:3]
        nodes.paint_image(source, "id_bone", nodes.image(np.ones((4, 4, 4), dtype=bool), grid))
        assert ["rounded" in sentence for sentence in said()] == [True] * ((size, shift) in rounded)
        assert said("new") == []


def test_the_users_editor_keeps_its_selection(nodes, shapes):
    ct, source = nodes.case()
    other = nodes.segmentation(ct, names=("x",))
    editor = nodes.editor(SelectedSegmentID="id_x")
    editor.SetAndObserveSegmentationNode(other)
    before = nodes.ids()
    write_result({"id_bone": shapes.ball}, source, ct, NOTE, target="same", editor_node=editor)
    assert editor.GetSegmentationNode() is other
    assert editor.GetSelectedSegmentID() == "id_x"
    assert nodes.ids() == before


# ------------------------------------------------------------------------------------------------- undo


def test_undo_and_redo_take_one_step_for_all_segments(nodes, shapes):
    ct, source = nodes.case(names=("bone", "second", "neighbour"))
    painted = {"id_bone": shapes.ball & (np.indices(shapes.ball.shape)[0] == 5), "id_neighbour": shapes.overlapping}
    for segment_id, mask in painted.items():
        nodes.paint(source, segment_id, mask, ct)
    history = nodes.slicer.vtkSegmentationHistory()
    history.SetSegmentation(source.GetSegmentation())
    history.SetMaximumNumberOfStates(10)
    history.SaveState()  # what the widget does through editor.saveStateForUndo()
    editor = nodes.editor()  # overwrites all segments, as the editor does unless told otherwise
    masks = {"id_bone": shapes.ball, "id_second": shapes.apart}
    write_result(masks, source, ct, NOTE, target="same", editor_node=editor)
    assert history.RestorePreviousState()
    for segment_id, mask in painted.items():
        np.testing.assert_array_equal(nodes.mask(source, segment_id, ct), mask)
    assert not nodes.mask(source, "id_second", ct).any()
    assert not history.IsRestorePreviousStateAvailable()
    assert history.RestoreNextState()
    for segment_id, mask in masks.items():
        np.testing.assert_array_equal(nodes.mask(source, segment_id, ct), mask)
    np.testing.assert_array_equal(nodes.mask(source, "id_neighbour", ct), shapes.overlapping & ~shapes.ball)


# ------------------------------------------------------------------------------------------------- all or nothing


@pytest.mark.parametrize("target", ["new", "same"])
def test_one_bad_segment_and_nothing_is_written(nodes, shapes, cross, target):
    ct, source = nodes.case(names=("a", "b"))
    nodes.paint(source, "id_a", cross, ct)
    state, ids = nodes.segment_state(source), nodes.ids()
    for bad, words in (
        ({"id_a": shapes.ball, "id_gone": shapes.ball}, 'no segment "id_gone"'),
        ({"id_a": shapes.ball, "id_b": shapes.ball[:-1]}, "not on the grid"),
        ({}, "no result"),
    ):
        with pytest.raises(InputError, match=words):
            write_result(bad, source, ct, NOTE, target=target)
        assert nodes.segment_state(source) == state
        assert nodes.ids() == ids
    assert provenance_of(source) is None


@pytest.mark.parametrize("target", ["new", "same"])
def test_a_failure_halfway_is_taken_back(nodes, shapes, cross, target, monkeypatch):
    """Out of memory at the second segment: half a result in the user's segmentation would be worse than none."""
    from SAM2VolumeSegLib.scene import writing

    ct, source = nodes.case(names=("a", "b", "neighbour"))
    nodes.paint(source, "id_a", cross, ct)
    nodes.paint(source, "id_neighbour", shapes.overlapping, ct)
    editor = nodes.editor()
    state, ids = nodes.segment_state(source), nodes.ids()
    made = []

    def fails_at_the_second(*arguments):
        if made:
            raise MemoryError
        made.append(1)
        return labelmap_of(*arguments)

    labelmap_of = writing.labelmap_of
    monkeypatch.setattr(writing, "labelmap_of", fails_at_the_second)
    with pytest.raises(MemoryError):
        write_result({"id_a": shapes.ball, "id_b": shapes.apart}, source, ct, NOTE, target=target, editor_node=editor)
    assert nodes.segment_state(source) == state
    assert nodes.ids() == ids
    np.testing.assert_array_equal(nodes.mask(source, "id_a", ct), cross)
    np.testing.assert_array_equal(nodes.mask(source, "id_neighbour", ct), shapes.overlapping)


def test_shown_surfaces_follow_what_was_written(nodes, shapes, cross):
    """3D is on: an old surface beside a new mask would be believed."""
    ct, source = nodes.case("RAS")
    nodes.paint(source, "id_bone", cross, ct)
    source.CreateClosedSurfaceRepresentation()
    write_result({"id_bone": shapes.ball}, source, ct, NOTE, target="same")
    import vtk

    surface = vtk.vtkPolyData()
    assert source.GetClosedSurfaceRepresentation("id_bone", surface)
    volume_mm3 = vtk.vtkMassProperties()
    volume_mm3.SetInputData(surface)
    assert volume_mm3.GetVolume() == pytest.approx(np.count_nonzero(shapes.ball) * 1.0 * 1.5 * 2.5, rel=0.25)


# ------------------------------------------------------------------------------------------------- saving


def test_where_a_result_came_from_survives_saving_and_loading_the_scene(nodes, shapes, cross, tmp_path):
    ct, source = nodes.case("oblique", "segmentation moved")
    nodes.paint(source, "id_bone", cross, ct)
    node = write_result({"id_bone": shapes.ball}, source, ct, NOTE)
    expected = {segmentation.GetName(): nodes.mask(segmentation, "id_bone", ct) for segmentation in (source, node)}
    scene = nodes.scene
    nodes.save_and_load(tmp_path, ct, source, node, source.GetParentTransformNode())
    (again,) = scene.GetNodesByName("Segmentation result")
    (first,) = scene.GetNodesByName("Segmentation")
    (volume,) = scene.GetNodesByName("CT")
    assert provenance_of(again) == NOTE
    assert provenance_of(first) is None
    for loaded in (first, again):
        np.testing.assert_array_equal(mask_from_segment(loaded, "id_bone", volume), expected[loaded.GetName()])


# ------------------------------------------------------------------------------------------------- correct and go again


def test_a_slice_of_the_result_becomes_a_seed_in_place_of_what_was_painted_there(nodes, shapes, geometry, transforms):
    ct, seeds = nodes.case(geometry, transforms, names=("bone", "neighbour"))
    painted = np.zeros_like(shapes.ball)
    painted[5, 2:4, 2:4] = painted[3, 6, 7] = True
    nodes.paint(seeds, "id_bone", painted, ct)
    nodes.paint(seeds, "id_neighbour", shapes.overlapping, ct)
    result = write_result({"id_bone": shapes.ball}, seeds, ct, NOTE)
    from SAM2VolumeSegLib.scene import volume_from_node

    plane = next(plane for plane in Plane if volume_from_node(ct).view(plane).axis == 0)
    use_slice_as_seed(result, "id_bone", seeds, "id_bone", ct, plane, 5)
    expected = painted.copy()
    expected[5] = shapes.ball[5]
    np.testing.assert_array_equal(nodes.mask(seeds, "id_bone", ct), expected)
    np.testing.assert_array_equal(nodes.mask(seeds, "id_neighbour", ct), shapes.overlapping)


def test_an_empty_slice_is_no_seed(nodes, shapes):
    """It would silently erase what was painted there."""
    ct, seeds = nodes.case()
    nodes.paint(seeds, "id_bone", shapes.apart, ct)
    result = write_result({"id_bone": shapes.ball}, seeds, ct, NOTE)
    with pytest.raises(InputError, match="axial slice 0, so there is nothing to copy"):
        use_slice_as_seed(result, "id_bone", seeds, "id_bone", ct, Plane.AXIAL, 0)
    with pytest.raises(InputError, match="no axial slice 11"):
        use_slice_as_seed(result, "id_bone", seeds, "id_bone", ct, Plane.AXIAL, 11)
    np.testing.assert_array_equal(nodes.mask(seeds, "id_bone", ct), shapes.apart)


# --------------------------------------------------------------------------------- a slice of the result, and back


def slice_of(mask, plane, index, ct):
    """A mask without all but one slice."""
    from SAM2VolumeSegLib.scene import volume_from_node

    view, alone = volume_from_node(ct).view(plane), np.zeros_like(mask)
    view.slice(alone, index)[...] = view.slice(mask, index)
    return alone


@pytest.mark.parametrize("plane", Plane)
def test_a_copied_slice_is_taken_back_as_it_was(nodes, shapes, cross, geometry, transforms, plane):
    """The editor's own undo is that of the result while the result is shown in it."""
    ct, seeds = nodes.case(geometry, transforms, names=("bone", "neighbour"))
    nodes.paint(seeds, "id_bone", cross, ct)
    nodes.paint(seeds, "id_neighbour", shapes.overlapping, ct)
    before = nodes.mask(seeds, "id_bone", ct)
    result = write_result({"id_bone": shapes.ball}, seeds, ct, NOTE)
    copy = use_slice_as_seed(result, "id_bone", seeds, "id_bone", ct, plane, 4)
    after = nodes.mask(seeds, "id_bone", ct)
    assert not np.array_equal(after, before)
    assert copy.is_possible
    copy.undo()
    np.testing.assert_array_equal(nodes.mask(seeds, "id_bone", ct), before)
    np.testing.assert_array_equal(nodes.mask(seeds, "id_neighbour", ct), shapes.overlapping)
    np.testing.assert_array_equal(nodes.mask(result, "id_bone", ct), shapes.ball)


def test_taking_back_leaves_what_was_painted_since(nodes, shapes, cross):
    ct, seeds = nodes.case()
    nodes.paint(seeds, "id_bone", cross, ct)
    result = write_result({"id_bone": shapes.ball}, seeds, ct, NOTE)
    first = use_slice_as_seed(result, "id_bone", seeds, "id_bone", ct, Plane.AXIAL, 4)
    second = use_slice_as_seed(result, "id_bone", seeds, "id_bone", ct, Plane.AXIAL, 6)
    nodes.paint(seeds, "id_bone", nodes.mask(seeds, "id_bone", ct) | shapes.apart, ct)
    second.undo()
    first.undo()
    np.testing.assert_array_equal(nodes.mask(seeds, "id_bone", ct), cross | shapes.apart)


def test_a_copy_into_an_empty_segment_is_taken_back(nodes, shapes):
    ct, seeds = nodes.case("oblique")
    result = write_result({"id_bone": shapes.ball}, seeds, ct, NOTE)
    copy = use_slice_as_seed(result, "id_bone", seeds, "id_bone", ct, Plane.SAGITTAL, 7)
    np.testing.assert_array_equal(nodes.mask(seeds, "id_bone", ct), slice_of(shapes.ball, Plane.SAGITTAL, 7, ct))
    copy.undo()
    assert not nodes.mask(seeds, "id_bone", ct).any()


def test_taking_back_is_one_step_of_the_editors_history_too(nodes, shapes, cross):
    """Where the editor shows the painted slices: state saved, copied; its undo and its redo work."""
    ct, seeds = nodes.case()
    nodes.paint(seeds, "id_bone", cross, ct)
    result = write_result({"id_bone": shapes.ball}, seeds, ct, NOTE)
    history = nodes.slicer.vtkSegmentationHistory()
    history.SetSegmentation(seeds.GetSegmentation())
    history.SetMaximumNumberOfStates(5)
    history.SaveState()
    copy = use_slice_as_seed(result, "id_bone", seeds, "id_bone", ct, Plane.AXIAL, 4)
    copied = nodes.mask(seeds, "id_bone", ct)
    assert history.RestorePreviousState()
    np.testing.assert_array_equal(nodes.mask(seeds, "id_bone", ct), cross)
    assert history.RestoreNextState()
    np.testing.assert_array_equal(nodes.mask(seeds, "id_bone", ct), copied)
    history.SaveState()
    copy.undo()
    np.testing.assert_array_equal(nodes.mask(seeds, "id_bone", ct), cross)
    assert history.RestorePreviousState()
    np.testing.assert_array_equal(nodes.mask(seeds, "id_bone", ct), copied)


def test_a_slice_is_taken_back_where_it_was_copied_also_when_the_ct_was_moved_since(nodes, shapes, cross):
    """Take back went by the CT: it erased another slice, and left the copied one."""
    ct, seeds = nodes.case()
    nodes.paint(seeds, "id_bone", cross, ct)
    result = write_result({"id_bone": shapes.ball}, seeds, ct, NOTE)
    copy = use_slice_as_seed(result, "id_bone", seeds, "id_bone", ct, Plane.AXIAL, 4)
    up_two_slices = np.eye(4)
    up_two_slices[2, 3] = 5.0
    ct.SetAndObserveTransformNodeID(nodes.transform(up_two_slices).GetID())
    copy.undo()
    ct.SetAndObserveTransformNodeID(None)
    np.testing.assert_array_equal(nodes.mask(seeds, "id_bone", ct), cross)


def test_a_segmentation_that_was_moved_since_is_not_mended_in_the_wrong_place(nodes, shapes, cross):
    """A hardened transform moves the voxels, and the copied slice with them."""
    ct, seeds = nodes.case()
    nodes.paint(seeds, "id_bone", cross, ct)
    result = write_result({"id_bone": shapes.ball}, seeds, ct, NOTE)
    copy = use_slice_as_seed(result, "id_bone", seeds, "id_bone", ct, Plane.AXIAL, 4)
    seeds.SetAndObserveTransformNodeID(nodes.transform(nodes.segmentation_move).GetID())
    assert seeds.HardenTransform()
    state = nodes.segment_state(seeds)
    with pytest.raises(InputError, match="moved or resampled"):
        copy.undo()
    assert nodes.segment_state(seeds) == state


@pytest.mark.parametrize("gone", ["CT", "segmentation", "segment", "scene"])
def test_there_is_nothing_to_take_back_when_it_is_gone(nodes, shapes, gone):
    ct, seeds = nodes.case()
    result = write_result({"id_bone": shapes.ball}, seeds, ct, NOTE)
    copy = use_slice_as_seed(result, "id_bone", seeds, "id_bone", ct, Plane.AXIAL, 4)
    {
        "CT": lambda: nodes.scene.RemoveNode(ct),
        "segmentation": lambda: nodes.scene.RemoveNode(seeds),
        "segment": lambda: seeds.GetSegmentation().RemoveSegment("id_bone"),
        "scene": nodes.scene.Clear,
    }[gone]()
    assert not copy.is_possible
    with pytest.raises(InputError, match="nothing to take back"):
        copy.undo()


@pytest.mark.parametrize("size", [2.0, 1 / 3])
def test_a_copy_into_larger_or_smaller_voxels_is_taken_back_exactly(nodes, shapes, size):
    """An oversampled segmentation keeps its own grid: what was painted comes back in all its detail."""
    ct, seeds = nodes.case()
    grid = nodes.matrix(ct) @ np.diag([size, size, size, 1])
    grid[:3, 3] = (grid @ [*[(1 - 1 / size) / 2] * 3, 1])[:3]  # the outer edges of both grids coincide
    fine = np.random.default_rng(1).random(tuple(int(n / size) for n in (11, 13, 17))) < 0.3
    nodes.paint_image(seeds, "id_bone", nodes.image(fine, grid))
    result = write_result({"id_bone": shapes.ball}, seeds, ct, NOTE)

    def voxels():
        import vtk.util.numpy_support as support

        image = nodes.slicer.vtkOrientedImageData()
        seeds.GetBinaryLabelmapRepresentation("id_bone", image)
        i0, _, j0, _, k0, _ = image.GetExtent()
        shape = image.GetDimensions()[::-1]
        array = support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(shape)
        return {tuple(place) for place in np.argwhere(array) + [k0, j0, i0]}, image.GetSpacing()

    before = voxels()
    copy = use_slice_as_seed(result, "id_bone", seeds, "id_bone", ct, Plane.AXIAL, 4)
    assert voxels() != before
    copy.undo()
    assert voxels() == before
    if size == 2.0:  # slices 4 and 5 share a layer of voxels, which has room for one
        with pytest.raises(InputError, match="thicker slices"):
            use_slice_as_seed(result, "id_bone", seeds, "id_bone", ct, Plane.AXIAL, 5)
        assert voxels() == before
