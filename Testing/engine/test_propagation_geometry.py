"""The answer depends on the patient, not on how the CT is stored, cut or cropped."""

import numpy as np
import pytest
import SimpleITK as sitk
from propagation_runs import AXIAL, PLANES, SIZE, mask_of, result_of
from scipy.ndimage import binary_dilation, binary_erosion
from scipy.spatial.transform import Rotation

from SAM2VolumeSegLib.propagation import Settings
from SAM2VolumeSegLib.propagation.pictures import Intensities, PlanePictures
from SAM2VolumeSegLib.research.measures.metrics import dice
from SAM2VolumeSegLib.seeds import paint_seeds, simulate_seeds
from SAM2VolumeSegLib.volume import Box, Plane, Volume, Window, read_volume


def differing(mask, expected):
    """Voxels that differ, as a share of the structure."""
    return np.count_nonzero(mask ^ expected) / np.count_nonzero(expected)


def test_the_storage_order_of_a_real_ct_does_not_matter(a_fast_tracker, sample_ct_folder, tmp_path):
    """PIR, LPS and RAS files of one patient have to give one answer."""
    masks = {}
    for code in ("PIR", "LPS", "RAS"):
        images = []
        for name in ("sub-ct_label-22_ct.nii.gz", "sub-ct_seg-vert_label-22_msk.nii.gz"):
            images.append(sitk.DICOMOrient(sitk.ReadImage(str(sample_ct_folder / name)), code))
        sitk.WriteImage(images[0], str(tmp_path / f"{code}.nrrd"))
        volume = read_volume(tmp_path / f"{code}.nrrd")
        seeds = simulate_seeds(sitk.GetArrayFromImage(images[1]) == 22, volume, "first-last", PLANES)
        mask = mask_of(a_fast_tracker, volume, {"L3": seeds}, Settings(direction="forward"))
        mask = sitk.GetImageFromArray(mask.astype(np.uint8))
        mask.CopyInformation(images[0])
        masks[code] = sitk.GetArrayFromImage(sitk.DICOMOrient(mask, "RAS")) > 0
    assert masks["RAS"].sum() > 2 * paint_seeds(seeds, volume).sum()
    for code in ("PIR", "LPS"):
        assert differing(masks[code], masks["RAS"]) < 1e-3


def stored_otherwise(volume, mask, axes, flips):
    """The same patient with other array axes: a volume and a mask."""
    corner = [n - 1 if flip else 0 for n, flip in zip(volume.voxels.shape, flips, strict=True)]
    order = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
    matrix = volume.ijk_to_ras.copy()
    matrix[:3, 3] = (volume.ijk_to_ras @ [*corner[::-1], 1])[:3]
    columns = [volume.ijk_to_ras[:3, 2 - axis] * (-1 if flips[axis] else 1) for axis in axes]
    for number, column in enumerate(columns):
        matrix[:3, 2 - number] = column
    return Volume(volume.voxels[order].transpose(axes), matrix), mask[order].transpose(axes)


@pytest.mark.parametrize("clahe", [False, True], ids=["window", "clahe"])
@pytest.mark.parametrize(
    ("axes", "flips"), [((2, 0, 1), (1, 0, 1)), ((0, 1, 2), (0, 0, 1))], ids=["permuted", "left-handed"]
)
def test_the_storage_order_of_an_anisotropic_phantom_does_not_matter(a_fast_tracker, a_phantom, clahe, axes, flips):
    """CLAHE counts its tiles from a corner: from the stored one, the result would change with the file."""
    matrix = np.diag([2.0, 1.5, 3.0, 1.0])
    volume = Volume(a_phantom.volume.voxels[:26], matrix)
    reference = a_phantom.references["middle"][:26]
    settings = Settings(clahe=clahe)
    seeds = simulate_seeds(reference, volume, "first-last", PLANES)
    mask_painted = paint_seeds(seeds, volume)
    expected = mask_of(a_fast_tracker, volume, {"L3": seeds}, settings)
    other, moved = stored_otherwise(volume, reference, axes, flips)
    mask = mask_of(a_fast_tracker, other, {"L3": simulate_seeds(moved, other, "first-last", PLANES)}, settings)
    assert differing(mask, stored_otherwise(volume, expected, axes, flips)[1]) < 1e-3
    assert expected.sum() > 1.5 * mask_painted.sum()


