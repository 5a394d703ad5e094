"""Directions, axes, range, passes and fusion with the real network."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from propagation_runs import AXIAL, BETWEEN, PLANES, finish, mask_of, result_of
from scipy import ndimage

from SAM2VolumeSegLib.propagation import PAPER, RECOMMENDED, STOCK_SAM2, Request, Segmenter, Settings, Sight, propagate
from SAM2VolumeSegLib.propagation.axis_job import AxisJob
from SAM2VolumeSegLib.propagation.claims import Claim, claim_of
from SAM2VolumeSegLib.propagation.fuse import fuse
from SAM2VolumeSegLib.propagation.vote import LOGIT_LIMIT, Vote, average
from SAM2VolumeSegLib.research.measures.metrics import dice
from SAM2VolumeSegLib.seeds import paint_seeds
from SAM2VolumeSegLib.volume import Box, Plane

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def every_axis(a_phantom):
    """A run on three axes that keeps the votes of each."""
    from propagation_runs import SIZE

    from SAM2VolumeSegLib.model import checkpoints
    from SAM2VolumeSegLib.model.tracker import SliceTracker

    tracker = SliceTracker.load(checkpoints.find("demo"), "cpu", SIZE)
    seeds = a_phantom.seeds()
    return tracker, seeds, result_of(tracker, a_phantom.volume, seeds, keep_votes=True)


def test_the_result_is_more_than_what_was_painted(every_axis, a_phantom):
    """The least that the product promises: the painted slices become the structure."""
    _, seeds, result = every_axis
    reference = a_phantom.references["middle"]
    painted = dice(paint_seeds(seeds["middle"], a_phantom.volume), reference)
    assert dice(result.segments["middle"].mask, reference) > painted + 0.05


@pytest.mark.parametrize("direction", ["forward", "backward", "forward-backward"])
@pytest.mark.parametrize("passes", [1, 2])
def test_every_slice_between_the_seeds_gets_a_vote(every_axis, a_phantom, monkeypatch, direction, passes):
    """A slice that became a prompt in the second pass once had no vote at all: a hole in the bone."""
    monkeypatch.setattr(propagate, "MIN_CONFIDENCE", 0.0)  # whatever the model thinks of itself
    tracker, seeds, _ = every_axis
    settings = replace(BETWEEN, planes=AXIAL, direction=direction, passes=passes)
    steps, result = finish(Segmenter(tracker).run(Request.of(a_phantom.volume, seeds, settings), keep_votes=True))
    segment = result.segments["middle"]
    indices = [seed.index for seed in seeds["middle"] if seed.plane is Plane.AXIAL]
    between = range(min(indices), max(indices) + 1)
    assert sorted(segment.confidence[Plane.AXIAL]) == list(between)
    walks = passes * (2 if direction == "forward-backward" else 1)
    assert sum(step.plane is not None for step in steps) == len(between) * walks
    voted = ~np.isnan(segment.plane_logits[Plane.AXIAL])
    votes = np.flatnonzero(voted.any(axis=(1, 2))) + segment.box.lower[0]
    assert votes.tolist() == list(between)
    painted = dice(paint_seeds(seeds["middle"], a_phantom.volume), a_phantom.references["middle"])
    assert dice(segment.mask, a_phantom.references["middle"]) > painted


def test_directions_and_passes_differ(every_axis, a_phantom, monkeypatch):
    """Each choice has to reach the network."""
    monkeypatch.setattr(propagate, "MIN_CONFIDENCE", 0.0)  # else two passes are one where the model is not sure
    tracker, seeds, _ = every_axis
    logits = {}
    for name, change in {
        "forward": {"direction": "forward"},
        "backward": {"direction": "backward"},
        "both": {},
        "two passes": {"passes": 2},
        "stock memory": {"memory": STOCK_SAM2.memory},
    }.items():
        settings = replace(PAPER, planes=AXIAL, **change)
        logits[name] = result_of(tracker, a_phantom.volume, seeds, settings, keep_votes=True).segments["middle"].logits
    for one, other in combinations(logits, 2):
        assert np.abs(logits[one] - logits[other]).mean() > 1e-3, f"{one} and {other} are the same"
    # The seeds are on it in both directions, so the mean of the two is exact.
    np.testing.assert_allclose(logits["both"], (logits["forward"] + logits["backward"]) / 2, atol=1e-3)


@pytest.mark.parametrize("planes", [c for n in (1, 2, 3) for c in combinations(PLANES, n)], ids=str)
def test_fused_logits_are_the_mean_of_the_axes_that_vote(every_axis, a_phantom, planes):
    """Every subset of axes; where an axis has no vote it must not count, and without any vote it is background."""
    tracker, seeds, _ = every_axis
    settings = replace(PAPER, planes=planes)
    segment = result_of(tracker, a_phantom.volume, seeds, settings, keep_votes=True).segments["middle"]
    assert set(segment.plane_logits) == set(segment.confidence) == set(planes)
    votes = np.stack(list(segment.plane_logits.values()))
    assert np.nanmin(votes) >= -LOGIT_LIMIT and np.nanmax(votes) <= LOGIT_LIMIT
    silent = np.isnan(votes).all(axis=0)
    expected = np.where(silent, -LOGIT_LIMIT, np.nanmean(np.where(silent, 0, votes), axis=0))
    np.testing.assert_allclose(segment.logits, expected, atol=1e-5)
    painted = paint_seeds(seeds["middle"], a_phantom.volume)
    outside = np.ones(painted.shape, dtype=bool)
    outside[segment.box.slices] = silent
    assert outside.any()
    assert not (segment.mask & outside & ~painted).any()


def test_an_axis_that_is_switched_off_still_keeps_what_was_painted(every_axis, a_phantom):
    tracker, seeds, _ = every_axis
    mask = mask_of(tracker, a_phantom.volume, seeds, Settings(planes=("sagittal",)))
    assert mask[paint_seeds(seeds["middle"], a_phantom.volume)].all()


def test_plane_logits_are_kept_only_on_request(every_axis, a_phantom):
    """They take as much memory as the crop, three times."""
    tracker, seeds, _ = every_axis
    assert result_of(tracker, a_phantom.volume, seeds).segments["middle"].plane_logits == {}


def test_nearness_lets_the_direction_that_comes_from_the_nearer_seed_decide(a_phantom):
    """Up says structure, down says background: the lower half follows the first, the upper half the second."""
    volume, seeds = a_phantom.volume, a_phantom.seeds("first-last")
    job = AxisJob(None, Sight(volume, seeds, RECOMMENDED, 64), "middle", Plane.AXIAL)
    first, last = min(job.prompted), max(job.prompted)
    for time in range(first + 1, last):
        up, down = job.weight(time, 1), job.weight(time, -1)
        assert up == pytest.approx(1 / ((time - first) * job.pictures.view.slice_mm))
        assert down == pytest.approx(1 / ((last - time) * job.pictures.view.slice_mm))
        votes = {
            step: {time: Vote(np.full((1, 16, 16), value, dtype=np.float32), 0.5, (weight,))}
            for step, value, weight in ((1, 2.0, up), (-1, -2.0, down))
        }
        fused = average([votes[1], votes[-1]])[time].mean()
        assert np.sign(fused).ravel()[0] == np.sign((last - time) - (time - first))


def a_claim(volume, seeds, logits, weight=1.0):
    """A segment's claim on the whole volume, from its fused logits."""
    painted = paint_seeds(seeds, volume)
    mask, weights = (logits > 0) | painted, np.full(logits.shape, weight, dtype=np.float32)
    none = np.zeros(logits.shape, dtype=np.uint8)
    whole = Box.whole(volume)
    return Claim(whole, logits.astype(np.float32), weights, painted, ~mask & False, mask, {}, {}, none, none)


