"""Where segments are painted: each on slices of its own, or beyond the slices of an earlier run."""

from dataclasses import replace

import numpy as np
import pytest
from propagation_runs import AXIAL, BETWEEN, PLANES, finish

from SAM2VolumeSegLib.model.volume_memory import VolumeMemory
from SAM2VolumeSegLib.propagation import PAPER, RECOMMENDED, STOCK_SAM2, Request, Segmenter
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Plane

CASES = {
    "recommended": RECOMMENDED,
    "between": BETWEEN,
    "paper": PAPER,
    "stock": STOCK_SAM2,
    "gated, two passes": replace(BETWEEN, memory=VolumeMemory(gate=2), passes=2, planes=AXIAL),
}


def painted(phantom, name, positions, plane=Plane.AXIAL):
    """Seeds of a structure on slices of one plane, given as index; the structure is on all of them."""
    view, reference = phantom.volume.view(plane), phantom.references[name]
    seeds = [SeedSlice(plane, index, np.array(view.slice(reference, index))) for index in positions]
    assert not any(seed.absent for seed in seeds)
    return seeds


def slices_of(phantom, name, plane=Plane.AXIAL):
    return np.flatnonzero(phantom.references[name].any(axis=tuple({0, 1, 2} - {phantom.volume.view(plane).axis})))


@pytest.mark.parametrize("case", [case for case in CASES if case != "recommended"])
def test_two_segments_on_slices_of_their_own_are_what_each_is_alone(a_fast_tracker, a_phantom, case):
    """Two vertebrae apart, each painted where the other is not: neither's slices may prompt or bound the other's."""
    settings = replace(CASES[case], crop="each")
    # Batches of one: a batch changes the last bits of what is in it (see test_segment_together).
    a_fast_tracker.plan = replace(a_fast_tracker.plan, batch_size=1)
    seeds = {"above": painted(a_phantom, "above", (19, 22, 25)), "below": painted(a_phantom, "below", (2, 5, 8))}
    together = Segmenter(a_fast_tracker).segment(Request.of(a_phantom.volume, seeds, settings)).segments
    masks = []
    for name, own in seeds.items():
        a_fast_tracker.forget()
        request = Request.of(a_phantom.volume, {name: own}, settings)
        alone = Segmenter(a_fast_tracker).segment(request).segments[name]
        np.testing.assert_array_equal(together[name].logits, alone.logits)
        np.testing.assert_array_equal(together[name].mask, alone.mask)
        assert together[name].confidence == alone.confidence
        masks.append(alone.mask)
    assert masks[0].any() and masks[1].any() and not (masks[0] & masks[1]).any()


def test_two_segments_that_go_on_beyond_their_slices_do_not_prompt_each_other(a_fast_tracker, a_phantom):
    """Beyond its paint, what one votes is its own; where both claim a voxel, one of them gets it, and never paint."""
    settings = replace(RECOMMENDED, crop="each")
    a_fast_tracker.plan = replace(a_fast_tracker.plan, batch_size=1)
    seeds = {"above": painted(a_phantom, "above", (19, 22, 25)), "below": painted(a_phantom, "below", (2, 5, 8))}
    votes_only = replace(settings, edges=False)
    together = Segmenter(a_fast_tracker).segment(Request.of(a_phantom.volume, seeds, votes_only)).segments
    for name, own in seeds.items():
        alone = Segmenter(a_fast_tracker).segment(Request.of(a_phantom.volume, {name: own}, votes_only)).segments[name]
        np.testing.assert_array_equal(together[name].logits, alone.logits)
        assert together[name].confidence == alone.confidence
        assert not (together[name].mask & ~alone.mask).any()
    at_edges = Segmenter(a_fast_tracker).segment(Request.of(a_phantom.volume, seeds, settings)).segments
    for found in (together, at_edges):
        assert not (found["above"].mask & found["below"].mask).any()
        for name, own in seeds.items():
            for seed in own:
                np.testing.assert_array_equal(
                    a_phantom.volume.view(seed.plane).slice(found[name].mask, seed.index), seed.mask
                )


@pytest.mark.parametrize(
    ("case", "plane"),
    [
        *((case, plane) for case in ("recommended", "between") for plane in PLANES),
        ("paper", Plane.AXIAL),
        ("stock", Plane.AXIAL),
    ],
)
def test_paint_beyond_the_earlier_slices_is_reached_by_the_next_run(a_fast_tracker, a_phantom, case, plane):
    """What was computed before must not end the stack where it ended then."""
    settings = replace(CASES[case], planes=(plane,))
    a_fast_tracker.plan = replace(a_fast_tracker.plan, batch_size=1)
    slices = slices_of(a_phantom, "middle", plane)
    first, middle, last = slices[[1, len(slices) // 2, -2]]
    session = Segmenter(a_fast_tracker)
    seeds = {"middle": painted(a_phantom, "middle", [first, middle], plane)}
    session.segment(Request.of(a_phantom.volume, seeds, settings))
    seeds = {"middle": painted(a_phantom, "middle", [first, middle, last], plane)}
    steps, again = finish(session.run(Request.of(a_phantom.volume, seeds, settings)))
    visited, between = {step.index for step in steps if step.plane}, set(range(first, last + 1))
    assert visited > between if settings.extend else visited == between
    found = again.segments["middle"].mask.any(axis=tuple({0, 1, 2} - {a_phantom.volume.view(plane).axis}))
    assert found[middle + 1 : last].all()
    a_fast_tracker.forget()
    fresh = session.segment(Request.of(a_phantom.volume, seeds, settings))
    np.testing.assert_array_equal(again.segments["middle"].logits, fresh.segments["middle"].logits)
    np.testing.assert_array_equal(again.segments["middle"].mask, fresh.segments["middle"].mask)
