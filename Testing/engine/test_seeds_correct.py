"""Slices of a corrected result become seeds: exactly as corrected, and nothing else that was painted changes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_seeds_find import SIZE, a_volume, an_ellipsoid, cut, storages

from SAM2VolumeSegLib.seeds import SeedSlice, correct_seeds, find_seeds, paint_seeds
from SAM2VolumeSegLib.volume import Plane

places = st.tuples(st.sampled_from(list(Plane)), st.integers(8, SIZE - 9))


def by_place(seeds):
    return {(seed.plane, seed.index): seed.mask for seed in seeds}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    storage=storages,
    painted=st.sets(places, min_size=1, max_size=5),
    corrected=st.lists(places, min_size=1, max_size=3, unique=True),
    random_seed=st.integers(0, 2**32 - 1),
)
def test_corrected_slices_replace_what_was_painted_on_any_grid(storage, painted, corrected, random_seed):
    """A correction that is changed, lost or put elsewhere would have the user correct the same slice again."""
    volume = a_volume((SIZE,) * 3, (1.0, 0.7, 2.0), *storage)
    seeds = find_seeds(paint_seeds(cut(an_ellipsoid((12, 14, 13)), volume, painted), volume), volume)
    rng = np.random.default_rng(random_seed)
    corrections = [SeedSlice(p, i, rng.random(volume.view(p).shape) < 0.2) for p, i in corrected]
    expected = paint_seeds(seeds, volume)
    for one in corrections:  # as the panel copies slices, one after the other
        volume.view(one.plane).slice(expected, one.index)[...] = one.mask
    found = correct_seeds(seeds, corrections, volume)
    np.testing.assert_array_equal(paint_seeds(found, volume), expected)
    assert by_place(found).keys() == by_place(seeds).keys() | set(corrected)
    for (plane, index), mask in by_place(found).items():
        np.testing.assert_array_equal(mask, volume.view(plane).slice(expected, index))
    assert (by_place(found)[corrected[-1]] == corrections[-1].mask).all()
    order = [(list(Plane).index(one.plane), volume.view(one.plane).order.index(one.index)) for one in found]
    assert order == sorted(order)


def test_a_corrected_slice_counts_however_small():
    """One voxel that lies on a painted slice of another plane is no seed by itself: here the user said so."""
    volume = a_volume()
    seeds = cut(an_ellipsoid((9, 12, 14)), volume, [(Plane.CORONAL, 16)])
    tip = np.zeros((SIZE, SIZE), dtype=bool)
    tip[17, 16] = True
    index = SIZE - 1 - 17 if volume.view(Plane.SAGITTAL).order.step > 0 else 17
    found = correct_seeds(seeds, [SeedSlice(Plane.SAGITTAL, index, tip)], volume)
    assert [(seed.plane, seed.index) for seed in found] == [(Plane.CORONAL, 16), (Plane.SAGITTAL, index)]


def test_a_seed_of_which_a_correction_leaves_nothing_is_none():
    """It would say that the structure is absent on its slice, and nobody said that."""
    volume = a_volume()
    line = np.zeros((SIZE,) * 3, dtype=bool)
    line[16, 10, 5:9] = True  # on one coronal and one axial slice
    seeds = cut(line, volume, [(Plane.CORONAL, 10)])
    erased = SeedSlice(Plane.AXIAL, 16, np.zeros((SIZE, SIZE), dtype=bool))
    erased.mask[0, 0] = True
    assert [seed.plane for seed in correct_seeds(seeds, [erased], volume)] == [Plane.AXIAL]
