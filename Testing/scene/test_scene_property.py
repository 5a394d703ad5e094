"""Random scenes: grids, transforms, masking, overwriting. What was painted stays, both targets agree, all goes back."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import vtk.util.numpy_support
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scene_runs import a_run

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation import Settings
from SAM2VolumeSegLib.scene import use_slice_as_seed, volume_from_node, write_result
from SAM2VolumeSegLib.volume import Plane

SHEAR = np.array([[1.0, 0.3, 0, 4], [0, 1, -0.2, 1], [0.1, 0, 1, 0], [0, 0, 0, 1]])
SHAPE = (11, 13, 17)  # of ``nodes.ct``
EXACT = {"same": 1, "twice as fine": 2, "three times as fine": 3, "cropped": 1}
"""Grids that hold every mask of the CT, with their voxels per voxel of the CT along each axis."""
GRIDS = [*EXACT, "half a voxel off", "a third of a voxel off", "twice as coarse", "finer and off"]
LOCAL = {  # (voxel size, offset of the first voxel), in voxels of the CT
    "half a voxel off": (1, 0.5),
    "a third of a voxel off": (1, 1 / 3),
    "twice as coarse": (2, 0.5),
    "finer and off": (0.5, 0.1),
}
MASK_MODES = [
    "EditAllowedEverywhere",
    "EditAllowedInsideAllSegments",
    "EditAllowedInsideVisibleSegments",
    "EditAllowedOutsideAllSegments",
    "EditAllowedOutsideVisibleSegments",
    "EditAllowedInsideSingleSegment",
]
OVERWRITE_MODES = ["OverwriteAllSegments", "OverwriteVisibleSegments", "OverwriteNone"]
RUN, ALL = ("id_a", "id_b"), ("id_a", "id_b", "id_c")

# Bounded and always the same: each of the four tests takes 3 to 6 s.
bounded = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Case:
    """What hypothesis chooses."""

    geometry: str
    ct_move: str
    segmentation_move: str
    grid: str
    overlapping: bool
    shared_layer: bool
    exchanged: bool
    display: bool
    hidden: str
    mask_mode: str
    mask_segment: str
    overwrite: str
    editor_range: bool
    own_range: bool
    seed: int


choices = {
    "geometry": st.sampled_from(["RAS", "LPS", "PIR", "left-handed", "oblique"]),
    "ct_move": st.sampled_from(["none", "rigid", "another", "sheared"]),
    "segmentation_move": st.sampled_from(["none", "rigid", "another", "sheared"]),
    "overlapping": st.booleans(),
    "shared_layer": st.booleans(),
    "exchanged": st.booleans(),
    "display": st.booleans(),
    "hidden": st.sampled_from([*ALL, ""]),
    "mask_mode": st.sampled_from(MASK_MODES),
    "mask_segment": st.sampled_from([*ALL, ""]),
    "overwrite": st.sampled_from(OVERWRITE_MODES),
    "editor_range": st.booleans(),
    "own_range": st.booleans(),
    "seed": st.integers(0, 10_000),
}
cases = st.builds(Case, grid=st.sampled_from(GRIDS), **choices)
exact_cases = st.builds(Case, grid=st.sampled_from(list(EXACT)), **choices)


def a_scene(nodes, case):
    """CT, segmentation, editor; ``paint`` and ``masks`` on the CT's grid (paint only where the grid holds it)."""
    nodes.scene.Clear()
    slicer, rng = nodes.slicer, np.random.default_rng(case.seed)
    voxels = rng.integers(-1000, 2000, SHAPE).astype(np.int16)
    moves = {"none": np.eye(4), "rigid": nodes.ct_move, "another": nodes.segmentation_move, "sheared": SHEAR}
    geometry, ct_move, own_move = nodes.geometries[case.geometry], moves[case.ct_move], moves[case.segmentation_move]
    ct = nodes.ct(voxels, geometry, None if case.ct_move == "none" else ct_move)
    segmentation = nodes.segmentation(ct, None if case.segmentation_move == "none" else own_move, ("a", "b", "c"))
    grid = np.linalg.solve(own_move, ct_move @ geometry)
    paint = {}
    for segment in ALL:
        mask = slices(rng, blob(rng))
        if not case.overlapping:
            for other in paint.values():
                mask &= ~other
        paint[segment] = mask
        first = (0, 0, 0)
        if case.grid in EXACT:
            fine = EXACT[case.grid]
            size, offset = 1 / fine, (1 / fine - 1) / 2
            voxels_of = np.kron(mask, np.ones((fine, fine, fine))) > 0
            if case.grid == "cropped":
                first, voxels_of = (2, 1, 1), voxels_of[1:, 1:, 2:]
                paint[segment][:1] = paint[segment][:, :1] = paint[segment][:, :, :2] = False
        else:
            size, offset = LOCAL[case.grid]
            places = [np.floor(np.arange(int(count / size)) * size + offset).astype(int) for count in SHAPE]
            voxels_of = mask[np.ix_(*(np.minimum(p, c - 1) for p, c in zip(places, SHAPE, strict=True)))]
            voxels_of &= rng.random(voxels_of.shape) < 0.9  # detail that the CT's grid does not hold
            voxels_of[tuple(count // 2 for count in voxels_of.shape)] = True  # never empty
        local = np.diag([size, size, size, 1.0])
        local[:3, 3] = offset + np.array(first)
        nodes.paint_image(segmentation, segment, nodes.image(voxels_of, grid @ local))
    if case.shared_layer:
        segmentation.GetSegmentation().CollapseBinaryLabelmaps(False)
    if case.hidden:
        segmentation.GetDisplayNode().SetSegmentVisibility(case.hidden, False)
    if not case.display:
        nodes.scene.RemoveNode(segmentation.GetDisplayNode())
    if case.exchanged:
        other = slicer.vtkSegmentation()
        other.DeepCopy(segmentation.GetSegmentation())
        segmentation.SetAndObserveSegmentation(other)
    editor = nodes.editor(
        MaskSegmentID=case.mask_segment,
        SourceVolumeIntensityMask=case.editor_range,
        SourceVolumeIntensityMaskRange=(-600.0, 1700.0),
    )
    editor.SetMaskMode(getattr(slicer.vtkMRMLSegmentationNode, case.mask_mode))
    editor.SetOverwriteMode(getattr(editor, case.overwrite))
    masks = {segment: blob(rng) for segment in RUN}
    return SimpleNamespace(
        ct=ct, segmentation=segmentation, editor=editor, paint=paint, masks=masks, voxels=voxels, case=case,
        options={"editor_node": editor, "intensity_range": (-800.0, 1500.0) if case.own_range else None},
    )  # fmt: skip


def blob(rng):
    """An ellipsoid somewhere in the CT, with a ragged surface."""
    centre, radius = rng.uniform(3, np.array(SHAPE) - 3), rng.uniform(2.5, 5, 3)
    distance = sum(((n - c) / r) ** 2 for n, c, r in zip(np.indices(SHAPE), centre, radius, strict=True))
    return distance + rng.uniform(-0.2, 0.2, SHAPE) <= 1


def slices(rng, mask):
    """A mask without all but three of its slices, one along each axis; never empty."""
    painted = np.zeros_like(mask)
    for axis in range(3):
        used = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        here = (slice(None),) * axis + (int(rng.choice(used)),)
        painted[here] |= mask[here]
    return painted


def held(segmentation, segment_id):
    """Voxels of a segment as index (i, j, k) on its own grid, and that grid."""
    import slicer

    image = slicer.vtkOrientedImageData()
    segmentation.GetBinaryLabelmapRepresentation(segment_id, image)
    scalars = image.GetPointData().GetScalars()
    if scalars is None:
        return set(), None
    array = vtk.util.numpy_support.vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1])
    places = np.argwhere(array)[:, ::-1] + image.GetExtent()[::2]
    return set(map(tuple, places.tolist())), np.round([*image.GetSpacing(), *image.GetOrigin()], 6).tolist()


