"""A run that is asked for a part of the volume, without one of the seeds: a self-check has to be quick and true."""

from dataclasses import replace

import numpy as np
import pytest

from SAM2VolumeSegLib.progress import Steps
from SAM2VolumeSegLib.propagation import RECOMMENDED, Request, Segmenter, Sight
from SAM2VolumeSegLib.propagation.result import LOGIT_LIMIT, STEPS_PER_LOGIT
from SAM2VolumeSegLib.propagation.workload import work_ahead, workload
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Box, Plane


def a_slab(volume, plane, index, beside=2):
    view = volume.view(plane)
    lower, upper = [0, 0, 0], list(volume.voxels.shape)
    lower[view.axis], upper[view.axis] = max(0, index - beside), min(view.count, index + beside + 1)
    return Box(tuple(lower), tuple(upper))


def on(segment, box, values, outside):
    """What a segment's box holds of another box."""
    moved = np.full(box.shape, outside, dtype=values.dtype)
    part = segment.box.meet(box)
    moved[box.index_of(part)] = values[segment.box.index_of(part)]
    return moved


@pytest.mark.parametrize(
    ("plane", "number", "direction"),
    [
        (Plane.AXIAL, 0, "forward-backward"),
        (Plane.CORONAL, 1, "forward-backward"),
        (Plane.SAGITTAL, 2, "forward-backward"),
        (Plane.AXIAL, 0, "forward"),
        (Plane.AXIAL, 2, "backward"),
    ],
)
def test_a_part_holds_what_a_whole_run_without_the_seed_says_there(a_fast_tracker, a_phantom, plane, number, direction):
    """Walks end early, so what a slice looked at has to be as it would have been; first, middle and last seed."""
    a_fast_tracker.plan = replace(a_fast_tracker.plan, batch_size=1)  # a batch changes the last bits
    settings = replace(RECOMMENDED, edges=False, direction=direction)
    request = Request.of(a_phantom.volume, a_phantom.seeds("quarters", names=("middle", "below")), settings)
    seed = [seed for seed in request.seeds["middle"] if seed.plane is plane][number]
    within = a_slab(a_phantom.volume, plane, seed.index)
    part = request.leaving_out("middle", (plane, seed.index), within, ["below"])
    found = Segmenter(a_fast_tracker).segment(part).segments
    a_fast_tracker.forget()
    whole = Segmenter(a_fast_tracker).segment(replace(part, within=None)).segments
    assert found.keys() == whole.keys() == {"middle", "below"}
    for name, segment in found.items():
        assert segment.box == within
        np.testing.assert_array_equal(segment.found.inside, whole[name].mask[within.slices])
        known = on(whole[name], within, np.ones(whole[name].box.shape, dtype=bool), False)
        for values in ("voted", "spread"):
            there = on(whole[name], within, getattr(whole[name], values), 0)
            np.testing.assert_array_equal(getattr(segment, values)[known], there[known])


def test_a_slice_that_is_left_out_is_not_known(a_fast_tracker, a_phantom):
    """Else the self-check would find the user's own paint, and call it a good result."""
    request = Request.of(a_phantom.volume, a_phantom.seeds("quarters"))
    seed = next(seed for seed in request.seeds["middle"] if seed.plane is Plane.CORONAL)
    view = a_phantom.volume.view(seed.plane)
    whole = seed.mask.copy()
    whole[:4, :4] = True  # what nobody would find
    painted = [SeedSlice(one.plane, one.index, whole) if one is seed else one for one in request.seeds["middle"]]
    request = Request.of(a_phantom.volume, {"middle": painted})
    within = a_slab(a_phantom.volume, seed.plane, seed.index)
    part = request.leaving_out("middle", (seed.plane, seed.index), within, [])
    found = Segmenter(a_fast_tracker).segment(part).segments["middle"]
    answer = view.slice(found.mask, seed.index)
    assert answer.any() and not answer[:4, :4].any()


def test_after_a_run_a_part_costs_the_slices_of_one_axis(a_fast_tracker, a_phantom):
    """The other axes were predicted, and every slice was encoded: the same crop, the same spans."""
    request = Request.of(a_phantom.volume, a_phantom.seeds("quarters"))
    segmenter = Segmenter(a_fast_tracker)
    segmenter.segment(request)
    encoded, tracked = a_fast_tracker.encoded, a_fast_tracker.tracked
    for seed in request.seeds["middle"]:
        before = a_fast_tracker.tracked
        within = a_slab(a_phantom.volume, seed.plane, seed.index)
        segmenter.segment(request.leaving_out("middle", (seed.plane, seed.index), within, []))
        assert a_fast_tracker.tracked - before <= 2 * a_phantom.volume.view(seed.plane).count
    assert a_fast_tracker.encoded == encoded
    assert a_fast_tracker.tracked - tracked < 2 * tracked


