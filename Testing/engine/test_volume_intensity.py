"""What the model sees: the same window for every slice of every axis."""

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume import WINDOWS, Window, to_unit


def test_window_maps_hu_to_unit():
    voxels = np.array([-3000, -100, 400, 900, 3000], dtype=np.int16)
    unit = to_unit(voxels, Window.named("bone"))
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit, [0, 0, 0.5, 1, 1])
    assert voxels[0] == -3000  # the user's voxels stay


def test_windows_by_name():
    assert Window.named(" Soft  Tissue ") == WINDOWS["soft tissue"] == Window(-135, 215)
    assert Window.centre_width(-500, 1400) == WINDOWS["lung"]
    with pytest.raises(InputError, match=r'"liver".*bone, soft tissue, lung, brain'):
        Window.named("liver")
    for lower, upper in ((10, 10), (10, 0), (float("nan"), 0), (0, 1e-300), (0, 1e300)):
        with pytest.raises(InputError, match="upper limit"):
            Window(lower, upper)
    with pytest.raises(InputError, match="width above zero"):
        Window.centre_width(40, 0)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float64])
def test_min_max_uses_the_whole_range(dtype):
    """Unsigned voxels must not wrap below zero."""
    voxels = np.array([[[10, 20]], [[30, 50]]], dtype=dtype)
    np.testing.assert_allclose(to_unit(voxels, Window.min_max(voxels)).ravel(), [0, 0.25, 0.5, 1])


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("padding", [-1024, -2000, -3024, -32768])
def test_padding_around_a_ct_is_air_in_every_named_window(name, padding):
    """Scanners fill the corners outside of their circle with less than air."""
    air = np.array([-1000, 40, 1200], dtype=np.int16)
    padded = np.array([padding, 40, 1200], dtype=np.int16)
    # The lung window begins at -1200 HU: there air is a little brighter than padding, as in 3D Slicer.
    np.testing.assert_allclose(to_unit(padded, WINDOWS[name]), to_unit(air, WINDOWS[name]), atol=0.15)
    assert to_unit(padded, WINDOWS[name])[0] <= to_unit(air, WINDOWS[name])[0]


@pytest.mark.parametrize("clahe", [False, True])
def test_constant_volume_is_zeros_not_nan(clahe):
    voxels = np.full((8, 9, 10), -1000, dtype=np.int16)
    assert (to_unit(voxels, Window.min_max(voxels), clahe) == 0).all()


def test_clahe_raises_local_contrast_of_a_real_ct(a_ct):
    window = Window.min_max(a_ct.voxels)
    plain, equalized = to_unit(a_ct.voxels, window), to_unit(a_ct.voxels, window, clahe=True)
    assert equalized.dtype == np.float32 and equalized.shape == plain.shape
    assert equalized.min() >= 0 and equalized.max() <= 1
    assert equalized.std() > 1.2 * plain.std()


def test_clahe_does_not_depend_on_the_axis(a_ct):
    """Slice-wise CLAHE would show the model three different volumes; this one is the same for all axes."""
    window = Window.named("bone")
    voxels = a_ct.voxels[:40, :40, :40]
    expected = to_unit(voxels, window, clahe=True)
    # scikit-image rounds to 14 bits on the way, hence the tolerance.
    np.testing.assert_allclose(to_unit(voxels.transpose(2, 0, 1), window, True), expected.transpose(2, 0, 1), atol=1e-3)
