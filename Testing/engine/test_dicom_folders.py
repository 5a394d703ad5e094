"""DICOM folders: nothing that may be a slice vanishes without a word, and what is no slice does no harm."""

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_files import upright, write_series
from pydicom.uid import RLELossless, generate_uid

from SAM2VolumeSegLib.errors import InputError, InputWarning
from SAM2VolumeSegLib.volume import read_seeds, read_volume

CT, RT_STRUCT, RT_DOSE, SEG, MR, PET, SCREENSHOT, REPORT, ENHANCED_CT = (
    f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "481.3", "481.2", "66.4", "4", "128", "7", "88.22", "2.1")
)
DICOMDIR = "1.2.840.10008.1.3.10"
NO_PICTURE = {"Rows": None, "Columns": None, "PixelData": None}


@pytest.fixture
def a_series(tmp_path):
    """A folder with a CT of six slices, and its voxels."""
    folder = tmp_path / "series"
    return folder, write_series(folder, "1.2.3.5", upright())


def files(folder) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda path: float(pydicom.dcmread(path).ImagePositionPatient[2]))


def change(path, **values) -> None:
    data = pydicom.dcmread(path)
    for name, value in values.items():
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
    data.save_as(path)


def another_object(path, like: Path, kind: str, series: str, **values) -> None:
    """A dose, plan or scout view beside the CT, made of one of its slices."""
    data = pydicom.dcmread(like)
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = kind
    data.SeriesInstanceUID, data.SOPInstanceUID = series, generate_uid()
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.save_as(path)
    change(path, **values)


# ---------------------------------------------------------------------------------------- slices that cannot be read


@pytest.mark.parametrize("end", [0, 2, -1])
@pytest.mark.parametrize("left", [0, 1, 131, 132, 200, 340, 390, 500, -61, -30, -1])
def test_a_slice_that_is_cut_off_is_named_wherever_it_lies(a_series, end, left):
    """At the ends GDCM left it out: a shorter CT, without a word."""
    folder, _ = a_series
    victim = files(folder)[end]
    victim.write_bytes(victim.read_bytes()[:left])
    with pytest.raises(InputError, match=rf"{victim.name}.*(Copy or\s*export the series again)"):
        read_volume(folder)


def test_slices_that_are_links_to_nothing_are_named(a_series):
    """As in a git-annex or datalad folder whose files were not fetched."""
    folder, _ = a_series
    for victim in files(folder)[-3:]:
        victim.unlink()
        victim.symlink_to(folder / "annex" / "absent")
    with pytest.raises(InputError, match=r"3 of the files cannot be read and may be slices: .*\.dcm, .*\.dcm, .*\.dcm"):
        read_volume(folder)


def test_pipes_linked_folders_and_other_files_do_no_harm(a_series):
    folder, voxels = a_series
    os.mkfifo(folder / "pipe.dcm")
    (folder / "again").symlink_to(folder)
    (folder / "inside").mkdir()
    (folder / "inside" / "up").symlink_to(folder.parent)
    (folder / "copy.dcm").symlink_to(some_slice := sorted(folder.glob("1.2*.dcm"))[0])
    (folder / f"._{some_slice.name}").write_bytes(b"\0\5\x16\7 what macOS puts beside a file")
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    (folder / "readme.txt").write_text("a CT")
    (folder / "LICENSE").write_text("a licence")
    np.testing.assert_array_equal(read_volume(folder).voxels, voxels)