def test_an_oblique_volume_gives_what_the_upright_one_gives(a_fast_tracker, a_phantom):
    """A tilted patient is the same patient; only which plane is called axial could change."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", (12, -20, 17), degrees=True).as_matrix() * 2.0
    tilted = Volume(a_phantom.volume.voxels, matrix)
    seeds = a_phantom.seeds("first-last")
    expected = mask_of(a_fast_tracker, a_phantom.volume, seeds)
    assert differing(mask_of(a_fast_tracker, tilted, seeds), expected) < 1e-3


def test_thick_slices(a_tracker, a_phantom):
    """Every third slice, 6 mm apart: all three axes run and help."""
    volume = Volume(a_phantom.volume.voxels[::3], np.diag([2.0, 2.0, 6.0, 1.0]))
    reference = a_phantom.references["middle"][::3]
    seeds = {"L3": simulate_seeds(reference, volume, "first-middle-last", PLANES)}
    result = result_of(a_tracker, volume, seeds).segments["L3"]
    assert set(result.confidence) == set(PLANES)
    assert dice(result.mask, reference) > dice(paint_seeds(seeds["L3"], volume), reference) + 0.02


def test_a_volume_smaller_than_the_margin_of_the_crop(a_tracker, a_phantom):
    """The crop ends where the volume does; around it the model sees air."""
    small = (slice(8, 20), slice(8, 17), slice(8, 18))
    volume = Volume(a_phantom.volume.voxels[small], a_phantom.volume.ijk_to_ras)
    reference = a_phantom.references["middle"][small]
    seeds = {"L3": simulate_seeds(reference, volume, "first-last", PLANES)}
    result = result_of(a_tracker, volume, seeds, Settings(margin_mm=500.0)).segments["L3"]
    assert result.mask.shape == volume.voxels.shape and result.box == Box.whole(volume)
    assert dice(result.mask, reference) > dice(paint_seeds(seeds["L3"], volume), reference)


def test_the_smallest_volume_there_is(a_tracker):
    """Two voxels each way: nothing to carry, nothing to crash on."""
    volume = Volume(np.array([[[-1000, 400], [400, 900]]] * 2), np.diag([1.0, 1.0, 5.0, 1.0]))
    seeds = {"dot": simulate_seeds(volume.voxels > 500, volume, "middle", AXIAL)}
    mask = mask_of(a_tracker, volume, seeds)
    assert mask[seeds["dot"][0].index].sum() == 1


def test_nothing_is_segmented_outside_of_a_region_of_interest(a_tracker, a_phantom):
    """The user's box bounds the picture and how far an axis goes on beyond its seed."""
    roi = Box((8, 0, 4), (22, 28, 99))
    seeds = a_phantom.seeds("middle", AXIAL)
    result = result_of(a_tracker, a_phantom.volume, seeds, Settings(roi=roi)).segments["middle"]
    outside = np.ones(result.mask.shape, dtype=bool)
    outside[8:22, :, 4:] = False
    painted = paint_seeds(seeds["middle"], a_phantom.volume)
    assert not (result.mask & outside & ~painted).any()
    assert result.mask[painted].all() and set(result.confidence[Plane.AXIAL]) <= set(range(8, 22))


def test_the_crop_changes_what_the_model_sees_not_where_it_answers(a_tracker, a_phantom):
    """A shift by the crop's corner would be a Dice of nearly zero."""
    reference, seeds = a_phantom.references["middle"], a_phantom.seeds(planes=AXIAL)
    painted = dice(paint_seeds(seeds["middle"], a_phantom.volume), reference)
    for settings in (Settings(margin_mm=0), Settings(margin_mm=6), Settings(crop="each")):
        result = result_of(a_tracker, a_phantom.volume, seeds, settings).segments["middle"]
        assert result.logits.shape == tuple(b - a for a, b in zip(result.box.lower, result.box.upper, strict=True))
        assert dice(result.mask, reference) > painted
    assert a_tracker.plan.image_size == SIZE


@pytest.mark.parametrize("shape", [(8, 37, 512), (8, 512, 37)])
def test_long_narrow_slices_keep_everything_in_place(shape):
    """A CT of 512 x 37 voxels a slice, 0.7 x 0.8 x 3 mm: into the model and back, in each plane."""
    volume = Volume(np.zeros(shape, np.int16), np.diag([-0.7, -0.8, 3.0, 1.0]))
    mask = np.zeros(shape, dtype=bool)
    mask[2:5, shape[1] // 4 : shape[1] // 2, shape[2] // 2 : shape[2] * 3 // 4] = True
    everything = Box((0, 0, 0), shape)
    intensities = Intensities(volume, Window.named("bone"), clahe=False)
    for plane in Plane:
        pictures = PlanePictures(intensities, plane, everything, 2048)
        index = int(np.argmax(mask.any(axis=tuple({0, 1, 2} - {pictures.view.axis}))))
        on_slice = pictures.view.slice(mask, index)
        seen = pictures.mask_to_model(on_slice).reshape(512, 4, 512, 4).mean((1, 3))
        back = pictures.logits_from_model((seen - 0.5).astype(np.float32)) > 0
        # A pixel of the logits is up to 0.8 mm here, about a voxel: only the border can change.
        border = on_slice ^ binary_erosion(on_slice) | binary_dilation(on_slice) & ~on_slice
        assert on_slice.any() and not ((back ^ on_slice) & ~border).any()
