"""A run after a correction gives what a run from nothing gives, and computes only what the correction can reach."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from propagation_runs import AXIAL, PLANES, finish

from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.model.volume_memory import VolumeMemory
from SAM2VolumeSegLib.propagation import RECOMMENDED, Request, Segmenter, Settings
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Box, Plane

pytestmark = pytest.mark.numeric

EDITS = ("shrink", "add", "remove", "absent", "restore")
WHOLE = Box((0, 0, 0), (28, 28, 28))
CASES = {
    "recommended": RECOMMENDED,
    "stride": Settings(memory=VolumeMemory(radius=None, recent=4, embeddings="sam2", stride=2), planes=AXIAL),
    "gate": Settings(memory=VolumeMemory(gate=2), planes=AXIAL),
    "extended, two passes": Settings(extend=True, passes=2, planes=AXIAL),
    "pace": Settings(pace_mm=6.0),
}


@pytest.fixture(scope="module")
def demo_weights():
    """Loaded once: every example needs a tracker of its own that knows nothing."""
    return SliceTracker.load(checkpoints.find("demo"), "cpu", 64)


def a_tracker_that_knows_nothing(loaded, batch_size=1):
    """Batches of one, because a batch changes the last bits of what is in it."""
    plan = replace(loaded.plan, batch_size=batch_size)
    return SliceTracker(loaded.network, plan, loaded.name, loaded.checkpoint_sha256)


def edited(seeds, original, edit, plane, position, phantom):
    """One edit of the seeds of a plane; `position` says where (0 to 1)."""
    own = sorted((seed for seed in seeds if seed.plane is plane), key=lambda seed: seed.index)
    others = [seed for seed in seeds if seed.plane is not plane]
    reference, view = phantom.references["middle"], phantom.volume.view(plane)
    if edit == "restore":
        return list(original)
    if edit == "add":
        free = sorted(set(range(2, view.count - 2)) - {seed.index for seed in own})
        index = free[int(position * (len(free) - 1))]
        return [*others, *own, SeedSlice(plane, index, np.array(view.slice(reference, index)))]
    if not own:
        return seeds
    number = int(position * (len(own) - 1))
    seed = own.pop(number)
    if edit == "shrink":
        rows = np.flatnonzero(seed.mask.any(axis=1))
        mask = seed.mask.copy()
        mask[rows[:1]] = False
        own.append(SeedSlice(plane, seed.index, mask))
    elif edit == "absent":
        own.append(SeedSlice(plane, seed.index, np.zeros_like(seed.mask)))
    return [*others, *own]


def assert_equal(one, other):
    assert one.segments.keys() == other.segments.keys()
    for name, segment in one.segments.items():
        np.testing.assert_array_equal(segment.mask, other.segments[name].mask)
        np.testing.assert_array_equal(segment.logits, other.segments[name].logits)
        assert segment.confidence == other.segments[name].confidence


@pytest.mark.parametrize("case", CASES)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.sampled_from(EDITS), st.sampled_from(PLANES), st.floats(0, 1)), min_size=1, max_size=2)
)
def test_any_edits_give_what_a_run_from_nothing_gives(demo_weights, a_phantom, case, edits):
    """Bit by bit: a wrong reuse would be a mistake that nobody can see, and that goes away when Slicer is restarted."""
    original = a_phantom.seeds()["middle"]
    session = Segmenter(a_tracker_that_knows_nothing(demo_weights))
    session.segment(Request.of(a_phantom.volume, {"middle": original}, CASES[case]))
    planes, seeds = CASES[case].planes or PLANES, original
    for edit, plane, position in edits:
        plane = plane if plane in planes else planes[0]
        seeds = edited(seeds, original, edit, plane, position, a_phantom)
        if not any(seed.plane in planes and not seed.absent for seed in seeds):
            continue  # nothing to propagate
        corrected = session.segment(Request.of(a_phantom.volume, {"middle": seeds}, CASES[case]))
        fresh = Segmenter(a_tracker_that_knows_nothing(demo_weights))
        assert_equal(corrected, fresh.segment(Request.of(a_phantom.volume, {"middle": seeds}, CASES[case])))
        assert session.tracker.tracked > 0


def runs(tracker, volume, seeds, chosen):
    """Result, and how many slices were encoded and predicted for it."""
    encoded, tracked = tracker.encoded, tracker.tracked
    steps, result = finish(Segmenter(tracker).run(Request.of(volume, seeds, chosen)))
    return result, tracker.encoded - encoded, tracker.tracked - tracked, steps


def test_the_same_run_again_computes_nothing(demo_weights, a_phantom):
    """Another name of the segment and another fusion need no other predictions."""
    tracker, seeds = a_tracker_that_knows_nothing(demo_weights), a_phantom.seeds()
    first, encoded, tracked, _ = runs(tracker, a_phantom.volume, seeds, RECOMMENDED)
    assert encoded and tracked
    again, *computed, steps = runs(tracker, a_phantom.volume, seeds, RECOMMENDED)
    assert computed == [0, 0]
    assert_equal(first, again)
    assert steps[-1].slices_left == 0 and steps[-1].done > tracked, "known slices are still reported"
    _, *computed, _ = runs(
        tracker, a_phantom.volume, {"renamed": seeds["middle"]}, replace(RECOMMENDED, fusion="mean", drop_islands=False)
    )
    assert computed == [0, 0]


def test_only_the_axis_of_a_changed_seed_is_computed_again(demo_weights, a_phantom):
    tracker, seeds = a_tracker_that_knows_nothing(demo_weights), a_phantom.seeds()["middle"]
    chosen = Settings(roi=WHOLE)
    runs(tracker, a_phantom.volume, {"middle": seeds}, chosen)
    changed = edited(seeds, seeds, "shrink", Plane.CORONAL, 0.5, a_phantom)
    _, encoded, tracked, steps = runs(tracker, a_phantom.volume, {"middle": changed}, chosen)
    coronal = [step for step in steps if step.plane is Plane.CORONAL]
    assert encoded == 0 and 0 < tracked < len(coronal)
    _, _, again, _ = runs(tracker, a_phantom.volume, {"middle": seeds}, chosen)
    assert again == 0, "taking an edit back costs nothing"


@pytest.mark.parametrize("radius", [0.3, 0.2, None])
def test_a_change_is_computed_from_where_it_comes_into_reach(demo_weights, a_phantom, radius):
    """Going forward: slices that the changed prompt is out of reach of (SPS), and that come before it, stay."""
    reference, view = a_phantom.references["middle"], a_phantom.volume.view(Plane.AXIAL)
    mask = np.array(view.slice(reference, 14))
    seeds = [SeedSlice(Plane.AXIAL, view.order[time], mask) for time in (4, 20)]
    chosen = Settings(memory=VolumeMemory(radius=radius), direction="forward", roi=WHOLE)
    tracker = a_tracker_that_knows_nothing(demo_weights)
    runs(tracker, a_phantom.volume, {"middle": seeds}, chosen)
    changed = edited(seeds, seeds, "shrink", Plane.AXIAL, 1.0 if view.order[4] < view.order[20] else 0.0, a_phantom)
    _, encoded, tracked, _ = runs(tracker, a_phantom.volume, {"middle": changed}, chosen)
    assert encoded == 0
    # With a radius the nearest prompt stays even when it is out of reach: from time 13 on that is the one at 20.
    assert tracked == (len(range(5, 20)) if radius is None else len(range(13, 20)))


def test_forgetting_makes_room_and_changes_nothing(demo_weights, a_phantom):
    """With a tiny budget every slice is computed again; the answer is the same."""
    seeds = a_phantom.seeds("first-last", AXIAL)
    plenty = Segmenter(a_tracker_that_knows_nothing(demo_weights)).segment(Request.of(a_phantom.volume, seeds))
    tracker = a_tracker_that_knows_nothing(demo_weights)
    tracker.predictions.budget_bytes, tracker.predictions.overflow = 20_000, None
    for _ in range(2):
        scarce, _, tracked, steps = runs(tracker, a_phantom.volume, seeds, RECOMMENDED)
        assert_equal(plenty, scarce)
        assert tracked == steps[-1].done - 4 and tracker.predictions.bytes <= 20_000
