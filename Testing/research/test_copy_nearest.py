"""The simplest baseline: what a voxel takes from which seed."""

import numpy as np

from SAM2VolumeSegLib.research.measures.copy_nearest import copy_nearest
from SAM2VolumeSegLib.research.measures.metrics import dice
from SAM2VolumeSegLib.seeds import SeedSlice, simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Volume


def a_volume(sign=1.0):
    return Volume(np.zeros((9, 6, 6), dtype=np.int16), np.diag([1.0, 1.0, 2.0 * sign, 1.0]))


def square(index, size, plane=Plane.AXIAL, shape=(6, 6)):
    mask = np.zeros(shape, dtype=bool)
    mask[:size, :size] = True
    return SeedSlice(plane, index, mask)


def areas(mask):
    return mask.sum(axis=(1, 2)).tolist()


def test_a_slice_takes_the_nearest_mask_and_nothing_lies_beyond():
    """Two equally near: the one behind."""
    seeds = [square(7, 3), square(1, 2), square(5, 1)]
    assert areas(copy_nearest(seeds, a_volume())) == [0, 4, 4, 4, 1, 1, 1, 9, 0]


def test_the_storage_order_does_not_decide_between_equally_near_ones():
    upright = copy_nearest([square(1, 2), square(5, 1)], a_volume())
    flipped = copy_nearest([square(7, 2), square(3, 1)], a_volume(sign=-1))
    assert areas(upright) == areas(flipped)[::-1] == [0, 4, 4, 4, 1, 1, 0, 0, 0]


def test_an_absent_slice_is_copied_as_well():
    seeds = [square(1, 2), SeedSlice(Plane.AXIAL, 4, np.zeros((6, 6), dtype=bool)), square(7, 2)]
    assert areas(copy_nearest(seeds, a_volume())) == [0, 4, 4, 0, 0, 0, 4, 4, 0]


def test_of_several_planes_the_nearest_in_mm_decides():
    """Axial slices are 2 mm apart, sagittal ones 1 mm."""
    empty = [SeedSlice(Plane.SAGITTAL, index, np.zeros((9, 6), dtype=bool)) for index in (0, 5)]
    mask = copy_nearest([square(1, 6), square(7, 6), *empty], a_volume())
    assert mask[4].any() == 0  # 6 mm from an axial seed, at most 2 mm from a sagittal one
    assert mask[2].all(axis=0).tolist() == [False, False, True, True, False, False]  # 2 mm: the axial one first
    assert mask[1].all()


def test_real_vertebra(a_ct, a_ct_labels):
    """A strong baseline from nine slices, so that beating it means something (measured: 0.79)."""
    reference = a_ct_labels == 22
    seeds = simulate_seeds(reference, a_ct, "first-middle-last", tuple(Plane))
    result = copy_nearest(seeds, a_ct)
    assert dice(result, reference) > 0.75
    for seed in seeds:
        assert (a_ct.view(seed.plane).slice(result, seed.index) == seed.mask).all()
