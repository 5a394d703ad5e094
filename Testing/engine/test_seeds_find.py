"""Which slices were painted: the seeds found in a mask must be the slices the user painted, on any grid."""

import hashlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.seeds import SeedSlice, find_seeds, paint_seeds, simulate_seeds, uncounted_ends
from SAM2VolumeSegLib.volume import Plane, Volume

SIZE = 34
storages = st.tuples(st.permutations(range(3)), st.tuples(*[st.sampled_from((-1, 1))] * 3))


def a_volume(shape=(SIZE, SIZE, SIZE), spacing=(1.0, 1.0, 1.0), order=(0, 1, 2), signs=(1, 1, 1), tilt=0.0):
    """A volume whose i, j, k run along the RAS axes ``order`` with ``signs``, tilted by some degrees."""
    matrix = np.eye(4)
    matrix[:3, :3] = 0
    for column, (ras, sign) in enumerate(zip(order, signs, strict=True)):
        matrix[ras, column] = sign * spacing[column]
    matrix[:3, :3] = Rotation.from_euler("xyz", [tilt, -tilt, tilt], degrees=True).as_matrix() @ matrix[:3, :3]
    return Volume(np.zeros(shape, dtype=np.int16), matrix)


def an_ellipsoid(radii, wall=None):
    """An ellipsoid in the middle of a cube of SIZE voxels; with ``wall`` a shell of that many voxels."""
    where = np.indices((SIZE,) * 3).reshape(3, -1) - (SIZE - 1) / 2
    solid = ((where.T / radii) ** 2).sum(axis=1) <= 1
    if wall:
        solid &= ((where.T / (np.array(radii) - wall)) ** 2).sum(axis=1) > 1
    return solid.reshape((SIZE,) * 3)


def cut(structure, volume, slices):
    return [SeedSlice(p, i, volume.view(p).slice(structure, i).copy()) for p, i in slices]


def names(seeds):
    return {(seed.plane, seed.index) for seed in seeds}


