"""Reading a CT: files, DICOM folders, and the words for what cannot be used."""

import zipfile

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import upright, write_series
from scipy.spatial.transform import Rotation

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume import Plane, read_volume

OBLIQUE = Rotation.from_euler("xyz", (10, -20, 30), degrees=True).as_matrix()


def an_image(shape_kji=(4, 5, 6), direction=OBLIQUE, spacing=(0.7, 0.8, 2.5)) -> sitk.Image:
    voxels = np.random.default_rng(3).integers(-1000, 2000, size=shape_kji).astype(np.int16)
    image = sitk.GetImageFromArray(voxels, isVector=False)
    if image.GetDimension() == 3:
        image.SetDirection(np.ravel(direction))
        image.SetSpacing(spacing)
        image.SetOrigin((-11.0, 22.0, -333.0))
    return image


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.nii.gz", "ct.nii", "ct.mha"])
def test_files_keep_voxels_and_geometry(tmp_path, name):
    """SimpleITK is LPS; a forgotten sign would mirror the patient."""
    image = an_image()
    sitk.WriteImage(image, str(tmp_path / name))
    volume = read_volume(tmp_path / name)
    assert volume.name == "ct"
    np.testing.assert_array_equal(volume.voxels, sitk.GetArrayFromImage(image))
    for i, j, k in ((0, 0, 0), (5, 0, 0), (0, 4, 0), (0, 0, 3)):
        x, y, z = image.TransformIndexToPhysicalPoint((i, j, k))
        np.testing.assert_allclose((volume.ijk_to_ras @ (i, j, k, 1))[:3], (-x, -y, z), atol=1e-4)


def test_real_ct(a_ct):
    assert sorted(a_ct.voxels.shape) == [47, 73, 73]
    assert a_ct.spacing == pytest.approx((1.5, 1.5, 1.5), abs=1e-3)
    assert -1100 < a_ct.voxels.min() < 0 and a_ct.voxels.max() > 500
    assert {a_ct.view(plane).axis for plane in Plane} == {0, 1, 2}


def test_unusable_files(tmp_path):
    four = sitk.GetImageFromArray(np.zeros((3, 4, 5, 6), np.int16), isVector=False)
    colour = sitk.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    flat = sitk.GetImageFromArray(np.zeros((5, 6), np.int16))
    holes = np.zeros((4, 5, 6), np.float32)
    holes[1, 2, 3:5] = np.nan, np.inf
    for name, image, message in (
        ("four.nrrd", four, "4 dimensions"),
        ("colour.nrrd", colour, "colour or vector image"),
        ("flat.nrrd", flat, "single slice"),
        ("one.nrrd", an_image((1, 5, 6)), "single slice"),
        ("holes.nrrd", sitk.GetImageFromArray(holes), "2 voxels that are not a number.*Replace them by air"),
    ):
        sitk.WriteImage(image, str(tmp_path / name))
        with pytest.raises(InputError, match=message) as caught:
            read_volume(tmp_path / name)
        assert name.split(".")[0] in str(caught.value)
    (tmp_path / "text.nii.gz").write_text("no image")
    (tmp_path / "cut.nrrd").write_bytes((tmp_path / "one.nrrd").read_bytes()[:300])
    for name in ("text.nii.gz", "cut.nrrd"):
        with pytest.raises(InputError, match=r"cannot be read"):
            read_volume(tmp_path / name)
    with pytest.raises(InputError, match="no file or folder"):
        read_volume(tmp_path / "absent.nrrd")


