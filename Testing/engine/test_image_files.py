"""Image files: good ones are what SimpleITK says, and what is damaged or absurd is refused before it costs anything."""

import bz2
import gzip
import os
import resource
import sys
import warnings

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from SAM2VolumeSegLib.errors import InputError, InputWarning
from SAM2VolumeSegLib.volume import Volume, read_seeds, read_volume

SHAPE = (4, 5, 6)  # k, j, i
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture(autouse=True)
def no_other_warning():
    """numpy's and nibabel's warnings would come before the sentence: here they are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def affine(shear=0.0) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", (10, -20, 30), degrees=True).as_matrix() * (0.7, 0.8, 2.5)
    matrix[:3, 1] += np.tan(shear) * 0.8 / 0.7 * matrix[:3, 0]
    matrix[:3, 3] = -11, 22, -333
    return matrix


def write_nifti(path, voxels, sform=None, qform=None, slope=(1.0, 0.0), kind=nib.Nifti1Header, **fields):
    """Write a NIfTI byte by byte, voxels [k, j, i], as no writer would: whatever the header says."""
    header = kind(endianness=fields.pop("endianness", "<"))
    header.set_data_dtype(voxels.dtype)
    header.set_data_shape(voxels.shape[::-1])
    header["magic"], header["vox_offset"] = header.single_magic, header.single_vox_offset
    header["pixdim"][1:4] = 0.7, 0.8, 2.5
    header["scl_slope"], header["scl_inter"] = slope
    for matrix, change in ((qform, header.set_qform), (sform, header.set_sform)):
        if matrix is not None:
            change(matrix, 1)
    for name, value in fields.items():
        header[name] = value
    data = header.binaryblock + bytes(4) + voxels.astype(voxels.dtype.newbyteorder(header.endianness)).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def by_itk(path) -> tuple[np.ndarray, np.ndarray]:
    image = sitk.ReadImage(str(path))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image), LPS_TO_RAS @ matrix


TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def some_voxels(dtype: str, shape=SHAPE) -> np.ndarray:
    low, high = (-100, 100) if dtype == "i1" else (0, 200) if dtype[0] == "u" else (-3024, 3071)
    return np.random.default_rng(4).integers(low, high, size=shape).astype(dtype)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    dtype=st.sampled_from(TYPES),
    name=st.sampled_from(["x.nii", "x.nii.gz"]),
    endianness=st.sampled_from("<>"),
    slope=st.sampled_from([(1, 0), (np.nan, np.nan), (2, -1024), (0.5, 0.25), (1, -1024), (0.0, 0.0)]),
    angles=st.tuples(*[st.sampled_from([0, 90, 180, -37.5])] * 3),
    flip=st.sampled_from([1, -1]),
    units=st.sampled_from([0, 1, 2, 3]),
    forms=st.sampled_from(["s", "q", "both"]),
)
def test_a_nifti_is_what_simpleitk_reads(tmp_path_factory, dtype, name, endianness, slope, angles, flip, units, forms):
    """Else a CT that was right with ITK (and so in 3D Slicer) would move or change its values."""
    path = tmp_path_factory.mktemp("nifti") / name
    matrix = affine()
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * (0.7, 0.8, 2.5 * flip)
    matrix[:3] /= {1: 1e3, 3: 1e-3}.get(units, 1)  # metres, microns
    write_nifti(
        path,
        some_voxels(dtype),
        sform=matrix if forms != "q" else None,
        qform=matrix if forms != "s" else None,
        slope=slope,
        endianness=endianness,
        pixdim=[-1 if flip < 0 else 1, *np.linalg.norm(matrix[:3, :3], axis=0), 0, 0, 0, 0],
        xyzt_units=units,
    )
    voxels, ijk_to_ras = by_itk(path)
    volume = read_volume(path)
    assert volume.voxels.dtype == voxels.dtype
    np.testing.assert_array_equal(volume.voxels, voxels)
    # Headers hold float32 (and quaternions the square root of its rounding), at sizes of up to 333 mm.
    np.testing.assert_allclose(volume.ijk_to_ras, ijk_to_ras, rtol=1e-4, atol=1e-3)


def test_nifti_2_is_read_too(tmp_path):
    """SimpleITK does not read it; nibabel does."""
    path = write_nifti(tmp_path / "x.nii.gz", some_voxels("i2"), sform=affine(), kind=nib.Nifti2Header)
    image, volume = nib.load(path), read_volume(path)
    np.testing.assert_array_equal(volume.voxels, image.get_fdata().T)
    np.testing.assert_array_equal(volume.ijk_to_ras, image.affine)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    dtype=st.sampled_from(TYPES),
    name=st.sampled_from(["x.nrrd", "x.nhdr", "x.mha", "x.mhd"]),
    packed=st.booleans(),
    flip=st.sampled_from([1, -1]),
)
def test_nrrd_and_metaimage_are_what_simpleitk_reads(tmp_path_factory, dtype, name, packed, flip):
    path = tmp_path_factory.mktemp("image") / name
    image = sitk.GetImageFromArray(some_voxels(dtype))
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetDirection((Rotation.from_euler("xyz", (10, -20, 30)).as_matrix() * (1, 1, flip)).ravel())
    image.SetOrigin((-11, 22, -333))
    sitk.WriteImage(image, str(path), useCompression=packed)
    voxels, ijk_to_ras = by_itk(path)
    volume = read_volume(path)
    assert volume.voxels.dtype == voxels.dtype
    np.testing.assert_array_equal(volume.voxels, voxels)
    np.testing.assert_array_equal(volume.ijk_to_ras, ijk_to_ras)


def a_nrrd(path, voxels, data=None, **fields):
    fields = {
        "type": "int16", "dimension": 3, "space": "left-posterior-superior", "sizes": "6 5 4",
        "space directions": "(0.7,0,0) (0,0.8,0) (0,0,2.5)", "kinds": "domain domain domain", "endian": "little",
        "encoding": "raw", "space origin": "(-11,22,-333)",
    } | fields  # fmt: skip
    header = "NRRD0004\n" + "".join(f"{name}: {value}\n" for name, value in fields.items()) + "\n"
    path.write_bytes(header.encode() + (voxels.tobytes() if data is None else data))
    return path


@pytest.mark.parametrize("how", ["bzip2", "big endian", "byte skip", "at the end", "detached with a skip"])
def test_rarer_nrrd_files_are_what_simpleitk_reads(tmp_path, how):
    voxels, path = some_voxels("i2"), tmp_path / "x.nrrd"
    data = voxels.tobytes()
    if how == "bzip2":
        a_nrrd(path, voxels, bz2.compress(data), encoding="bzip2")
    elif how == "big endian":
        a_nrrd(path, voxels.astype(">i2"), endian="big")
    elif how == "byte skip":
        a_nrrd(path, voxels, b"1234567" + data, **{"byte skip": 7})
    elif how == "at the end":
        a_nrrd(path, voxels, b"12345" + data, **{"byte skip": -1})
    else:
        (tmp_path / "x.raw").write_bytes(bytes(348) + data)
        path = a_nrrd(tmp_path / "x.nhdr", voxels, b"", **{"byte skip": 348, "data file": "x.raw"})
    if how != "bzip2":  # this ITK is built without it
        np.testing.assert_array_equal(by_itk(path)[0], voxels)
    np.testing.assert_array_equal(read_volume(path).voxels, voxels)


# ---------------------------------------------------------------------------------------- fewer bytes than declared


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
@pytest.mark.parametrize(
    "fields",
    [
        {"dim": [3, 6, 5, 5, 1, 1, 1, 1]},
        {"dim": [3, 6, 5, 32000, 1, 1, 1, 1]},
        {"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]},
        {"vox_offset": 354},
        {"vox_offset": 1e30},
        {"vox_offset": np.nan},
        {"vox_offset": 348},
        {"datatype": 1024},
        {"datatype": 77},
        {"dim": [3, 6, 5, 3, 1, 1, 1, 1]},
        {"dim": [3, 6, -5, 4, 1, 1, 1, 1]},
    ],
)
def test_a_nifti_that_is_not_as_long_as_its_header_says_is_refused_for_ct_and_seeds(tmp_path, name, fields):
    """ITK fills up what is missing: air where bone was, and painted slices gone."""
    path = write_nifti(tmp_path / name, some_voxels("i2"), sform=affine(), **fields)
    volume = Volume(some_voxels("i2"), affine())
    for read in (read_volume, lambda path: read_seeds(path, volume)):
        with pytest.raises(InputError, match=r"x\.nii.*(cut off|damaged)"):
            read(path)


FORMATS = ["x.nii", "x.nii.gz", "raw.nrrd", "gzip.nrrd", "raw.mha", "zlib.mha", "raw.nhdr", "raw.mhd", "gzip.nhdr"]


def write_format(folder, name):
    """Write an image; returns the file to read, and the one that holds the voxels."""
    path = folder / name
    image = sitk.GetImageFromArray(some_voxels("i2", (12, 13, 14)))
    image.SetSpacing((0.7, 0.8, 2.5))
    packed = not name.startswith("raw") and name != "x.nii"
    sitk.WriteImage(image, str(path), useCompression=packed)
    others = [other for other in folder.iterdir() if other.name.startswith(f"{path.stem}.")]
    return path, max([path, *others], key=lambda file: file.stat().st_size)


@pytest.mark.parametrize("name", ["raw.nhdr", "raw.mhd"])
def test_a_header_without_its_voxels_says_what_is_missing(tmp_path, name):
    """Somebody copied one file of two, and was told of a name that they had never typed."""
    path, file = write_format(tmp_path, name)
    file.unlink()
    with pytest.raises(InputError, match=f"header only: its voxels are in .{file.name}"):
        read_volume(path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_off_by_one_byte_or_with_one_too_many_is_refused(tmp_path, name):
    path, file = write_format(tmp_path, name)
    data = file.read_bytes()
    for harmed in (data[:-1], data + b"\1"):
        file.write_bytes(harmed)
        with pytest.raises(InputError, match=r"(cut off|damaged)"):
            read_volume(path)


@pytest.mark.parametrize("name", ["x.nii.gz", "gzip.nrrd", "zlib.mha", "gzip.nhdr"])
def test_a_flipped_bit_in_compressed_voxels_is_refused(tmp_path, name):
    """Teem and MetaIO do not look at the checksum: up to 98 % of the voxels were others, without a word."""
    path, file = write_format(tmp_path, name)
    good, data = read_volume(path).voxels, file.read_bytes()
    start = data.rfind(b"\n\n") + 2 if name == "gzip.nrrd" else data.find(b"LOCAL\n") + 6 if name == "zlib.mha" else 0
    refused = 0
    for place in range(start + 10, len(data), 37):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        try:
            np.testing.assert_array_equal(read_volume(path).voxels, good)
        except InputError:
            refused += 1
    assert refused >= 0.95 * len(range(start + 10, len(data), 37))  # unused bits of deflate change nothing


def test_a_small_file_that_declares_a_huge_image_costs_nothing(tmp_path):
    """360 kB declared 1170^3: 27 s and 6.4 GB. Here the address space has room for a fraction of it."""
    bomb = tmp_path / "bomb.nii.gz"
    header = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((1170, 1170, 1170))
    header["magic"], header["vox_offset"] = b"n+1", 352
    header.set_sform(np.eye(4), 1)
    bomb.write_bytes(gzip.compress(header.binaryblock + bytes(4) + bytes(3 << 20)))
    detached = a_nrrd(tmp_path / "huge.nhdr", None, b"", sizes="90000 90000 90000", **{"data file": "small.raw"})
    (tmp_path / "small.raw").write_bytes(bytes(100))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in (bomb, detached):
        with pytest.raises(InputError, match="cut off, or its header is damaged"):
            read_volume(path)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "darwin" else 1024)
    assert grown < 200e6  # bytes; the image would be 3.2 GB


def test_something_hidden_behind_the_voxels_is_refused_before_it_is_unpacked(tmp_path):
    voxels = some_voxels("i2")
    hidden = gzip.compress(voxels.tobytes() + bytes(300 << 20), 1)
    path = a_nrrd(tmp_path / "x.nrrd", voxels, hidden, encoding="gzip")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="holds more than the 240 bytes"):
        read_volume(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


# ---------------------------------------------------------------------------------------- odd headers


@pytest.mark.parametrize(
    "fields",
    [
        {"space directions": "(0,0,0) (0,0.8,0) (0,0,2.5)"},
        {"space directions": "(1e300,0,0) (0,0.8,0) (0,0,2.5)"},
        {"space directions": "(1e-300,0,0) (0,0.8,0) (0,0,2.5)"},
        {"space directions": "(nan,0,0) (0,0.8,0) (0,0,2.5)"},
        {"space origin": "(1e999,0,0)"},
        {"sizes": "99999999999 99999999999 99999999999"},
        {"line skip": 99999999999},
        {"byte skip": 99999999999},
        {"byte skip": "9" * 5000},
        {"data file": "/dev/zero"},
        {"data file": "/etc/passwd"},
        {"data file": "absent.raw"},
        {"data file": "LIST"},
        {"data file": "slice%03d.raw 1 4 1"},
        {"encoding": "ascii"},
        {"type": "block"},
        {f"key{n}:": "x" for n in range(100_000)},
    ],
    ids=lambda fields: next(iter(fields)) + " " + str(next(iter(fields.values())))[:20],
)
def test_an_absurd_nrrd_header_ends_quickly_with_one_sentence(tmp_path, fields, capfd):
    path = a_nrrd(tmp_path / "x.nrrd", some_voxels("i2"), **fields)
    with pytest.raises(InputError):
        read_volume(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "harm", [{"pixdim": [1, 0, 0, 0, 0, 0, 0, 0]}, {"srow_x": [1e30, 0, 0, 0]}, {"srow_y": np.nan}]
)
def test_an_absurd_nifti_header_is_one_sentence(tmp_path, harm, capfd):
    sform = None if "pixdim" in harm else affine()
    path = write_nifti(tmp_path / "x.nii", some_voxels("i2"), sform=sform, qform_code=1, **harm)
    with pytest.raises(InputError, match=r"geometry|header|singular"):
        warnings.simplefilter("ignore", InputWarning)
        read_volume(path)
    assert capfd.readouterr().err == ""


def test_a_damaged_metaimage_header_is_one_sentence(tmp_path, capfd):
    path, _ = write_format(tmp_path, "raw.mha")
    data = path.read_bytes()
    harms = {b"NDims": b"NDimt", b"ElementType": b"Element", b"DimSize": b"dimSize", b"LOCAL": b"/dev/zero"}
    for old, new in (*harms.items(), (b"BinaryData = True", b"BinaryData = Fals")):
        path.write_bytes(data.replace(old, new, 1))
        with pytest.raises(InputError):
            read_volume(path)
    assert capfd.readouterr().err == ""


# ---------------------------------------------------------------------------------------- values that are no number


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_in_a_nifti_are_refused_for_ct_and_labels(tmp_path, name, dtype, bad):
    """ITK makes 0 of them: water where air was to be, and painted voxels gone."""
    voxels = np.zeros(SHAPE, dtype)
    voxels[1, 2, 3] = bad
    path = write_nifti(tmp_path / name, voxels, sform=affine())
    with pytest.raises(InputError, match="1 voxels that are not a number"):
        read_volume(path)
    with pytest.raises(InputError, match="not a label image"):
        read_seeds(path, Volume(np.zeros(SHAPE), affine()))


@pytest.mark.parametrize("slope", [(3e38, 0), (np.inf, 0), (1, np.nan), (1, np.inf)])
def test_a_scaling_that_gives_no_numbers_is_refused(tmp_path, slope):
    path = write_nifti(tmp_path / "x.nii", some_voxels("i2"), sform=affine(), slope=slope)
    with pytest.raises(InputError, match=r"not a number|header of .* is damaged"):
        read_volume(path)


# ---------------------------------------------------------------------------------------- geometry


@pytest.mark.parametrize("name", ["x.nii.gz", "x.nrrd"])
@pytest.mark.parametrize("shear", [2e-4, 1e-3, 0.017])
def test_a_little_shear_is_read_exactly_and_said(tmp_path, name, shear):
    """nibabel's sform without qform, as in a tenth of TotalSegmentator's public CTs; ITK refuses it."""
    path, matrix = tmp_path / name, affine(shear)
    if name == "x.nrrd":
        columns = (LPS_TO_RAS @ matrix)[:3]
        directions = " ".join("({:.17g},{:.17g},{:.17g})".format(*column) for column in columns.T[:3])
        a_nrrd(path, some_voxels("i2"), **{"space directions": directions, "space origin": "(11,-22,-333)"})
    else:
        write_nifti(path, some_voxels("i2"), sform=matrix)
    with pytest.warns(InputWarning, match=r"axes of \"x.*degrees off right angles.*exact place"):
        volume = read_volume(path)
    np.testing.assert_allclose(volume.ijk_to_ras, matrix, rtol=1e-6, atol=1e-6)  # float32 in the header


@pytest.mark.parametrize("shear", [0, 5e-5])
def test_rounding_is_not_spoken_of(tmp_path, shear):
    read_volume(write_nifti(tmp_path / "x.nii", some_voxels("i2"), sform=affine(shear)))  # a warning is an error here


@pytest.mark.parametrize("qform", [None, affine()])
def test_a_larger_shear_is_refused_in_degrees_whatever_the_qform(tmp_path, qform):
    """ITK takes the qform in place of a sheared sform, without a word."""
    path = write_nifti(tmp_path / "x.nii", some_voxels("i2"), sform=affine(2e-2), qform=qform)
    with pytest.raises(InputError, match=r"sheared.*1\.15 degrees.*Resample it in 3D Slicer"):
        read_volume(path)


def test_where_sform_and_qform_differ_the_sform_is_used_and_that_is_said(tmp_path):
    other = affine()
    other[0, 3] += 5
    path = write_nifti(tmp_path / "x.nii", some_voxels("i2"), sform=affine(), qform=other)
    with pytest.warns(InputWarning, match="two geometries.*The sform is used"):
        volume = read_volume(path)
    np.testing.assert_allclose(volume.ijk_to_ras, affine(), atol=1e-4)


def test_where_sform_and_voxel_size_differ_the_sform_is_used_and_that_is_said(tmp_path):
    """ITK, and so 3D Slicer, takes the other: the result may not lie on what is seen there."""
    path = write_nifti(tmp_path / "x.nii", some_voxels("i2"), sform=affine(), pixdim=[1, 0.7, 0.8, 2.6, 0, 0, 0, 0])
    with pytest.warns(InputWarning, match="size of its voxels.*The sform is used"):
        volume = read_volume(path)
    np.testing.assert_allclose(volume.spacing, (0.7, 0.8, 2.5), rtol=1e-6)


def test_a_nifti_without_a_place_lies_as_in_slicer_and_that_is_said(tmp_path):
    path = write_nifti(tmp_path / "x.nii", some_voxels("i2"))
    with pytest.warns(InputWarning, match="check left and right"):
        volume = read_volume(path)
    np.testing.assert_allclose(volume.ijk_to_ras, by_itk(path)[1], atol=1e-6)


# ---------------------------------------------------------------------------------------- names and kinds


def test_what_is_no_file_or_has_no_valid_name_is_refused(tmp_path):
    """A pipe was waited for without end; ITK ended the whole program for a name that is not UTF-8."""
    os.mkfifo(tmp_path / "pipe.nii")
    with pytest.raises(InputError, match="a pipe or a device"):
        read_volume(tmp_path / "pipe.nii")
    good = write_nifti(tmp_path / "x.nii", some_voxels("i2"), sform=affine())
    for name in (b"caf\xe9.nii", b"caf\xe9.nrrd"):
        path = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
        with open(path, "wb") as file:
            file.write(good.read_bytes())
        with pytest.raises(InputError, match=r"caf\?.*Rename it"):
            read_volume(path)


@pytest.mark.parametrize("name", ["x.vtk", "x.tif", "x.gipl"])
def test_formats_that_cannot_be_checked_are_not_read(tmp_path, name):
    sitk.WriteImage(sitk.GetImageFromArray(some_voxels("u1")), str(tmp_path / name))
    with pytest.raises(InputError, match="no image of a known format.*save it as NRRD in 3D Slicer"):
        read_volume(tmp_path / name)


@pytest.mark.parametrize("dtype", ["i2", "u2", "f8"])
def test_padding_and_wide_types_keep_their_values(tmp_path, dtype):
    voxels = some_voxels(dtype)
    if dtype != "u2":
        voxels[0] = -3024
    volume = read_volume(write_nifti(tmp_path / "x.nii", voxels, sform=affine()))
    assert volume.voxels.dtype == voxels.dtype
    np.testing.assert_array_equal(volume.voxels, voxels)
