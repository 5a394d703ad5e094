"""Image files with flipped and missing bytes: the same image, or a sentence; never a crash, never other voxels.

Only compressed voxels have a checksum. In plain voxels, and in header fields that have another valid value (an origin,
a byte order, a DICOM intercept), a flip makes another valid file: nobody can find it. So voxels are flipped here in
compressed files only, and a flip in a header has to end in as many voxels as before, or in a sentence.
"""

import warnings

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import upright, write_series
from hypothesis import given, settings
from hypothesis import strategies as st

from SAM2VolumeSegLib.errors import InputError, InputWarning
from SAM2VolumeSegLib.volume import read_volume

SLOW = settings(max_examples=60, deadline=None, derandomize=True)
COMPRESSED = ["x.nii.gz", "gzip.nrrd", "zlib.mha", "gzip.nhdr"]
PLAIN = ["x.nii", "raw.nrrd", "raw.mha", "raw.nhdr"]
HEADER_END = {"x.nii": 352, "raw.nrrd": b"\n\n", "gzip.nrrd": b"\n\n", "raw.mha": b"LOCAL\n", "zlib.mha": b"LOCAL\n"}


class Written:
    """An image on disk, which is harmed and repaired."""

    def __init__(self, folder, name):
        self.path = folder / name
        if name == "dicom":
            write_series(self.path, "1.2.3.5", upright())
            files = {path.name: path for path in self.path.iterdir()}
            self.header = self.voxels = max(files.values(), key=lambda path: path.name)  # the last slice
        else:
            image = sitk.GetImageFromArray(np.random.default_rng(3).integers(-1000, 2000, (5, 6, 7)).astype(np.int16))
            image.SetSpacing((0.7, 0.8, 2.5))
            sitk.WriteImage(image, str(self.path), useCompression=name in COMPRESSED)
            beside = [path for path in folder.iterdir() if path.name.startswith(self.path.stem + ".")]
            self.header, self.voxels = self.path, next((path for path in beside if path != self.path), self.path)
        self.good = {path: path.read_bytes() for path in (self.header, self.voxels)}
        self.volume = read_volume(self.path)
        data, end = self.good[self.header], HEADER_END.get(name)
        self.start = data.index(end) + len(end) if isinstance(end, bytes) else end  # of the voxels, if not all

    def read(self, file, data):
        """The volume that harmed bytes give, or None for a sentence. Any other end is the test's."""
        file.write_bytes(data)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                warnings.simplefilter("ignore", InputWarning)
                return read_volume(self.path)
        except InputError as error:
            assert len(str(error)) > 20
            return None
        finally:
            file.write_bytes(self.good[file])

    def assert_same_voxels(self, volume):
        if volume is not None:
            np.testing.assert_array_equal(volume.voxels, self.volume.voxels)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return {name: Written(tmp_path_factory.mktemp("image"), name) for name in [*COMPRESSED, *PLAIN, "dicom"]}


def flipped(data: bytes, places: list[tuple[float, int]], first: int, last: int) -> bytes:
    """Flip a bit each at places between two bytes; a place is a share of that length, and a bit."""
    harmed = bytearray(data)
    for share, bit in places:
        harmed[min(last - 1, first + int(share * (last - first)))] ^= 1 << bit
    return bytes(harmed)


FLIPS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), min_size=1, max_size=3)


@pytest.mark.parametrize("name", COMPRESSED)
@SLOW
@given(places=FLIPS)
def test_flips_in_compressed_voxels_never_give_other_voxels(written, name, places):
    image = written[name]
    data = image.good[image.voxels]
    start = image.start or 0
    volume = image.read(image.voxels, flipped(data, places, start, len(data)))
    image.assert_same_voxels(volume)
    if volume is not None and name != "x.nii.gz":  # whose header is compressed, too
        np.testing.assert_array_equal(volume.ijk_to_ras, image.volume.ijk_to_ras)


@pytest.mark.parametrize("name", [*COMPRESSED, *PLAIN, "dicom"])
@SLOW
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_file_that_ends_early_is_refused(written, name, share):
    image = written[name]
    data = image.good[image.voxels]
    assert image.read(image.voxels, data[: int(share * len(data))]) is None


@pytest.mark.parametrize("name", ["gzip.nhdr", "raw.nhdr"])
@SLOW
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_detached_header_that_ends_early_never_gives_other_voxels(written, name, share):
    image = written[name]
    data = image.good[image.header]
    image.assert_same_voxels(image.read(image.header, data[: int(share * len(data))]))


@pytest.mark.parametrize("name", [*COMPRESSED[1:], *PLAIN, "dicom"])
@SLOW
@given(places=FLIPS)
def test_flips_in_a_header_end_in_an_image_or_a_sentence(written, name, places):
    """Never in fewer slices: other voxels only where the header says another type, of which fewer or more fit."""
    image = written[name]
    data = image.good[image.header]
    last = len(data) - 60 if name == "dicom" else image.start or len(data)
    volume = image.read(image.header, flipped(data, places, 0, last))
    if volume is not None:
        assert volume.voxels.size == image.volume.voxels.size or volume.voxels.dtype != image.volume.voxels.dtype