def unexplained(seeds, volume):
    """The seeds that hold a voxel which no other seed paints: only those can be found at all."""
    return {
        (seed.plane, seed.index)
        for seed in seeds
        if (
            seed.mask
            & ~volume.view(seed.plane).slice(paint_seeds([s for s in seeds if s is not seed], volume), seed.index)
        ).any()
    }


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    radii=st.tuples(*[st.floats(8, 16)] * 3),
    wall=st.sampled_from((None, 2.0)),
    spacing=st.tuples(*[st.floats(0.3, 5.0)] * 3),
    storage=storages,
    tilt=st.floats(-15, 15),
    picks=st.tuples(*[st.sets(st.integers(-4, 4), max_size=3)] * 3).filter(any),
)
def test_painted_slices_are_found_on_any_grid(radii, wall, spacing, storage, tilt, picks):
    """A line taken for a seed, or a painted slice missed, would send the model the wrong prompts."""
    volume = a_volume((SIZE,) * 3, spacing, *storage, tilt)
    slices = [(plane, SIZE // 2 + offset) for plane, offsets in zip(Plane, picks, strict=True) for offset in offsets]
    painted = cut(an_ellipsoid(radii, wall), volume, slices)
    mask = paint_seeds(painted, volume)
    found = find_seeds(mask, volume)
    assert names(found) == set(slices)
    for seed in found:
        assert (seed.mask == volume.view(seed.plane).slice(mask, seed.index)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.9), storages, st.tuples(*[st.integers(2, 9)] * 3))
def test_any_mask_is_explained_whole_and_without_spare_slices(random_seed, density, storage, shape):
    """A painted voxel on no seed would be lost without a word; a seed that others explain would count twice."""
    volume = a_volume(shape, (1.0, 1.0, 1.0), *storage)
    mask = np.random.default_rng(random_seed).random(shape) < density
    mask.flat[0] = True
    found = find_seeds(mask, volume)
    assert (paint_seeds(found, volume) == mask).all()
    if len({seed.plane for seed in found}) > 1:
        assert unexplained(found, volume) == names(found)


@pytest.mark.parametrize("strategy", ["middle", "first-middle-last", "uniform-7"])
@pytest.mark.parametrize("label", [21, 22, 23])
def test_seeds_cut_from_real_vertebrae_are_found(a_ct, a_ct_labels, label, strategy):
    """The first and last slices of a real bone are a few voxels large, and its processes are thin: still seeds."""
    painted = simulate_seeds(a_ct_labels == label, a_ct, strategy, tuple(Plane))
    mask = paint_seeds(painted, a_ct)
    found = names(find_seeds(mask, a_ct))
    assert found == unexplained(painted, a_ct)


@pytest.mark.parametrize("label", [21, 22, 23])
def test_an_end_of_a_real_vertebra_that_is_not_counted_is_named(a_ct, a_ct_labels, label):
    """It was dropped without a word: in 4 of 21 sets of nine slices, an end of a voxel or two was missing."""
    painted = simulate_seeds(a_ct_labels == label, a_ct, "first-middle-last", tuple(Plane))
    found = find_seeds(paint_seeds(painted, a_ct), a_ct)
    named = uncounted_ends(found, a_ct)
    assert names(found) | names(named) == names(painted)
    assert [(seed.plane, seed.index) for seed in named] == ([(Plane.SAGITTAL, 55)] if label == 21 else [])
    inside = simulate_seeds(a_ct_labels == label, a_ct, "quarters", tuple(Plane))
    assert not uncounted_ends(inside, a_ct), "no end was painted, so there is nothing to say"


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    storage=storages,
    tilt=st.floats(-15, 15),
    picks=st.tuples(*[st.sets(st.sampled_from((-13, -9, -4, -1, 0, 1, 4, 9, 13)), max_size=4)] * 3),
    tips=st.sets(st.tuples(st.integers(0, 2), st.sampled_from((-1, 1)))),
)
def test_what_is_said_of_uncounted_ends_is_true(storage, tilt, picks, tips):
    """An ellipsoid with tips of one voxel: what is named is an end, no seed, and whole on seeds of other planes."""
    volume = a_volume((SIZE,) * 3, (1.0, 1.0, 1.0), *storage, tilt)
    structure = an_ellipsoid((9, 10, 11))
    for axis, side in tips:
        tip = [SIZE // 2] * 3
        tip[axis] += side * 13
        structure[tuple(tip)] = True
    slices = [(plane, SIZE // 2 + offset) for plane, offsets in zip(Plane, picks, strict=True) for offset in offsets]
    mask = paint_seeds(cut(structure, volume, slices), volume)
    assume(mask.any())
    found = find_seeds(mask, volume)
    for end in uncounted_ends(found, volume):
        view = volume.view(end.plane)
        assert (end.plane, end.index) not in names(found)
        assert np.array_equal(end.mask, view.slice(mask, end.index)) and 1 <= np.count_nonzero(end.mask) <= 2
        others = paint_seeds([seed for seed in found if seed.plane is not end.plane], volume)
        assert not (end.mask & ~view.slice(others, end.index)).any()
        filled = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {view.axis})))
        assert end.index in (filled[0], filled[-1])
        assert (end.plane, filled[-1] if end.index == filled[0] else filled[0]) in names(found)


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
def test_a_painted_tip_on_another_painted_slice_is_named(signs):
    volume = a_volume(signs=signs)
    structure = an_ellipsoid((9, 10, 11))
    structure[3, 16, 16] = True
    first = np.flatnonzero(structure.any(axis=(1, 2)))[-1]
    seeds = cut(structure, volume, [(Plane.AXIAL, 3), (Plane.AXIAL, first), (Plane.CORONAL, 16), (Plane.SAGITTAL, 11)])
    found = find_seeds(paint_seeds(seeds, volume), volume)
    assert names(seeds) - names(found) == {(Plane.AXIAL, 3)} == names(uncounted_ends(found, volume))


def test_slices_of_a_bone_four_voxels_thick_are_found():
    """In a thin bone, the lines of six crossing slices hold more voxels than one of these slices: still only lines."""
    volume = a_volume()
    bone = np.zeros((SIZE,) * 3, dtype=bool)
    bone[10:14, 6:26, 6:26] = True
    slices = {(Plane.AXIAL, 10), (Plane.AXIAL, 11), (Plane.AXIAL, 13)}
    slices |= {(plane, index) for plane in (Plane.CORONAL, Plane.SAGITTAL) for index in (6, 15, 25)}
    assert names(find_seeds(paint_seeds(cut(bone, volume, slices), volume), volume)) == slices


def test_a_line_of_two_neighbouring_slices_is_still_a_line():
    """Painting two neighbouring axial slices must not turn every coronal slice that they cross into a seed."""
    volume = a_volume()
    slices = {(Plane.AXIAL, 16), (Plane.AXIAL, 17), (Plane.SAGITTAL, 12), (Plane.SAGITTAL, 13)}
    mask = paint_seeds(cut(an_ellipsoid((9, 12, 14)), volume, slices), volume)
    assert names(find_seeds(mask, volume)) == slices


