"""Many segments: the boxes that votes live in change no voxel, no step is long, and what is left is told."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from propagation_runs import PLANES, finish

from SAM2VolumeSegLib.propagation import PAPER, RECOMMENDED, Request, Segmenter, Settings
from SAM2VolumeSegLib.propagation.claims import Claim
from SAM2VolumeSegLib.propagation.fuse import fuse
from SAM2VolumeSegLib.research.bench.whole_volume import segment_whole
from SAM2VolumeSegLib.seeds import SeedSlice, add_absent, painted_box
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane, PlaneView, Segment, SquareWindow, Volume

NAMES = ("above", "middle", "below")


def assert_as_with_whole_arrays(tracker, volume, seeds, chosen):
    chosen = replace(chosen, edges=False)  # whole arrays know none
    _, masks = finish(segment_whole(tracker, volume, seeds, chosen))
    _, result = finish(Segmenter(tracker).run(Request.of(volume, seeds, chosen)))
    assert list(result.segments) == list(seeds)
    for name, segment in result.segments.items():
        np.testing.assert_array_equal(segment.mask, masks[name], err_msg=name)


@pytest.mark.parametrize(
    ("strategy", "chosen"),
    [
        ("first-middle-last", RECOMMENDED),
        ("quarters", PAPER),
        ("middle", RECOMMENDED),
        ("first-last", Settings(crop="each", margin_mm=0.0)),
        ("quarters", Settings(extend=True, planes=("coronal", "axial"), passes=2)),
        ("first-last", Settings(direction="backward", roi=Box((4, 2, 0), (25, 28, 20)))),
        ("quarters", Settings(pace_mm=6.0)),
        ("middle", Settings(pace_mm=10.0, roi=Box((4, 2, 0), (25, 28, 20)), drop_islands=False)),
    ],
    ids=["recommended", "paper", "one slice", "crops of their own", "extended", "region of interest", "pace", "far"],
)
def test_masks_are_those_of_whole_arrays(a_fast_tracker, a_phantom, strategy, chosen):
    """A box too small by a voxel would cut the bone, and nobody would see why."""
    assert_as_with_whole_arrays(a_fast_tracker, a_phantom.volume, a_phantom.seeds(strategy, names=NAMES), chosen)


def test_masks_in_a_region_that_cuts_the_paint_are_those_of_whole_arrays(a_fast_tracker, a_phantom):
    """Outside of the region nothing is claimed but what was painted."""
    seeds = a_phantom.seeds("quarters", ("axial",), names=("middle",))
    painted = painted_box(seeds["middle"], a_phantom.volume)
    cut = zip(painted.upper, (0, 3, 2), strict=True)
    roi = Box((*painted.lower[:2], painted.lower[2] + 3), tuple(end - fewer for end, fewer in cut))
    chosen = Settings(planes=("axial",), drop_islands=False, roi=roi)
    assert_as_with_whole_arrays(a_fast_tracker, a_phantom.volume, seeds, chosen)


def test_masks_of_segments_that_are_meant_to_overlap_are_those_of_whole_arrays(a_fast_tracker, a_phantom):
    """The whole column beside its bones: it contests nothing of theirs, they contest each other's voxels."""
    seeds = a_phantom.seeds(names=("above", "middle"))
    column = {}
    for seed in seeds["above"] + seeds["middle"]:
        place = (seed.plane, seed.index)
        column[place] = column.get(place, False) | seed.mask
    seeds["column"] = [SeedSlice(plane, index, mask) for (plane, index), mask in column.items()]
    assert_as_with_whole_arrays(a_fast_tracker, a_phantom.volume, seeds, RECOMMENDED)


def test_a_slice_declared_absent_outside_of_the_box_does_no_harm(a_fast_tracker, a_phantom):
    seeds = a_phantom.seeds("quarters", names=("middle",))
    seeds["middle"] = add_absent(seeds["middle"], [(Plane.AXIAL, 27), (Plane.SAGITTAL, 0)], a_phantom.volume)
    assert_as_with_whole_arrays(a_fast_tracker, a_phantom.volume, seeds, replace(RECOMMENDED, extend=True))


