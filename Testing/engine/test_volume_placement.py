"""Seeds stored in another orientation, cropped or extended, are the same voxels; anything else is another grid."""

import re
from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume import Segment, Volume, read_seeds, write_segmentation
from SAM2VolumeSegLib.volume.placement import Placement

SHAPE = (5, 6, 7)
ORIENTATIONS = [(axes, flips) for axes in permutations(range(3)) for flips in product((False, True), repeat=3)]
"""All 48 ways to store the same voxels: which axis (i, j, k) comes first, second, third, and which run backwards."""


def a_volume(angles=(10, -20, 30), spacing=(0.7, 0.8, 2.5), origin=(40.0, -60.0, 812.5), signs=(-1, 1, 1)):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * spacing * signs
    matrix[:3, 3] = origin
    return Volume(np.zeros(SHAPE, dtype=np.int16), matrix, "ct")


def stored(mask, volume, axes=(0, 1, 2), flips=(False,) * 3, first=(0, 0, 0), size=SHAPE[::-1]):
    """The piece of ``size`` (i, j, k) from voxel ``first`` on, its axes reordered: array [k, j, i] and IJK to RAS.

    Written voxel by voxel, as nothing else here is: the stored voxel (a, b, c) is some voxel (i, j, k) of the volume.
    """
    to_volume = np.zeros((4, 4))
    to_volume[3, 3] = 1
    to_volume[:3, 3] = first
    for own, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
        to_volume[axis, own] = -1 if flip else 1
        to_volume[axis, 3] += size[axis] - 1 if flip else 0
    result = np.zeros([size[axis] for axis in axes][::-1], dtype=mask.dtype)
    for c, b, a in np.ndindex(result.shape):
        i, j, k = (to_volume @ (a, b, c, 1))[:3].astype(int)
        inside = all(0 <= n < m for n, m in zip((k, j, i), mask.shape, strict=True))
        result[c, b, a] = mask[k, j, i] if inside else 0
    return result, volume.ijk_to_ras @ to_volume


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    orientation=st.sampled_from(ORIENTATIONS),
    first=st.tuples(*[st.integers(-4, 2)] * 3),
    beyond=st.tuples(*[st.integers(-2, 4)] * 3),
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 5.0)] * 3),
    signs=st.sampled_from(((1, 1, 1), (-1, 1, 1), (-1, -1, 1))),
    random_seed=st.integers(0, 2**32 - 1),
)
def test_a_piece_of_the_lattice_in_any_storage_order_is_put_on_its_own_voxels(
    orientation, first, beyond, angles, spacing, signs, random_seed
):
    """Labels saved as LPS, PIR, cropped or padded by another program seed the voxels that were painted."""
    volume = a_volume(angles, spacing, signs=signs)
    lower = np.array(first)
    upper = np.array(SHAPE[::-1]) + beyond
    mask = np.random.default_rng(random_seed).random(SHAPE) < 0.3
    inside = np.zeros(SHAPE, dtype=bool)
    inside[tuple(slice(max(0, a), b) for a, b in zip(lower[::-1], upper[::-1], strict=True))] = True
    mask &= inside
    labels, ijk_to_ras = stored(mask, volume, *orientation, tuple(lower), tuple(upper - lower))
    placement = Placement.of(labels.shape, ijk_to_ras, volume, "labels")
    np.testing.assert_array_equal(placement.put(labels, "bone"), mask)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    orientation=st.sampled_from(ORIENTATIONS),
    fault=st.sampled_from(("half a voxel", "turned", "spacing", "sheared")),
    axis=st.integers(0, 2),
)
def test_a_near_miss_is_refused_in_every_orientation(orientation, fault, axis):
    """Half a voxel off or a little turned is another grid: painted voxels would land beside where they were painted."""
    volume = a_volume()
    labels, ijk_to_ras = stored(np.ones(SHAPE, dtype=bool), volume, *orientation)
    if fault == "half a voxel":
        ijk_to_ras[:3, 3] += ijk_to_ras[:3, axis] / 2
    elif fault == "turned":
        ijk_to_ras[:3, :3] = Rotation.from_euler("xyz"[axis], 4, degrees=True).as_matrix() @ ijk_to_ras[:3, :3]
    elif fault == "spacing":
        ijk_to_ras[:3, axis] *= 1.05
    else:
        ijk_to_ras[:3, axis] += 0.05 * ijk_to_ras[:3, (axis + 1) % 3]
    with pytest.raises(InputError, match="is not the grid of") as error:
        Placement.of(labels.shape, ijk_to_ras, volume, "labels")
    # What differs is said in the CT's own order: no size, and never "180 degrees" for a flip.
    said = {
        "half a voxel": "apart",
        "turned": "turned by up to [1-4]",
        "spacing": "spacing",
        "sheared": "degrees|apart",
    }
    assert error.match(said[fault])
    assert "size" not in str(error.value) and not re.search(r"turned by up to \d{3}", str(error.value))


@pytest.mark.parametrize("code", ["LPS", "RAS", "RPI", "SAR", "PIR"])
@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd"])
def test_label_images_that_another_program_reoriented(tmp_path, code, suffix):
    """Converters store labels in the orientation they like, beside a CT that keeps its own."""
    volume = a_volume(angles=(4, -3, 5))
    mask = np.random.default_rng(0).random(SHAPE) < 0.3
    write_segmentation(tmp_path / "straight.nii.gz", volume, [Segment("label 1", mask)], {})
    image = sitk.DICOMOrient(sitk.ReadImage(str(tmp_path / "straight.nii.gz")), code)
    sitk.WriteImage(image, str(tmp_path / f"labels.{suffix}"))
    np.testing.assert_array_equal(read_seeds(tmp_path / f"labels.{suffix}", volume)["label 1"].mask, mask)


@pytest.mark.parametrize("axis", range(3))
def test_a_seg_nrrd_in_another_orientation(tmp_path, axis):
    volume = a_volume()
    mask = np.random.default_rng(0).random(SHAPE) < 0.3
    axes, flips = ORIENTATIONS[7 + 16 * axis]
    labels, ijk_to_ras = stored(mask, volume, axes, flips)
    write_segmentation(
        tmp_path / "seeds.seg.nrrd", Volume(np.zeros(labels.shape), ijk_to_ras), [Segment("bone", labels)], {}
    )
    np.testing.assert_array_equal(read_seeds(tmp_path / "seeds.seg.nrrd", volume)["bone"].mask, mask)