def test_a_sphere_brush_paints_neighbouring_slices_of_one_plane():
    """A thick brush on one plane must give that plane's slices, not dozens of thin slices of the others."""
    volume = a_volume()
    slab = an_ellipsoid((12, 14, 13))
    slab[:, :, :14] = slab[:, :, 19:] = False
    assert names(find_seeds(slab, volume)) == {(Plane.SAGITTAL, index) for index in range(14, 19)}


@pytest.mark.parametrize(
    ("shape", "plane"), [((8, 8, 8), Plane.AXIAL), ((9, 7, 8), Plane.CORONAL), ((9, 9, 6), Plane.SAGITTAL)]
)
def test_a_filled_block_is_explained_by_one_plane(shape, plane):
    """A finished segmentation given as seeds must not be read as seeds on all slices of all three planes."""
    volume = a_volume()
    mask = np.zeros((SIZE,) * 3, dtype=bool)
    mask[tuple(slice(5, 5 + n) for n in shape)] = True
    found = find_seeds(mask, volume)
    assert {seed.plane for seed in found} == {plane}
    assert len(found) == min(shape)


def test_a_filled_real_bone_is_explained_by_one_plane(a_ct, a_ct_labels):
    """The same for a bone with processes, where single slices of another plane look cheap for what is left."""
    found = find_seeds(a_ct_labels == 22, a_ct)
    assert len({seed.plane for seed in found}) == 1


def test_what_is_painted_outside_the_cross_section_stays_painted():
    """The user painted more on the coronal slice than on the axial one it crosses: on both it is structure."""
    volume = a_volume()
    mask = np.zeros((SIZE,) * 3, dtype=bool)
    mask[16, 10:20, 10:20] = True
    mask[8:26, 15, 5:30] = True
    axial, coronal = find_seeds(mask, volume)
    assert (axial.plane, axial.index, coronal.plane, coronal.index) == (Plane.AXIAL, 16, Plane.CORONAL, 15)
    assert np.count_nonzero(axial.mask) == 10 * 10 + 15


def test_seeds_come_forward_along_each_plane():
    """Users read the list from inferior to superior, also where the slices are stored the other way round."""
    volume = a_volume(signs=(1, 1, -1))
    structure = an_ellipsoid((12, 12, 12))
    seeds = find_seeds(paint_seeds(cut(structure, volume, [(Plane.AXIAL, 10), (Plane.AXIAL, 20)]), volume), volume)
    assert [seed.index for seed in seeds] == [20, 10]


def test_an_empty_mask_says_what_to_paint():
    """Pressing the button before painting must explain what is missing."""
    with pytest.raises(InputError, match="Nothing is painted.*axial, coronal or sagittal"):
        find_seeds(np.zeros((SIZE,) * 3, dtype=bool), a_volume())


def test_a_mask_of_another_size_is_refused():
    """A mask of another CT would put the seeds anywhere."""
    with pytest.raises(InputError, match="5 x 4 x 3"):
        find_seeds(np.ones((3, 4, 5), dtype=bool), a_volume())


def test_a_painted_volume_takes_little_memory():
    """A CT of 512 x 512 x 400 given as painted everywhere took 9 GB and more than two minutes, without a word."""
    volume = a_volume((160, 160, 160))
    mask = np.ones((160, 160, 160), dtype=bool)
    mask[:, :3, :5] = False
    tracemalloc.start()
    found = find_seeds(mask, volume)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 160 and {seed.plane for seed in found} == {Plane.AXIAL}
    assert peak < 12 * mask.size  # 87 bytes a voxel when every voxel was a point


def test_the_answer_for_odd_masks_stays_what_it_was():
    """Noise, blobs and slices of blobs: the digest is that of the first version, which went through every voxel."""
    rng = np.random.default_rng(20)
    digest = hashlib.sha256()
    for number in range(120):
        shape = tuple(rng.integers(2, 30, 3))
        noise = rng.integers(0, 100, shape)
        for axis in range(3):  # whole numbers: no rounding decides a voxel on another processor
            noise = sum(np.roll(noise, step, axis) for step in range(1 + number % 5))
        blob = noise > np.sort(noise, axis=None)[noise.size * int(rng.integers(20, 90)) // 100]
        mask = blob.copy()
        if number % 3:
            mask[:] = False
            for axis in range(3):
                for position in rng.integers(0, shape[axis], rng.integers(0, 5)):
                    place = (slice(None),) * axis + (position,)
                    mask[place] = blob[place]
        mask.flat[0] = True
        found = find_seeds(mask, a_volume(shape))
        digest.update(repr([(seed.plane.value, seed.index) for seed in found]).encode())
    assert digest.hexdigest() == "3ab6a1561acc795d97999e18e11d7ddd6a889e8b1cd832096fb1af9123bcfdd9"
