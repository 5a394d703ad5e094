"""Segments that are propagated together get what each gets alone, in fewer and larger batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from propagation_runs import AXIAL, BETWEEN, SIZE, finish, result_of
from rounding import ROUNDING

from SAM2VolumeSegLib.model.volume_memory import VolumeMemory
from SAM2VolumeSegLib.propagation import Request, Segmenter, segmenter
from SAM2VolumeSegLib.propagation.propagate import Walk
from SAM2VolumeSegLib.propagation.sight import Span
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Box, Plane

NAMES = ("above", "middle", "below")
WHOLE = replace(BETWEEN, roi=Box((0, 0, 0), (28, 28, 28)))


@pytest.fixture
def batches(a_fast_tracker, monkeypatch):
    """Sizes of the batches that the network predicts."""
    sizes, track = [], a_fast_tracker.network.track

    def noted(features, queries):
        assert len({query.shape for query in queries}) == 1 and len(features[0]) == len(queries)
        sizes.append(len(queries))
        return track(features, queries)

    monkeypatch.setattr(a_fast_tracker.network, "track", noted)
    return sizes


@pytest.mark.parametrize(
    "settings",
    [WHOLE, replace(WHOLE, planes=AXIAL, passes=2), replace(WHOLE, planes=AXIAL, extend=True, direction="forward")],
    ids=["three axes", "two passes", "extended"],
)
def test_together_as_alone(a_fast_tracker, a_phantom, batches, settings):
    """Memories, positions or pointers of one segment in another's row of a batch would mix the structures."""
    seeds = a_phantom.seeds(names=NAMES)
    a_fast_tracker.plan = replace(a_fast_tracker.plan, batch_size=8)
    together = result_of(a_fast_tracker, a_phantom.volume, seeds, settings).segments
    assert max(batches) >= 2 and sum(batches) == a_fast_tracker.tracked
    a_fast_tracker.plan = replace(a_fast_tracker.plan, batch_size=1)
    for name in NAMES:
        a_fast_tracker.forget()
        alone = result_of(a_fast_tracker, a_phantom.volume, {name: seeds[name]}, settings).segments[name]
        np.testing.assert_allclose(together[name].logits, alone.logits, atol=ROUNDING)
        assert np.abs(together[name].logits - alone.logits).mean() < 1e-4
        assert together[name].confidence.keys() == alone.confidence.keys()


def test_both_directions_of_a_segment_keep_step(a_fast_tracker, a_phantom, batches):
    """Where the middle seed is not quite in the middle, they look at different numbers of memories for a moment."""
    view, mask = a_phantom.volume.view(Plane.AXIAL), np.array(a_phantom.references["middle"][14])
    seeds = [SeedSlice(Plane.AXIAL, view.order[time], mask) for time in (1, 13, 26)]
    result_of(a_fast_tracker, a_phantom.volume, {"middle": seeds}, replace(WHOLE, planes=AXIAL))
    assert sum(batches) == 46 and len(batches) < 30


def test_a_batch_predicts_what_single_queries_predict(a_tracker):
    """One step, so nothing adds up: different slices, memories, distances and lengths of the stack in one batch.

    Rounding: 1e-5 in a logit; a value in bfloat16 goes to its neighbour, 0.8 % away, at most two in a row.
    """
    rows = np.mgrid[:SIZE, :SIZE][0]

    class Pictures:
        key = "bands"

        def picture(self, index):
            return ((rows + 7 * index) % 40 / 40).astype(np.float32)

    pictures, queries = Pictures(), []
    for first, width, length in ((0, 30, 12), (2, 50, 25), (5, 70, 9)):
        prompts = {
            index: a_tracker.prompt(pictures, index, (rows > 20) & (rows < 20 + width)).memory
            for index in (first, first + 6)
        }
        walk = Walk(prompts, Span(first, first + length - 1), VolumeMemory(radius=1.0), 1)
        while len(walk.votes) < 3:
            query = walk.query()
            walk.go_on(None if query is None else a_tracker.track(pictures, [query])[0])
        queries.append(walk.query())
    assert len({query.shape for query in queries}) == 1 and len({query.index for query in queries}) == 3
    a_tracker.predictions.clear()
    a_tracker.plan = replace(a_tracker.plan, batch_size=4)
    together = a_tracker.track(pictures, queries)
    a_tracker.predictions.clear()
    for batched, query in zip(together, queries, strict=True):
        (alone,) = a_tracker.track(pictures, [query])
        torch.testing.assert_close(batched.logits, alone.logits, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(batched.memory.pointer, alone.memory.pointer, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(batched.memory.features, alone.memory.features, atol=0.02, rtol=0.02)
        assert batched.memory.identity == alone.memory.identity


def test_batches_keep_to_the_plan(a_fast_tracker, a_phantom, batches):
    """On a small machine, or after memory ran out, a batch of many segments must not."""
    a_fast_tracker.plan = replace(a_fast_tracker.plan, batch_size=2)
    result_of(a_fast_tracker, a_phantom.volume, a_phantom.seeds(names=NAMES), WHOLE)
    assert max(batches) == 2


def test_progress_names_each_slice_of_each_segment_once_per_direction(a_fast_tracker, a_phantom):
    seeds = a_phantom.seeds(names=NAMES)
    steps, _ = finish(Segmenter(a_fast_tracker).run(Request.of(a_phantom.volume, seeds, replace(WHOLE, planes=AXIAL))))
    for name in NAMES:
        indices = [seed.index for seed in seeds[name] if seed.plane.value == "axial"]
        expected = sorted(2 * list(range(min(indices), max(indices) + 1)))
        assert sorted(step.index for step in steps if step.plane and step.segment == name) == expected


def test_what_waits_to_be_fused_is_bounded(a_fast_tracker, a_phantom, batches, monkeypatch):
    """Fifty segments of a long CT go in portions; the result is the same."""
    seeds = a_phantom.seeds(names=NAMES)
    plenty = result_of(a_fast_tracker, a_phantom.volume, seeds, WHOLE).segments
    a_fast_tracker.forget()
    monkeypatch.setattr(segmenter, "VOTES_BYTES", 10_000)
    batches.clear()
    portions = result_of(a_fast_tracker, a_phantom.volume, seeds, WHOLE).segments
    assert max(batches) <= 2, "only the two directions of one segment"
    for name in NAMES:
        np.testing.assert_allclose(portions[name].logits, plenty[name].logits, atol=ROUNDING)
