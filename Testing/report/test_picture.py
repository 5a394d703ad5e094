"""The picture of a suspect shows the slice as Slicer does, with lines around the voxels that they belong to."""

import base64
import re

import numpy as np
import pytest
import SimpleITK as sitk
from report_cases import likely

from SAM2VolumeSegLib.report.picture import Outline, SlicePicture, outline_path, png_address
from SAM2VolumeSegLib.volume import BoxMask, Plane, Volume, Window


def filled(path, shape):
    """The pixels inside of an outline, by counting the edges on the way in from the left."""
    edges = np.zeros((shape[0], shape[1] + 1), dtype=int)
    for x, y, length in re.findall(r"M(\d+) (\d+)v(\d+)", path):
        edges[int(y) : int(y) + int(length), int(x)] += 1
    return np.cumsum(edges, axis=1)[:, :-1] % 2 == 1


def pixels(address, folder):
    """The picture behind an address."""
    path = folder / "picture.png"
    path.write_bytes(base64.b64decode(address.removeprefix("data:image/png;base64,")))
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_a_line_runs_around_the_pixels_of_a_mask():
    """Also around holes, and across pixels that meet at a corner."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = np.pad(rng.random((7, 9)) < 0.5, 1)
        path = outline_path(mask)
        np.testing.assert_array_equal(filled(path, mask.shape), mask)
        along = sum(int(length) for _x, _y, length in re.findall(r"M(\d+) (\d+)h(\d+)", path))
        assert along == np.count_nonzero(mask[1:] != mask[:-1])
    assert outline_path(np.zeros((3, 3), dtype=bool)) == outline_path(np.ones((3, 3), dtype=bool)) == ""


@pytest.mark.parametrize("channels", [(), (4,)])
def test_a_picture_is_in_the_page_without_loss(tmp_path, channels):
    values = np.random.default_rng(0).integers(0, 256, (5, 7, *channels)).astype(np.uint8)
    np.testing.assert_array_equal(pixels(png_address(values), tmp_path), values)


@pytest.mark.parametrize("plane", list(Plane))
def test_picture_and_line_lie_on_each_other_as_in_slicer(a_ct, tmp_path, plane):
    """On a CT that is stored as PIR: what is bright in the CT is what the line runs around."""
    bright = a_ct.voxels > 300
    view = a_ct.view(plane)
    index = int(np.argmax([view.slice(bright, n).sum() for n in range(view.count)]))
    mask = BoxMask.of(bright)
    picture = SlicePicture(a_ct, Window(299.5, 300.5), plane, index, mask, [Outline("judged", mask)])
    svg = picture.svg("bone")
    shown = pixels(re.search(r'href="([^"]+)"', svg)[1], tmp_path)
    np.testing.assert_array_equal(shown == 255, view.slice(bright, index))  # it fills the slice, so all is shown
    path = re.search(r'class="judged" d="([^"]+)"', svg)[1]
    known = shown == 255
    # A line is open at the picture's border: pixels that touch it on the left side are not counted.
    inside = filled(path, known.shape) ^ known[:, :1]
    np.testing.assert_array_equal(inside, known)
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    assert width / height == pytest.approx(known.shape[1] * view.col_mm / (known.shape[0] * view.row_mm), rel=1e-3)


def test_letters_are_those_of_slicers_views(a_phantom):
    mask = BoxMask.of(a_phantom.references["middle"])
    for plane, left, top in ((Plane.AXIAL, "R", "A"), (Plane.CORONAL, "R", "S"), (Plane.SAGITTAL, "A", "S")):
        letters = re.findall(
            r">([RLAPSI])</text>",
            SlicePicture(a_phantom.volume, Window(0, 1), plane, 14, mask, [Outline("judged", mask)]).svg(""),
        )
        assert (letters[0], letters[2]) == (left, top)


def test_the_tint_is_where_an_error_is_likely(a_phantom, tmp_path):
    mask = BoxMask.of(a_phantom.references["middle"])
    errors = likely(a_phantom.volume, mask, BoxMask.of(np.roll(mask.whole(), 1, axis=2)))
    whole = np.zeros(mask.shape, dtype=np.float32)
    whole[errors.box.slices] = errors.chance
    index = int(np.argmax(whole.sum(axis=(1, 2))))
    picture = SlicePicture(a_phantom.volume, Window(0, 1), Plane.AXIAL, index, mask, [Outline("judged", mask)], errors)
    tint = pixels(re.findall(r'href="([^"]+)"', picture.svg(""))[1], tmp_path)
    view = a_phantom.volume.view(Plane.AXIAL)
    assert np.count_nonzero(tint[..., 3]) == np.count_nonzero(view.slice(whole, index) >= 0.1) > 0
    lightness = tint[..., :3].sum(axis=2)
    assert lightness[tint[..., 3] > 0].max() > 2 * lightness[tint[..., 3] > 0].min(), "it cannot be read in grey"


def test_a_region_at_the_border_of_the_ct_is_shown(a_phantom):
    voxels = a_phantom.volume.voxels
    corner = np.zeros(voxels.shape, dtype=bool)
    corner[:2, :2, :2] = True
    volume = Volume(voxels, a_phantom.volume.ijk_to_ras)
    nothing = BoxMask.of(np.zeros_like(corner))
    svg = SlicePicture(volume, Window(0, 1), Plane.AXIAL, 0, BoxMask.of(corner), [Outline("judged", nothing)]).svg("x")
    assert svg.count("<image") == 1 and 'class="judged"' not in svg and 'class="frame"' in svg
