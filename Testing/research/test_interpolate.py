"""The baseline without a model must be as strong as plain interpolation gets, or beating it means nothing."""

import numpy as np
import pytest

from SAM2VolumeSegLib.research.measures.interpolate import interpolate_seeds
from SAM2VolumeSegLib.research.measures.metrics import dice
from SAM2VolumeSegLib.seeds import SeedSlice, paint_seeds, simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Volume


@pytest.fixture
def a_volume():
    return Volume(np.zeros((30, 32, 36), dtype=np.int16), np.diag([1.0, 0.8, 1.5, 1.0]))


@pytest.fixture
def an_egg(a_volume):
    where = np.indices(a_volume.voxels.shape).reshape(3, -1).T - (14.5, 15.5, 17.5)
    return (((where / (11, 13, 15)) ** 2).sum(axis=1) <= 1).reshape(a_volume.voxels.shape)


def test_real_vertebrae_from_three_slices_per_plane(a_ct, a_ct_labels):
    """A broken distance, weight or direction drops these scores (measured: 0.81, 0.78, 0.81)."""
    for label in (21, 22, 23):
        reference = a_ct_labels == label
        seeds = simulate_seeds(reference, a_ct, "first-middle-last", tuple(Plane))
        assert dice(interpolate_seeds(seeds, a_ct), reference) > 0.76


def test_more_seeds_are_better(a_volume, an_egg):
    """With nine slices per plane hardly anything is left to guess."""
    scores = [
        dice(interpolate_seeds(simulate_seeds(an_egg, a_volume, strategy, tuple(Plane)), a_volume), an_egg)
        for strategy in ("first-middle-last", "uniform-5", "uniform-9")
    ]
    assert scores == sorted(scores)
    assert scores[-1] > 0.97


def test_seeded_slices_keep_what_the_user_painted(a_volume, an_egg):
    """What the user painted is never changed, whatever the other planes say."""
    seeds = simulate_seeds(an_egg, a_volume, "uniform-5", tuple(Plane))
    result = interpolate_seeds(seeds, a_volume)
    for seed in seeds:
        assert (a_volume.view(seed.plane).slice(result, seed.index) == seed.mask).all()


def test_nothing_grows_beyond_the_first_and_last_seed(a_volume, an_egg):
    """The user who painted slices 10 to 20 said nothing about slice 21."""
    view = a_volume.view(Plane.AXIAL)
    seeds = [SeedSlice(Plane.AXIAL, k, view.slice(an_egg, k).copy()) for k in (20, 10)]
    result = interpolate_seeds(seeds, a_volume)
    assert result[10:21].any(axis=(1, 2)).all()
    assert not result[:10].any()
    assert not result[21:].any()


def test_a_single_seed_stays_a_single_slice(a_volume, an_egg):
    """There is nothing to interpolate with, and no error."""
    seeds = simulate_seeds(an_egg, a_volume, "middle")
    assert (interpolate_seeds(seeds, a_volume) == paint_seeds(seeds, a_volume)).all()


def test_the_structure_ends_on_the_way_to_an_absent_slice(a_volume, an_egg):
    """An empty slice has no outline to measure from; it must neither crash nor let the structure reach it."""
    view = a_volume.view(Plane.AXIAL)
    empty = SeedSlice(Plane.AXIAL, 24, np.zeros(view.shape, dtype=bool))
    result = interpolate_seeds([SeedSlice(Plane.AXIAL, 14, view.slice(an_egg, 14).copy()), empty], a_volume)
    assert np.flatnonzero(result.any(axis=(1, 2))).tolist() == list(range(14, 19))


def test_the_result_does_not_depend_on_the_storage_order(a_volume, an_egg):
    """The same CT stored the other way round must give the same baseline."""
    flipped = Volume(a_volume.voxels[::-1], a_volume.ijk_to_ras @ np.diag([1, 1, -1, 1]))
    here = interpolate_seeds(simulate_seeds(an_egg, a_volume, "uniform-5", tuple(Plane)), a_volume)
    there = interpolate_seeds(simulate_seeds(an_egg[::-1], flipped, "uniform-5", tuple(Plane)), flipped)
    assert (here == there[::-1]).all()
