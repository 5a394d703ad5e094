"""Each slice is encoded once, and never taken from another run's embeddings."""

from dataclasses import replace

import numpy as np
import pytest
from propagation_runs import AXIAL, BETWEEN, result_of
from rounding import ROUNDING

from SAM2VolumeSegLib.propagation import Request, Segmenter, Settings
from SAM2VolumeSegLib.volume import Box, Volume


def slices_between(seeds):
    """The slices from the first to the last seed of any segment on each plane."""
    spans = {}
    for own in seeds.values():
        for seed in own:
            spans.setdefault(seed.plane, []).append(seed.index)
    return sum(max(indices) - min(indices) + 1 for indices in spans.values())


def test_each_slice_is_encoded_once_whatever_directions_segments_and_passes(a_fast_tracker, a_phantom):
    """Twice the slices would be twice the waiting: the encoder takes most of the time."""
    seeds = a_phantom.seeds(names=("middle", "above"))
    result_of(a_fast_tracker, a_phantom.volume, seeds, replace(BETWEEN, passes=2))
    assert a_fast_tracker.encoded == slices_between(seeds)


def test_a_second_run_encodes_nothing(a_fast_tracker, a_phantom):
    """The run after a correction is the one that a user waits for most often."""
    seeds = a_phantom.seeds(planes=AXIAL)
    result_of(a_fast_tracker, a_phantom.volume, seeds)
    encoded = a_fast_tracker.encoded
    first_of_the_name = Volume(a_phantom.volume.voxels.copy(), a_phantom.volume.ijk_to_ras, "loaded again")
    result_of(a_fast_tracker, first_of_the_name, seeds, Settings(direction="backward"))
    assert a_fast_tracker.encoded == encoded


@pytest.mark.parametrize(
    "change",
    [
        {"window": "soft tissue"},
        {"window": (-100.0, 900.5)},
        {"window": "min-max"},
        {"clahe": True},
        {"margin_mm": 4.0},
        {"roi": Box((2, 2, 2), (28, 28, 26))},
    ],
    ids=str,
)
def test_another_window_or_crop_is_encoded_anew(a_fast_tracker, a_phantom, change):
    """A hit would show the model the old picture: the user's change would do nothing."""
    seeds = a_phantom.seeds("first-last", AXIAL)
    settings = BETWEEN
    result_of(a_fast_tracker, a_phantom.volume, seeds, settings)
    encoded = a_fast_tracker.encoded
    result_of(a_fast_tracker, a_phantom.volume, seeds, replace(settings, **change))
    assert a_fast_tracker.encoded == 2 * encoded


def test_another_volume_is_encoded_anew(a_fast_tracker, a_phantom):
    """Same name, same grid, one voxel of another intensity: it is not the same CT."""
    volume, seeds = a_phantom.volume, a_phantom.seeds("first-last", AXIAL)
    result_of(a_fast_tracker, volume, seeds, BETWEEN)
    encoded = a_fast_tracker.encoded
    voxels = volume.voxels.copy()
    voxels[14, 14, 14] += 1
    result_of(a_fast_tracker, Volume(voxels, volume.ijk_to_ras, volume.name), seeds, BETWEEN)
    moved = volume.ijk_to_ras.copy()
    moved[2, 2] = 2.5
    result_of(a_fast_tracker, Volume(volume.voxels, moved, volume.name), seeds, BETWEEN)
    assert a_fast_tracker.encoded == 3 * encoded


def test_the_other_planes_share_nothing(a_fast_tracker, a_phantom):
    """Axial slice 5 and coronal slice 5 of a cube have the same index and the same size."""
    for planes in (("axial",), ("coronal",), ("sagittal",)):
        before = a_fast_tracker.encoded
        seeds = a_phantom.seeds("first-last")
        result_of(a_fast_tracker, a_phantom.volume, seeds, replace(BETWEEN, planes=planes))
        own = {"middle": [seed for seed in seeds["middle"] if seed.plane.value == planes[0]]}
        assert a_fast_tracker.encoded - before == slices_between(own)


def test_a_crop_for_each_segment_is_encoded_for_each(a_fast_tracker, a_phantom):
    """Otherwise "each" would show one segment the crop of another."""
    seeds = a_phantom.seeds("first-last", AXIAL, ("middle", "above"))
    result_of(a_fast_tracker, a_phantom.volume, seeds, replace(BETWEEN, crop="each"))
    assert a_fast_tracker.encoded == sum(slices_between({name: own}) for name, own in seeds.items())


@pytest.mark.parametrize("budget", [0, 100_000], ids=["one slice", "three slices"])
def test_a_tiny_budget_gives_the_same_result(a_fast_tracker, a_phantom, budget):
    """On a small machine the run is slower, not different: other batches, and so other rounding, at most."""
    seeds = a_phantom.seeds(planes=AXIAL)
    plenty = result_of(a_fast_tracker, a_phantom.volume, seeds).segments["middle"]
    encoded = a_fast_tracker.encoded
    a_fast_tracker.forget()
    a_fast_tracker.cache.budget_bytes, a_fast_tracker.cache.overflow = budget, None
    scarce = result_of(a_fast_tracker, a_phantom.volume, seeds).segments["middle"]
    assert a_fast_tracker.encoded > 2 * encoded, "nothing was evicted: nothing is tested"
    assert a_fast_tracker.cache.bytes <= max(budget, 32768)
    np.testing.assert_allclose(scarce.logits, plenty.logits, atol=ROUNDING)


def test_what_memory_has_no_room_for_is_read_from_the_disk(a_fast_tracker, a_phantom):
    """Encoding again takes a hundred times as long as reading."""
    seeds = a_phantom.seeds(planes=AXIAL)
    plenty = result_of(a_fast_tracker, a_phantom.volume, seeds).segments["middle"]
    encoded = a_fast_tracker.encoded
    a_fast_tracker.forget()
    a_fast_tracker.cache.budget_bytes = a_fast_tracker.predictions.budget_bytes = 100_000
    scarce = result_of(a_fast_tracker, a_phantom.volume, seeds).segments["middle"]
    assert a_fast_tracker.encoded == 2 * encoded and len(a_fast_tracker.cache.overflow) > 0
    np.testing.assert_array_equal(scarce.logits, plenty.logits)
    result_of(a_fast_tracker, a_phantom.volume, seeds)
    assert a_fast_tracker.encoded == 2 * encoded and len(a_fast_tracker.predictions.overflow) > 0


def test_cancelled_work_is_not_lost(a_fast_tracker, a_phantom):
    """A user who cancels and starts again goes on from the embeddings that are there."""
    seeds = a_phantom.seeds(planes=AXIAL)
    run = Segmenter(a_fast_tracker).run(Request.of(a_phantom.volume, seeds, BETWEEN))
    for _ in range(12):
        next(run)
    run.close()
    assert 0 < a_fast_tracker.encoded
    result_of(a_fast_tracker, a_phantom.volume, seeds, BETWEEN)
    assert a_fast_tracker.encoded == slices_between(seeds)