@pytest.mark.parametrize("harm", [lambda data: data[: len(data) // 2], lambda data: data[:-9] + b"\0" + data[-8:]])
def test_a_cut_off_or_altered_nii_gz_is_refused(tmp_path, harm):
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(an_image(), str(path))
    path.write_bytes(harm(path.read_bytes()))
    with pytest.raises(InputError, match=r"ct\.nii\.gz.*(damaged|cannot be read)"):
        read_volume(path)


def test_singular_directions(tmp_path):
    path = tmp_path / "ct.nrrd"
    sitk.WriteImage(an_image(direction=np.eye(3)), str(path))
    header, data = path.read_bytes().split(b"\n\n", 1)
    assert b"(0,0.8" in header
    start = header.index(b"space directions:")
    end = header.index(b"\n", start)
    path.write_bytes(header[:start] + b"space directions: (1,0,0) (1,0,0) (0,0,1)" + header[end:] + b"\n\n" + data)
    with pytest.raises(InputError, match="singular"):
        read_volume(path)


# ---------------------------------------------------------------------------------------------------- DICOM


def test_dicom_folder_goes_by_position(tmp_path):
    voxels = write_series(tmp_path / "series", "1.2.3.5", upright())
    (tmp_path / "series" / "readme.txt").write_text("not DICOM")
    for folder in (tmp_path / "series", tmp_path):  # as on a CD, with the series in a folder of its own
        volume = read_volume(folder)
        np.testing.assert_array_equal(volume.voxels, voxels)
        np.testing.assert_allclose(volume.spacing, (0.5, 0.75, 2.0))
        np.testing.assert_allclose(volume.ijk_to_ras[:3, 3], (10, 20, 100))
        assert volume.name == "CT" and list(volume.view(Plane.AXIAL).order) == [0, 1, 2, 3, 4, 5]


def test_oblique_dicom_series(tmp_path):
    """Slices that follow the tilted plane (no shear) are fine, as in sagittal or reformatted series."""
    row, column, normal = OBLIQUE.T
    positions = np.array([np.array((5.0, 6.0, 7.0)) + 1.5 * n * normal for n in range(5)])
    voxels = write_series(tmp_path, "1.2.3.6", positions, orientation=(*row, *column))
    volume = read_volume(tmp_path)
    np.testing.assert_array_equal(volume.voxels, voxels)
    expected = np.diag((-1, -1, 1)) @ OBLIQUE * (0.5, 0.75, 1.5)
    np.testing.assert_allclose(volume.ijk_to_ras[:3, :3], expected, atol=1e-5)


def test_two_series_in_one_folder(tmp_path):
    write_series(tmp_path, "1.2.3.5", upright(6), "thin bone")
    voxels = write_series(tmp_path, "1.2.3.55", upright(4), "thick soft")
    with pytest.raises(InputError, match=r"2 DICOM series.*thin bone, 6 slices, UID 1\.2\.3\.5;.*thick soft, 4 slices"):
        read_volume(tmp_path)
    np.testing.assert_array_equal(read_volume(tmp_path, series="1.2.3.55").voxels, voxels)
    with pytest.raises(InputError, match=r'no DICOM series "1\.9".*thin bone'):
        read_volume(tmp_path, series="1.9")


def tilted(count=6):
    return upright(count) + np.array([(0.0, 2.0 * n * np.tan(np.radians(12)), 0.0) for n in range(count)])


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        (tilted(), r"tilted gantry.*12\.0 degrees.*Slicer"),
        (upright()[[0, 1, 2, 4, 5]], r"gaps from 2\.00 to 4\.00 mm, the largest.*\S*_014\.dcm and \S*_021.*Slicer"),
        (upright()[[0, 1, 1, 2]], "several slices at the same place, such as .* and .*: copies of a file"),
        (upright(1), "one slice only"),
    ],
)
def test_dicom_series_that_are_no_even_stack(tmp_path, positions, message):
    """Read as if they were even, these would put the bone in the wrong place without a word."""
    write_series(tmp_path, "1.2.3.5", positions)
    with pytest.raises(InputError, match=message):
        read_volume(tmp_path)


def test_rounded_positions_are_even(tmp_path):
    """Scanners round positions to a hundredth of a millimetre: 0.625 mm slices alternate 0.62 and 0.63."""
    positions = upright(9, 0.625).round(2)
    write_series(tmp_path, "1.2.3.5", positions)
    assert read_volume(tmp_path).spacing[2] == pytest.approx(0.625, abs=1e-3)


def test_mixed_slices_and_damaged_files(tmp_path):
    write_series(tmp_path, "1.2.3.5", upright())
    write_series(tmp_path / "more", "1.2.3.5", upright(3) + (0, 0, 50), orientation=(1, 0, 0, 0, 0, -1))
    with pytest.raises(InputError, match="point different ways"):
        read_volume(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no DICOM images"):
        read_volume(empty)


def test_real_dicom_series(shared_data, tmp_path):
    with zipfile.ZipFile(shared_data / "dicom-series" / "thigh.zip") as archive:
        archive.extractall(tmp_path)
    volume = read_volume(tmp_path)
    assert volume.voxels.shape == (114, 215, 252)
    assert volume.spacing == pytest.approx((0.976562, 0.976562, 3.27), abs=1e-4)
    assert volume.voxels.min() < -900 and volume.voxels.max() > 1000  # rescaled to HU: air and cortical bone


def test_real_tilted_series(shared_data, tmp_path):
    with zipfile.ZipFile(shared_data / "dicom-series" / "tilted_head.zip") as archive:
        archive.extractall(tmp_path)
    with pytest.raises(InputError, match=r"tilted gantry.*18\.5 degrees.*gaps from 1\.14 to 7\.38 mm"):
        read_volume(tmp_path)