@pytest.mark.parametrize("known", [False, True])
def test_the_time_of_a_part_is_told_by_what_it_computes_and_not_by_a_whole_run(a_fast_tracker, a_phantom, known):
    """Its walks end early; and where they end says nothing about where the structure does, for the next whole run."""
    request = Request.of(a_phantom.volume, a_phantom.seeds("quarters", names=("middle",)))
    seed = min((seed for seed in request.seeds["middle"] if seed.plane is Plane.AXIAL), key=lambda one: one.index)
    part = request.leaving_out(
        "middle", (Plane.AXIAL, seed.index), a_slab(a_phantom.volume, Plane.AXIAL, seed.index), []
    )
    segmenter, size = Segmenter(a_fast_tracker), a_fast_tracker.plan.image_size
    if known:
        segmenter.segment(request)
    beyond = dict(a_fast_tracker.beyond)
    seeds = part.named_seeds
    ahead = Steps(
        work_ahead(a_fast_tracker, Sight(part.volume, seeds, part.settings, size, 4, part.around, part.within))
    )
    for _ in ahead:
        pass
    encoded, tracked = a_fast_tracker.encoded, a_fast_tracker.tracked
    run = Steps(segmenter.run(part))
    left = [step.seconds_left for step in run if step.seconds_left is not None]
    assert left and all(0 <= seconds < np.inf for seconds in left) and left[-1] == 0
    done = a_fast_tracker.tracked - tracked
    assert 0 < done <= ahead.result.predicted <= done + sum(ahead.result.beyond.values())
    assert ahead.result.once.encode == a_fast_tracker.encoded - encoded
    assert (
        ahead.result.predicted < workload(Sight(request.volume, request.named_seeds, request.settings, size)).predicted
    )
    assert a_fast_tracker.beyond == beyond


def test_a_part_that_a_segment_cannot_reach_is_empty_of_it(a_fast_tracker, a_phantom):
    """A neighbour takes part in a self-check whether it is there or not."""
    request = Request.of(a_phantom.volume, a_phantom.seeds("quarters", names=("above", "below")))
    seed = max((seed for seed in request.seeds["above"] if seed.plane is Plane.AXIAL), key=lambda one: one.index)
    within = a_slab(a_phantom.volume, Plane.AXIAL, seed.index, 0)
    part = request.leaving_out("above", (Plane.AXIAL, seed.index), within, ["below"])
    found = Segmenter(a_fast_tracker).segment(part).segments
    assert found["above"].mask.any() and not found["below"].mask.any()


def test_votes_that_agree_have_no_spread_and_those_against_each_other_the_largest(a_fast_tracker, a_phantom):
    """Beside the sum of votes stands that of their squares: half for and half against is a spread of the limit."""
    request = Request.of(a_phantom.volume, a_phantom.seeds("quarters"), replace(RECOMMENDED, fusion="mean"))
    run = Segmenter(a_fast_tracker).run(request, keep_votes=True)
    try:
        while True:
            next(run)
    except StopIteration as end:
        segment = end.value.segments["middle"]
    assert segment.voted.dtype == np.int8 and segment.spread.dtype == np.uint8
    assert segment.voted.shape == segment.spread.shape == segment.box.shape
    votes = np.stack(list(segment.plane_logits.values()))
    assert np.isfinite(votes).sum() > votes.size / 3
    some = np.isfinite(votes).any(axis=0)
    mean = np.nanmean(votes[:, some], axis=0)
    np.testing.assert_allclose(segment.voted[some] / STEPS_PER_LOGIT, mean, atol=0.51 / STEPS_PER_LOGIT)
    # Directions that disagree add to what the axes' means differ by, and no spread exceeds what the limit allows.
    least = np.nanstd(votes[:, some], axis=0)
    spread = segment.spread[some] / STEPS_PER_LOGIT
    assert (spread >= least - 0.51 / STEPS_PER_LOGIT).all()
    assert (spread <= np.sqrt(LOGIT_LIMIT**2 - mean**2 + 1e-4) + 0.51 / STEPS_PER_LOGIT).all()
    assert (spread > 1).any() and (spread == 0).any()