def all_held(scene):
    return {segment: held(scene.segmentation, segment)[0] for segment in ALL}


def expected(scene):
    """What the panel promises, said in a few lines on the CT's grid: for "new" and for "same"."""
    case, paint = scene.case, scene.paint
    shown = [segment for segment in ALL if not case.display or segment != case.hidden]
    inside = np.ones(SHAPE, dtype=bool)
    for used, (lower, upper) in ((case.editor_range, (-600, 1700)), (case.own_range, (-800, 1500))):
        if used:
            inside &= (scene.voxels >= lower) & (scene.voxels <= upper)
    new, same = {}, dict(paint)
    for segment in RUN:
        among = shown if "Visible" in case.mask_mode else list(ALL)
        if case.mask_mode == "EditAllowedInsideSingleSegment":
            among = [case.mask_segment] if case.mask_segment else []
        if "Outside" in case.mask_mode:
            among = [other for other in among if other != segment]
        union = np.any([np.zeros(SHAPE, dtype=bool), *(paint[other] for other in among)], axis=0)
        area = {"E": np.ones_like(union), "I": union, "O": ~union}[case.mask_mode[len("EditAllowed")]]
        new[segment] = scene.masks[segment] & (inside & area | paint[segment])
    give_way = {"OverwriteAllSegments": list(ALL), "OverwriteVisibleSegments": shown, "OverwriteNone": []}
    for segment in RUN:
        others = [other for other in give_way[case.overwrite] if other != segment]
        written = new[segment].copy()
        for other in others:
            if other in RUN:
                written &= ~paint[other]
        for other in others:
            same[other] = same[other] & ~written
        same[segment] = same[segment] | written
    return new, same