def test_islands_that_touch_nothing_painted_are_dropped_on_request(a_phantom):
    """A leak into a distant bone must not stay; what is painted always does, even in two pieces."""
    volume, seeds = a_phantom.volume, a_phantom.seeds("first-last", AXIAL)["middle"]
    painted = paint_seeds(seeds, volume)
    mask = painted.copy()
    corners = [tuple(slice(-6, None) if n else slice(6) for n in corner) for corner in np.ndindex(2, 2, 2)]
    free = next(corner for corner in corners if not painted[corner].any())
    island = tuple(slice(-3, None) if side.start else slice(3) for side in free)
    mask[island] = True
    for drop_islands, expected in ((True, painted), (False, mask)):
        claim = a_claim(volume, seeds, np.where(mask, 1.0, -1.0))
        _, kept = finish(fuse(volume, {"middle": claim}, drop_islands))
        np.testing.assert_array_equal(kept["middle"].mask, expected)


def test_a_walk_that_landed_in_a_neighbour_takes_nothing_from_it(a_phantom):
    """It must not win the neighbour's voxels first and be dropped as an island then: that leaves a hole."""
    volume, seeds = a_phantom.volume, a_phantom.seeds("first-middle-last", AXIAL, ("above", "middle"))
    above, middle = (a_phantom.references[name] for name in seeds)
    claims = {
        "above": a_claim(volume, seeds["above"], np.where(above, 1.0, -1.0)),
        "middle": a_claim(volume, seeds["middle"], np.where(middle, 2.0, -1.0)),
    }
    own = ndimage.binary_dilation(middle, np.ones((3, 3, 3)), iterations=2)
    leaked = above & ~claims["above"].painted & ~own  # what touches its own structure is no island
    assert leaked.sum() > 20
    claims["middle"].logits[leaked], claims["middle"].mask[leaked] = 3.0, True
    _, found = finish(fuse(volume, claims, drop_islands=True))
    np.testing.assert_array_equal(found["above"].mask, above)
    np.testing.assert_array_equal(found["middle"].mask, middle)


