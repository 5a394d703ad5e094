"""What the user painted is never changed, and neighbours do not run into each other."""

from itertools import combinations

import numpy as np
import pytest
from propagation_runs import AXIAL, mask_of, result_of

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation import Request, Segmenter, Settings
from SAM2VolumeSegLib.seeds import SeedSlice, add_absent, paint_seeds
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane


def slice_of(volume, mask, seed):
    return volume.view(seed.plane).slice(mask, seed.index)


def test_a_seeded_slice_keeps_the_mask_of_the_user(a_fast_tracker, a_phantom):
    """Also where the painting is wrong in the model's eyes: a hole, a square in the air."""
    volume, seeds = a_phantom.volume, a_phantom.seeds(planes=AXIAL)["middle"]
    odd = seeds[1].mask.copy()
    odd[10:14, 10:14], odd[2:6, 2:6] = False, True
    seeds = [seeds[0], SeedSlice(Plane.AXIAL, seeds[1].index, odd), seeds[2]]
    mask = mask_of(a_fast_tracker, volume, {"bone": seeds})
    for seed in seeds:
        np.testing.assert_array_equal(slice_of(volume, mask, seed), seed.mask)


def test_a_slice_that_is_declared_absent_stays_empty(a_fast_tracker, a_phantom):
    """On an axis of its own and on one that has no painted slices at all."""
    volume, seeds = a_phantom.volume, a_phantom.seeds(planes=AXIAL)["middle"]
    between = (seeds[0].index + seeds[1].index) // 2
    across = int(np.flatnonzero(a_phantom.references["middle"].any(axis=(0, 1)))[0])
    painted = paint_seeds(seeds, volume)
    painted[:, :, across] = False  # so that the sagittal declaration contradicts nothing
    cut = [SeedSlice(s.plane, s.index, volume.view(s.plane).slice(painted, s.index)) for s in seeds]
    declared = add_absent(cut, [(Plane.AXIAL, between), (Plane.SAGITTAL, across)], volume)
    mask = mask_of(a_fast_tracker, volume, {"bone": declared})
    assert not mask[between].any() and not mask[:, :, across].any()
    for seed in declared:
        np.testing.assert_array_equal(slice_of(volume, mask, seed), seed.mask)


def test_what_is_painted_on_one_plane_stays_where_another_plane_is_seeded(a_fast_tracker, a_phantom):
    """Axial seeds that a sagittal one crosses, which lacks their lines: nothing that was painted is taken away."""
    volume, seeds = a_phantom.volume, a_phantom.seeds("first-last", AXIAL)["middle"]
    across = SeedSlice(Plane.SAGITTAL, 14, np.zeros(volume.view(Plane.SAGITTAL).shape, dtype=bool))
    painted = paint_seeds(seeds, volume)
    assert painted[:, :, 14].any()
    assert mask_of(a_fast_tracker, volume, {"bone": [*seeds, across]})[painted].all()


def test_an_absent_slice_ends_a_single_seed_on_its_side_only(a_tracker, a_phantom):
    """Declaring where the bone ends must not cut off its other half."""
    volume, (seed,) = a_phantom.volume, a_phantom.seeds("middle", AXIAL)["middle"]
    free = mask_of(a_tracker, volume, {"bone": [seed]})
    ended = mask_of(a_tracker, volume, {"bone": add_absent([seed], [(Plane.AXIAL, seed.index + 3)], volume)})
    assert ended[: seed.index].any() and free[: seed.index].any()
    assert not ended[seed.index + 3 :].any()


def test_several_segments_each_get_a_result_and_neighbours_do_not_overlap(a_tracker, a_phantom):
    """L3 and L4 touch: a voxel in both would be counted twice, and Slicer's label map could not hold it."""
    names = ("above", "middle", "below")
    seeds = a_phantom.seeds("first-middle-last", AXIAL, names)
    result = result_of(a_tracker, a_phantom.volume, seeds)
    assert list(result.segments) == list(names)
    masks = {name: segment.mask for name, segment in result.segments.items()}
    shape = a_phantom.volume.voxels.shape
    claimed = [BoxMask(shape, one.box, one.logits > 0).whole() for one in result.segments.values()]
    assert any((one & other).any() for one, other in combinations(claimed, 2)), "nobody claims the same: a dull test"
    for one, other in combinations(names, 2):
        assert not (masks[one] & masks[other]).any()
    for name in names:
        for seed in seeds[name]:
            np.testing.assert_array_equal(slice_of(a_phantom.volume, masks[name], seed), seed.mask)