@bounded
@given(cases)
def test_what_was_painted_stays_and_undo_brings_all_back(nodes, case):
    """Every overwrite mode, every masking, every grid: no painted voxel of a segment of the run is lost."""
    scene = a_scene(nodes, case)
    before = {segment: held(scene.segmentation, segment) for segment in ALL}
    history = nodes.slicer.vtkSegmentationHistory()
    history.SetSegmentation(scene.segmentation.GetSegmentation())
    history.SetMaximumNumberOfStates(5)
    history.SaveState()
    write_result(scene.masks, scene.segmentation, scene.ct, {}, target="same", **scene.options)
    for segment in RUN:
        after, grid = held(scene.segmentation, segment)
        assert before[segment][0] <= after
        assert not before[segment][0] or grid == before[segment][1]
    others, grid = held(scene.segmentation, "id_c")
    assert others <= before["id_c"][0]
    assert not others or grid == before["id_c"][1]
    if case.overwrite == "OverwriteNone":
        assert others == before["id_c"][0]
    assert history.RestorePreviousState()
    assert all_held(scene) == {segment: voxels for segment, (voxels, _grid) in before.items()}


@bounded
@given(exact_cases)
def test_both_targets_get_the_voxels_that_are_promised(nodes, case):
    """Where the painted grid can hold them, under every masking; a new node always."""
    scene = a_scene(nodes, case)
    before = all_held(scene)
    new, same = expected(scene)
    node = write_result(scene.masks, scene.segmentation, scene.ct, {}, **scene.options)
    assert all_held(scene) == before
    for segment in RUN:
        np.testing.assert_array_equal(nodes.mask(node, segment, scene.ct), new[segment])
    write_result(scene.masks, scene.segmentation, scene.ct, {}, target="same", **scene.options)
    for segment in ALL:
        np.testing.assert_array_equal(nodes.mask(scene.segmentation, segment, scene.ct), same[segment])


class Answers:
    """A segmenter that answers with given masks, after two steps."""

    def __init__(self, masks):
        self.masks = masks

    def run(self, request):
        yield SimpleNamespace()
        yield SimpleNamespace()
        segments = {name: SimpleNamespace(mask=self.masks.get(f"id_{name}")) for name in request.names.values()}
        return SimpleNamespace(segments=segments, provenance={})


@bounded
@given(cases, st.integers(0, 3))
def test_a_cancelled_run_leaves_the_scene_bit_by_bit(nodes, case, steps):
    scene = a_scene(nodes, case)
    before, ids = all_held(scene), nodes.ids()
    times = [scene.segmentation.GetSegmentation().GetMTime(), scene.ct.GetMTime(), scene.editor.GetMTime()]
    run = a_run(Answers(scene.masks), scene.segmentation, scene.ct, Settings())
    for _ in range(steps):
        run.step()
    run.cancel()
    with pytest.raises(InputError, match="cancelled"):
        run.finish(target="same", **scene.options)
    assert all_held(scene) == before
    assert nodes.ids() == ids
    after = [scene.segmentation.GetSegmentation().GetMTime(), scene.ct.GetMTime(), scene.editor.GetMTime()]
    assert after == times


@bounded
@given(cases, st.sampled_from(list(Plane)), st.integers(0, 100))
def test_a_copied_slice_is_taken_back_voxel_by_voxel(nodes, case, plane, number):
    scene = a_scene(nodes, case)
    before = all_held(scene)
    result = write_result(scene.masks, scene.segmentation, scene.ct, {})
    view = volume_from_node(scene.ct).view(plane)
    mask = scene.masks["id_a"]
    used = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {view.axis})))
    index = int(used[number % len(used)])
    try:
        copy = use_slice_as_seed(result, "id_a", scene.segmentation, "id_a", scene.ct, plane, index)
    except InputError as error:
        assert "thicker slices" in str(error) and case.grid == "twice as coarse"
        assert all_held(scene) == before
        return
    if case.grid in EXACT:
        wanted = scene.paint["id_a"].copy()
        view.slice(wanted, index)[...] = view.slice(mask, index)
        np.testing.assert_array_equal(nodes.mask(scene.segmentation, "id_a", scene.ct), wanted)
    copy.undo()
    assert all_held(scene) == before