@pytest.mark.parametrize("nearer", ["above", "middle"])
def test_of_two_structures_that_are_equally_sure_the_nearer_seeds_get_the_voxel(a_phantom, nearer):
    """Clamped logits are often equal; an order of names would give all of a joint to one bone."""
    volume, seeds = a_phantom.volume, a_phantom.seeds("first-last", AXIAL, ("above", "middle"))
    sure = np.full(volume.voxels.shape, LOGIT_LIMIT)
    claims = {name: a_claim(volume, own, sure, 2.0 if name == nearer else 1.0) for name, own in seeds.items()}
    _, found = finish(fuse(volume, claims, drop_islands=False))
    free = np.ones(volume.voxels.shape, dtype=bool)
    for own in seeds.values():
        free[[seed.index for seed in own]] = False
    for name, segment in found.items():
        assert segment.mask[free].all() == segment.mask[free].any() == (name == nearer)


def test_beyond_the_outermost_seed_the_weight_falls_with_the_distance_to_it(a_phantom):
    volume, seeds = a_phantom.volume, a_phantom.seeds("middle")
    job = AxisJob(None, Sight(volume, seeds, RECOMMENDED, 64), "middle", Plane.AXIAL)
    (seed,) = job.prompted
    assert job.weight(seed + 3, 1) == job.weight(seed - 3, 1) == job.weight(seed - 3, -1)
    assert job.weight(seed, 1) > job.weight(seed + 1, 1) > job.weight(seed + 2, 1)