def _claims(draw):
    """Random claims in random boxes; logits and weights of few values, so that many are equal."""
    shape, claims = (5, 6, 7), {}
    for number in range(draw(st.integers(1, 4))):
        sides = [sorted(draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in shape]
        box = Box(*(tuple(side[end] for side in sides) for end in (0, 1)))
        random = np.random.default_rng(draw(st.integers(0, 2**32)))
        logits = random.choice(np.array([-4, -1, 0, 1, 4], dtype=np.float32), box.shape)
        weight = random.choice(np.array([0.5, 1, 2], dtype=np.float32), box.shape)
        painted = random.random(box.shape) < draw(st.sampled_from([0.02, 0.3]))
        painted[0, 0, 0] = True
        claims[f"s{draw(st.integers(0, 99))}-{number}"] = Claim(
            box, logits, weight, painted, ~painted & False, (logits > 0) | painted, {}, {}, painted, painted
        )
    return shape, claims


@given(st.composite(_claims)())
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_a_voxel_goes_to_the_best_claim_pair_by_pair(case):
    """The rule in one voxel after the other, by name; segments that share paint do not contest each other."""
    shape, claims = case
    names = sorted(claims)
    full = {name: {} for name in names}
    for name, claim in claims.items():
        for field in ("logits", "weight", "painted", "mask"):
            array = np.zeros(shape, dtype=getattr(claim, field).dtype)
            array[claim.box.slices] = getattr(claim, field)
            full[name][field] = array
    share = {(a, b) for a in names for b in names if (full[a]["painted"] & full[b]["painted"]).any()}
    expected = {name: full[name]["mask"].copy() for name in names}
    for voxel in np.ndindex(shape):
        for n, one in enumerate(names):
            for other in names[n + 1 :]:
                if (one, other) in share or not (expected[one][voxel] and expected[other][voxel]):
                    continue
                rank = [
                    (np.inf, 0) if full[name]["painted"][voxel] else
                    (full[name]["logits"][voxel], full[name]["weight"][voxel]) for name in (one, other)
                ]  # fmt: skip
                expected[other if rank[0] >= rank[1] else one][voxel] = False
    volume = Volume(np.zeros(shape, dtype=np.int16), np.eye(4))
    _, found = finish(fuse(volume, claims, drop_islands=False))
    for name in names:
        np.testing.assert_array_equal(found[name].mask, expected[name])


def test_what_a_result_keeps_is_its_box(a_fast_tracker, a_phantom):
    """24 vertebrae of a whole spine would be gigabytes as arrays of the CT's size."""
    volume = Volume(np.pad(a_phantom.volume.voxels, 60, constant_values=-1000), a_phantom.volume.ijk_to_ras)
    seeds = {
        name: [SeedSlice(seed.plane, seed.index + 60, np.pad(seed.mask, 60)) for seed in own]
        for name, own in a_phantom.seeds(names=NAMES).items()
    }
    for segment in Segmenter(a_fast_tracker).segment(Request.of(volume, seeds)).segments.values():
        kept = segment.found.inside.nbytes + segment.logits.nbytes
        assert kept < volume.voxels.size / 10
        np.testing.assert_array_equal(BoxMask.of(segment.mask).whole(), segment.mask)
    painted = np.zeros(volume.voxels.shape, dtype=bool)
    painted[70, 70:72, 70] = True
    assert Segment("dot", painted).found.inside.shape == (1, 2, 1)


def test_progress_goes_on_after_the_last_slice_and_cancels_there(a_fast_tracker, a_phantom, monkeypatch):
    """Slicer's window froze for minutes after "0 left": now it says what it does, how long, and Cancel works."""
    monkeypatch.setattr("SAM2VolumeSegLib.propagation.clock.TELL_AFTER", 0.0)
    seeds = a_phantom.seeds(names=NAMES)
    run = Segmenter(a_fast_tracker).run(Request.of(a_phantom.volume, seeds))
    steps, _ = finish(run)
    after = [step for step in steps if step.plane is None]
    assert {step.segment for step in after} == set(NAMES) and len(after) > 20
    assert after[0].seconds_left > after[-1].seconds_left == 0
    run = Segmenter(a_fast_tracker).run(Request.of(a_phantom.volume, seeds))
    for step in run:
        if step.plane is None:
            run.close()
    with pytest.raises(StopIteration):
        next(run)


@given(
    st.permutations((0, 1, 2)),
    st.lists(st.sampled_from([-1, 1]), min_size=3, max_size=3),
    st.sampled_from(PLANES),
    st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_a_part_of_a_slice_is_sampled_as_in_the_whole(order, signs, plane, seed):
    """To the last bit, on any grid; and outside of `reach` nothing that is marked counts."""
    random = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, :3] = np.eye(3)[:, list(order)] * signs * random.uniform(0.5, 3, 3)
    shape = tuple(int(n) for n in random.integers(4, 30, 3))
    view = PlaneView.of(plane, shape, matrix)
    corners = np.sort(random.integers(0, [n + 1 for n in shape], (2, 3)), axis=0)
    box = Box(tuple(int(n) for n in corners[0]), tuple(int(n) + 1 for n in corners[1]))
    assert view.corners(3, 5, view.bounds(box.lower, box.upper))[0][view.axis] == 3
    restored = Box(*view.corners(box.lower[view.axis], box.upper[view.axis] - 1, view.bounds(box.lower, box.upper)))
    assert restored == box
    window = SquareWindow.of(view, box, 16)
    logits = random.normal(0, 5, (16, 16)).astype(np.float32)
    whole = window.from_model(logits)
    top, bottom, left, right = view.bounds(box.lower, box.upper)
    top, left, bottom, right = max(top, 0), max(left, 0), min(bottom, view.shape[0]), min(right, view.shape[1])
    np.testing.assert_array_equal(window.from_model(logits, (top, bottom, left, right)), whole[top:bottom, left:right])
    marked = random.random((16, 16)) < 0.02
    reached = np.zeros(view.shape, dtype=bool)
    if (part := window.reach(marked)) is not None:
        reached[part[0] : part[1], part[2] : part[3]] = True
    touched = np.nan_to_num(window.from_model(marked.astype(np.float32))) > 0
    assert not (touched & ~reached).any()