def test_a_contested_voxel_goes_to_the_higher_logit(a_tracker, a_phantom):
    names = ("above", "middle", "below")
    seeds = a_phantom.seeds("first-middle-last", AXIAL, names)
    # What is an island contests nothing, so here there are none.
    result = result_of(a_tracker, a_phantom.volume, seeds, Settings(drop_islands=False))
    painted = {name: paint_seeds(own, a_phantom.volume) for name, own in seeds.items()}
    seeded = [{seed.index for seed in own} for own in seeds.values()]
    free = np.ones(a_phantom.volume.voxels.shape, dtype=bool)
    free[list(set.union(*seeded))] = False
    for one, other in combinations(names, 2):
        first, second = result.segments[one], result.segments[other]
        full = [np.full(free.shape, -99, dtype=np.float32) for _ in range(2)]
        for array, segment in zip(full, (first, second), strict=True):
            array[segment.box.slices] = segment.logits
        both = free & (full[0] > 0) & (full[1] > 0) & ~painted[one] & ~painted[other]
        assert not (first.mask & both & (full[0] < full[1])).any()
        assert not (second.mask & both & (full[1] < full[0])).any()


def test_segments_whose_seeds_overlap_may_overlap(a_fast_tracker, a_phantom):
    """A bone and the whole spine are painted over each other on purpose."""
    reference = a_phantom.references["middle"]
    bone = a_phantom.seeds(planes=AXIAL)["middle"]
    both = {"bone": bone, "spine": [SeedSlice(s.plane, s.index, s.mask.copy()) for s in bone]}
    result = result_of(a_fast_tracker, a_phantom.volume, both)
    np.testing.assert_array_equal(result.segments["bone"].mask, result.segments["spine"].mask)
    assert (result.segments["bone"].mask & reference).any()


def test_the_order_of_the_segments_does_not_matter(a_fast_tracker, a_phantom):
    seeds = a_phantom.seeds("first-last", AXIAL, ("above", "middle"))
    one = result_of(a_fast_tracker, a_phantom.volume, seeds).segments
    other = result_of(a_fast_tracker, a_phantom.volume, dict(reversed(seeds.items()))).segments
    for name in seeds:
        np.testing.assert_array_equal(one[name].mask, other[name].mask)


def test_a_seed_that_touches_the_border(a_fast_tracker, a_phantom):
    """A vertebra cut by the field of view; first and last slices of the volume are seeds."""
    volume, reference = a_phantom.volume, a_phantom.references["above"]
    seeds = a_phantom.seeds("first-last", AXIAL, ("above",))
    assert reference[-1].any() and max(seed.index for seed in seeds["above"]) == volume.voxels.shape[0] - 1
    mask = mask_of(a_fast_tracker, volume, seeds)
    np.testing.assert_array_equal(mask[-1], reference[-1])
    corner = np.zeros(volume.view(Plane.AXIAL).shape, dtype=bool)
    corner[0, 0] = True
    mask = mask_of(a_fast_tracker, volume, {"corner": [SeedSlice(Plane.AXIAL, 0, corner)]}, Settings(margin_mm=0))
    np.testing.assert_array_equal(volume.view(Plane.AXIAL).slice(mask, 0), corner)


def a_seed(volume, index=14, shape=None):
    mask = np.zeros(shape or volume.view(Plane.AXIAL).shape, dtype=bool)
    mask[10:15, 10:15] = True
    return SeedSlice(Plane.AXIAL, index, mask)


def absent(volume):
    return SeedSlice(Plane.AXIAL, 3, np.zeros(volume.view(Plane.AXIAL).shape, dtype=bool))


@pytest.mark.parametrize(
    ("seeds", "settings", "message"),
    [
        (lambda v: {}, {}, "Nothing is painted"),
        (lambda v: {"L3": []}, {}, '"L3" is not painted on any slice'),
        (lambda v: {"L3": [a_seed(v)], "L4": [absent(v)]}, {}, '"L4" is not painted on any slice'),
        (lambda v: {"L3": [a_seed(v)]}, {"planes": ("coronal", "sagittal")}, '"L3" has no painted coronal, sagittal'),
        (lambda v: {"L3": [a_seed(v, 28)]}, {}, '"L3" .axial slice 28. does not lie on the grid of "phantom"'),
        (lambda v: {"L3": [a_seed(v, shape=(20, 28))]}, {}, '"L3".*does not lie on the grid'),
        (lambda v: {"L3": [a_seed(v)]}, {"roi": Box((40, 0, 0), (50, 9, 9))}, 'region of interest.*"phantom"'),
        (lambda v: {"L3": [a_seed(v)]}, {"roi": Box((0, 0, 0), (28, 5, 5))}, "outside the region of interest"),
    ],
    ids=["none", "empty", "absent only", "axis off", "index", "shape", "roi elsewhere", "seed outside roi"],
)
def test_nothing_to_propagate(a_fast_tracker, a_phantom, seeds, settings, message):
    """Before anything is encoded, in a sentence that names the segment."""
    with pytest.raises(InputError, match=message):
        next(Segmenter(a_fast_tracker).run(Request.of(a_phantom.volume, seeds(a_phantom.volume), Settings(**settings))))
    assert a_fast_tracker.encoded == 0