@pytest.mark.parametrize("what", ["slice", "subfolder", "folder"])
def test_what_may_not_be_opened_is_said(what):
    """Before, a folder without permission "had no DICOM images"."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "series"
        write_series(folder, "1.2.3.5", upright())
        (folder / "more").mkdir()
        victim = {"slice": files_in(folder)[-1], "subfolder": folder / "more", "folder": folder}[what]
        Path(place).chmod(0o755)
        victim.chmod(0)
        is_root = os.geteuid() == 0
        if is_root:  # who may read everything
            os.seteuid(65534)
        try:
            with pytest.raises(InputError, match=r"Permission denied" if what == "folder" else victim.name):
                read_volume(folder)
        finally:
            if is_root:
                os.seteuid(0)
            victim.chmod(0o755)


def files_in(folder):
    return sorted(path for path in folder.iterdir() if path.is_file())


def test_a_slice_whose_name_is_not_valid_text_is_refused_not_a_crash(a_series):
    folder, _ = a_series
    os.rename(files(folder)[2], os.fsencode(folder) + b"/caf\xe9.dcm")
    with pytest.raises(InputError, match=r"caf\?\.dcm.*Rename it"):
        read_volume(folder)
    with pytest.raises(InputError, match="Rename it"):
        read_volume(Path(os.fsdecode(os.fsencode(folder) + b"\xe9")))


def test_more_rows_than_pixels_are_refused(a_series):
    """GDCM made up 64 rows with values from -32768 on."""
    folder, _ = a_series
    for path in files(folder):
        change(path, Rows=12)
    with pytest.raises(InputError, match="5 x 12 pixels that its header declares cannot be read"):
        read_volume(folder)


def test_header_fields_without_sense_are_refused(a_series):
    folder, _ = a_series
    victim = files(folder)[0]
    good = victim.read_bytes()
    for values in (
        {"PixelRepresentation": 7},
        {"BitsStored": 48},
        {"BitsAllocated": 17},
        {"Rows": 0},
        {"PixelSpacing": [0, 0]},
        {"PixelSpacing": None},
        {"RescaleSlope": "1e308"},
    ):
        change(victim, **values)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            with pytest.raises(InputError):
                read_volume(folder)
        victim.write_bytes(good)


# ---------------------------------------------------------------------------------------- compressed pixels


def write_compressed(folder, compressor) -> np.ndarray:
    """Write the slices of a CT as GDCM compresses them (lossless)."""
    folder.mkdir()
    voxels = np.random.default_rng(5).integers(-1000, 2000, size=(6, 32, 40)).astype(np.int16)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.UseCompressionOn()
    writer.SetCompressor(compressor)
    for number, (x, y, z) in enumerate(upright()):
        image = sitk.GetImageFromArray(voxels[number])
        for tag, value in {"0008|0060": "CT", "0020|000e": "1.2.3.5", "0020|000d": "1.2.3.4",
                           "0020|0032": f"{x}\\{y}\\{z}", "0020|0037": "1\\0\\0\\0\\1\\0"}.items():  # fmt: skip
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{number}.dcm"))
        writer.Execute(image)
    return voxels


@pytest.mark.parametrize("compressor", ["JPEG2000", "JPEG"])
def test_compressed_slices_are_read_and_refused_when_cut(tmp_path, compressor):
    voxels = write_compressed(tmp_path / "series", compressor)
    last = files(tmp_path / "series")[-1]
    assert pydicom.dcmread(last).file_meta.TransferSyntaxUID.is_encapsulated
    np.testing.assert_array_equal(read_volume(tmp_path / "series").voxels, voxels)
    data = last.read_bytes()
    for left in (-5, -9, -300):  # the last 4 bytes are zeros that say nothing
        last.write_bytes(data[:left])
        with pytest.raises(InputError, match="damaged or cut off"):
            read_volume(tmp_path / "series")


def test_rle_slices_are_read_and_refused_when_cut(a_series):
    folder, voxels = a_series
    for path in files(folder):
        data = pydicom.dcmread(path)
        data.compress(RLELossless)
        data.save_as(path)
    np.testing.assert_array_equal(read_volume(folder).voxels, voxels)
    last = files(folder)[-1]
    data = last.read_bytes()
    for left in (-5, -9, -40):
        last.write_bytes(data[:left])
        with pytest.raises(InputError, match="damaged or cut off"):
            read_volume(folder)
    last.write_bytes(data)
    for path in files(folder):
        change(path, Rows=60000, Columns=60000)  # 7 GB in 900 bytes
    with pytest.raises(InputError, match="60000 x 60000 pixels"):
        read_volume(folder)


# ---------------------------------------------------------------------------------------- several series


def test_one_ct_among_scout_dose_structures_and_screenshots_is_taken_and_that_is_said(a_series):
    folder, voxels = a_series
    ct = files(folder)[0]
    another_object(folder / "scout.dcm", ct, CT, "1.2.9.1", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    another_object(folder / "dose.dcm", ct, RT_DOSE, "1.2.9.2", Modality="RTDOSE", NumberOfFrames=1)
    another_object(folder / "plan.dcm", ct, RT_STRUCT, "1.2.9.3", **NO_PICTURE)
    another_object(folder / "shot.dcm", ct, SCREENSHOT, "1.2.9.4", ImagePositionPatient=None)
    with pytest.warns(
        InputWarning, match=r"holds 3 DICOM series\. The only CT with positions.*6 slices, UID 1\.2\.3\.5"
    ):
        volume = read_volume(folder)
    np.testing.assert_array_equal(volume.voxels, voxels)


def test_a_dose_or_structures_beside_one_ct_are_not_spoken_of(a_series):
    folder, voxels = a_series
    ct = files(folder)[0]
    another_object(folder / "dose.dcm", ct, RT_DOSE, "1.2.9.2", NumberOfFrames=1)
    another_object(folder / "plan.dcm", ct, RT_STRUCT, "1.2.9.3", **NO_PICTURE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_volume(folder).voxels, voxels)


def test_a_slice_with_a_series_of_its_own_is_not_left_out(a_series):
    """One flipped digit in the UID of an end slice: not a series less, but a choice that the user has to make."""
    folder, _ = a_series
    change(files(folder)[-1], SeriesInstanceUID="1.2.3.6")
    with pytest.raises(InputError, match="holds 2 DICOM series"):
        read_volume(folder)


def test_the_index_of_a_disc_is_no_slice_that_is_damaged(a_series):
    """Every CD has a DICOMDIR: its folder could not be read."""
    folder, voxels = a_series
    a_dicomdir(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_volume(folder).voxels, voxels)
    with pytest.raises(InputError, match=r"Media Storage Directory.*Give the folder"):
        read_volume(folder / "DICOMDIR")


def a_dicomdir(folder) -> None:
    data = pydicom.dcmread(files(folder)[0], stop_before_pixels=True)
    data.file_meta.MediaStorageSOPClassUID = DICOMDIR
    for name in ("SOPClassUID", "SeriesInstanceUID", "Rows", "Columns", "ImagePositionPatient"):
        delattr(data, name)
    data.save_as(folder / "DICOMDIR")


@pytest.mark.parametrize("other", [SCREENSHOT, REPORT, SEG, RT_STRUCT, RT_DOSE])
def test_one_series_with_positions_is_taken_where_none_is_a_ct(a_series, other):
    """A folder of one MR and what was saved beside it was refused for "2 DICOM series"."""
    folder, voxels = a_series
    another_object(folder / "other.dcm", files(folder)[0], other, "1.2.9.4", ImagePositionPatient=None,
                   **({} if other in (SCREENSHOT, SEG, RT_DOSE) else NO_PICTURE))  # fmt: skip
    for path in folder.glob("1.2.3.5*"):
        another_object(path, path, MR, "1.2.3.5", Modality="MR")
    with pytest.warns(InputWarning) as notes:
        np.testing.assert_array_equal(read_volume(folder).voxels, voxels)
    said = [str(note.message) for note in notes]
    assert any("is no CT (MR Image)" in one for one in said)
    assert any("The only one with positions is read" in one for one in said) == (other == SCREENSHOT)


def test_two_series_that_could_be_meant_are_a_choice(a_series):
    folder, _ = a_series
    for number, path in enumerate(files(folder)):
        another_object(folder / f"pet{number}.dcm", path, PET, "1.2.9.5", Modality="PT")
        another_object(path, path, MR, "1.2.3.5", Modality="MR")
    with pytest.raises(InputError, match=r"holds 2 DICOM series.*Choose one by its series UID"):
        read_volume(folder)


def test_a_single_dicom_file_is_called_what_it_is(a_series, tmp_path):
    folder, _ = a_series
    ct = files(folder)[0]
    with pytest.raises(InputError, match=r"one file of a DICOM series \(CT Image\). Give the folder"):
        read_volume(ct)
    many = tmp_path / "many.dcm"
    another_object(many, ct, ENHANCED_CT, "1.2.9.4", NumberOfFrames=6)
    with pytest.raises(InputError, match=r"multi-frame DICOM file \(Enhanced CT Image\).*Save it as NRRD"):
        read_volume(many)
    plan = tmp_path / "plan.dcm"
    another_object(plan, ct, RT_STRUCT, "1.2.9.3", **NO_PICTURE)
    with pytest.raises(InputError, match=r"\(RT Structure Set\)\. Give the folder of a CT"):
        read_volume(plan)
    alone = tmp_path / "alone"
    alone.mkdir()
    plan.rename(alone / "plan.dcm")
    with pytest.raises(InputError, match=r"no DICOM images in .* It holds: RT Structure Set"):
        read_volume(alone)


@pytest.mark.parametrize("preamble", [True, False])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (RT_STRUCT, r"is an RT structure set.*SlicerRT.*save it as \.seg\.nrrd"),
        (SEG, r"is a DICOM segmentation.*QuantitativeReporting.*save it as \.seg\.nrrd"),
        (REPORT, r"\(Enhanced SR\) and no segmentation"),
        (CT, r"\(CT Image\) and no segmentation"),
    ],
)
def test_dicom_given_as_seeds_is_called_what_it_is(a_series, tmp_path, kind, expected, preamble):
    """Contours of a planning system were "no image of a known format, or damaged"."""
    folder, _ = a_series
    volume = read_volume(folder)
    path = tmp_path / "given.dcm"
    another_object(path, files(folder)[0], kind, "1.2.9.3", **({} if kind in (CT, SEG) else NO_PICTURE))
    if not preamble:
        path.write_bytes(path.read_bytes()[132:])
    with pytest.raises(InputError, match=expected):
        read_seeds(path, volume)
    with pytest.raises(InputError, match=r"is a folder. A segmentation is one file.*save it as \.seg\.nrrd"):
        read_seeds(folder, volume)


# ---------------------------------------------------------------------------------------- text and values


@pytest.mark.filterwarnings("ignore:Unknown encoding")  # where this test writes the files
@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        ("ISO_IR 100", "Schädel Übersicht".encode("latin-1"), "Schädel Übersicht"),
        ("ISO_IR 101", "Łódź".encode("iso8859-2"), "Łódź"),
        ("ISO_IR 144", "Череп".encode("iso8859-5"), "Череп"),
        ("GB18030", "颅骨".encode("gb18030"), "颅骨"),
        ("ISO_IR 192", "頭蓋".encode(), "頭蓋"),
        ("ISO_IR 192", b"Sch\xe4del", None),
        ("", "Schädel".encode("latin-1"), None),
        ("NONSENSE", "Schädel".encode("latin-1"), None),
    ],
)
def test_descriptions_are_decoded_by_their_character_set(a_series, charset, raw, text):
    """Every hospital that does not write English: the result was computed, then could not be written."""
    folder, _ = a_series
    for path in files(folder):
        change(path, SpecificCharacterSet=charset, SeriesDescription="X" * (len(raw) + len(raw) % 2))
        path.write_bytes(
            path.read_bytes().replace(b"X" * (len(raw) + len(raw) % 2), raw.ljust(len(raw) + len(raw) % 2))
        )
    name = read_volume(folder).name
    name.encode("utf-8")  # surrogates cannot be
    assert text is None or name == text


@pytest.mark.parametrize(
    "fields",
    [
        [{}] * 6,
        [{"RescaleIntercept": -1024, "RescaleSlope": 1}] * 6,
        [{"RescaleIntercept": -1024, "RescaleSlope": 2}] * 6,
        [{"RescaleIntercept": -0.5, "RescaleSlope": 0.25}] * 6,
        [{"RescaleIntercept": -1024, "RescaleSlope": 1}] * 3 + [{"RescaleIntercept": 0.5, "RescaleSlope": 0.125}] * 3,
        [{"RescaleIntercept": 40000, "RescaleSlope": 1}] * 6,
        [{"RescaleIntercept": None, "RescaleSlope": None}] * 6,
        [{"PixelRepresentation": 0}] * 6,
    ],
)
def test_every_slice_is_rescaled_by_its_own_slope(a_series, fields):
    """ITK gives all slices the type of the first: half a HU was cut off where a later slope is 0.125."""
    folder, voxels = a_series
    voxels[0] = -3024  # padding
    expected = []
    for path, plane, values in zip(files(folder), voxels, fields, strict=True):
        unsigned = values.get("PixelRepresentation") == 0
        change(path, PixelData=plane.tobytes(), **values)
        slope, intercept = values.get("RescaleSlope") or 1, values.get("RescaleIntercept") or 0
        expected.append(plane.astype(np.uint16 if unsigned else np.int16).astype(float) * slope + intercept)
    volume = read_volume(folder)
    np.testing.assert_array_equal(volume.voxels, expected)
    whole = all(float(value or 0).is_integer() for values in fields for value in values.values())
    assert volume.voxels.dtype.kind == ("i" if whole else "f")
    if fields[0] == fields[-1]:
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames([str(path) for path in files(folder)])
        np.testing.assert_array_equal(volume.voxels, sitk.GetArrayFromImage(reader.Execute()))


def test_twelve_of_sixteen_bits_are_read(a_series):
    """As scanners store them."""
    folder, voxels = a_series
    for path, plane in zip(files(folder), voxels, strict=True):
        change(path, PixelData=(plane + 1024).astype("u2").tobytes(), BitsStored=12, HighBit=11, PixelRepresentation=0,
               RescaleIntercept=-1024)  # fmt: skip
    np.testing.assert_array_equal(read_volume(folder).voxels, voxels)