@pytest.mark.parametrize(("sure", "wins"), [(3.0, True), (1.5, False)])
def test_one_absent_axis_is_outvoted_by_two_that_are_sure(a_phantom, sure, wins):
    """SAM2's -1024 for an absent structure is -4 here: (3 + 3 - 4) / 3 is structure, (1.5 + 1.5 - 4) / 3 is not."""
    volume, seeds = a_phantom.volume, a_phantom.seeds("first-last")["middle"]
    sight = Sight(volume, {"middle": seeds}, replace(PAPER, roi=Box.whole(volume)), 64)
    jobs = []
    for plane in PLANES:
        job = AxisJob(None, sight, "middle", plane)
        value = -1024.0 if plane is Plane.CORONAL else sure
        between = range(job.stops.span.first + 1, job.stops.span.last)
        job.votes = {time: Vote(np.full((1, 16, 16), value, dtype=np.float32), 0.5) for time in between}
        jobs.append(job)
    _, claim = finish(claim_of(volume, seeds, jobs, Box.whole(volume), keep_votes=True))
    _, found = finish(fuse(volume, {"middle": claim}, drop_islands=False))
    segment = found["middle"]
    slices = {job.pictures.view.axis: sorted(seed.index for seed in job.seeds) for job in jobs}
    inside = tuple(slice(slices[axis][0] + 1, slices[axis][1]) for axis in range(3))
    np.testing.assert_allclose(segment.logits[inside], (2 * sure - LOGIT_LIMIT) / 3, atol=1e-5)
    assert segment.mask[inside].all() == wins and segment.mask[inside].any() == wins


def test_a_single_seed_always_extends_and_two_do_unless_it_is_switched_off(every_axis, a_phantom):
    """With one painted slice there is nothing between: the user wants the whole bone."""
    tracker, _, _ = every_axis
    single = result_of(tracker, a_phantom.volume, a_phantom.seeds("middle", AXIAL), BETWEEN).segments["middle"]
    (index,) = [seed.index for seed in a_phantom.seeds("middle", AXIAL)["middle"]]
    reached = sorted(single.confidence[Plane.AXIAL])
    assert reached == list(range(reached[0], reached[-1] + 1)) and reached[0] < index < reached[-1]
    slices = np.flatnonzero(single.mask.any(axis=(1, 2)))
    assert len(slices) > 3
    two = a_phantom.seeds("uniform-5", AXIAL)["middle"][1:3]
    bounded = mask_of(tracker, a_phantom.volume, {"middle": two}, BETWEEN)
    extended = mask_of(tracker, a_phantom.volume, {"middle": two})
    ends = [seed.index for seed in two]
    filled, more = (np.flatnonzero(mask.any(axis=(1, 2))) for mask in (bounded, extended))
    assert (filled[0], filled[-1]) == (min(ends), max(ends))
    assert more[0] < filled[0] and more[-1] > filled[-1]


def test_slices_between_stops_have_a_confidence_and_a_vote(a_fast_tracker, a_phantom):
    """The panel looks for the worst slice in every slice, and a gap in a mask would be a hole in the bone."""
    seeds = a_phantom.seeds("first-last", AXIAL)
    result = {
        pace: result_of(
            a_fast_tracker, a_phantom.volume, seeds, replace(BETWEEN, planes=AXIAL, pace_mm=pace), keep_votes=True
        )
        for pace in (0.0, 6.0)
    }
    every, some = (result[pace].segments["middle"] for pace in (0.0, 6.0))
    assert some.confidence[Plane.AXIAL].keys() == every.confidence[Plane.AXIAL].keys()
    assert (np.isnan(some.plane_logits[Plane.AXIAL]) == np.isnan(every.plane_logits[Plane.AXIAL])).all()
    logits = some.plane_logits[Plane.AXIAL]
    stops = Sight(a_phantom.volume, seeds, replace(BETWEEN, planes=AXIAL, pace_mm=6.0), 64).stops("middle", Plane.AXIAL)
    # The phantom is stored as RAS, so that a position is an index.
    first, last = (position - some.box.lower[0] for position in stops.positions[2:4])
    assert last - first == 3
    between = (2 * logits[first] + logits[last]) / 3
    # Of float32 within LOGIT_LIMIT: the order of operations.
    np.testing.assert_allclose(logits[first + 1], between, atol=1e-5)
