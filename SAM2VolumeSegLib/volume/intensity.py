"""From HU to what the model sees: one window for every slice of every axis, with or without CLAHE."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _


@dataclass(frozen=True)
class Window:
    """An intensity window.

    Attributes:
        lower: HU that is black, as all below is.
        upper: HU that is white, as all above is.

    Raises:
        InputError: the limits are not numbers, or ``upper`` is not above ``lower``.
    """

    lower: float
    upper: float

    def __post_init__(self) -> None:
        # Within float32, in which voxels are brought to 0..1; a comparison with NaN is false.
        if not (abs(self.lower) < 1e38 and abs(self.upper) < 1e38 and self.upper - self.lower > 1e-38):
            raise InputError(
                _(
                    "An intensity window from {lower:g} to {upper:g} HU is empty: the upper limit must be above the "
                    "lower one (and a width above zero)."
                ).format(lower=self.lower, upper=self.upper)
            )

    @classmethod
    def centre_width(cls, centre: float, width: float) -> Window:
        """Return the window around ``centre`` with ``width``, both in HU (Slicer's level and window)."""
        return cls(centre - width / 2, centre + width / 2)

    @classmethod
    def named(cls, name: str) -> Window:
        """Return a window of ``WINDOWS`` by name; case and extra spaces do not matter.

        Raises:
            InputError: no such name.
        """
        known = " ".join(str(name).lower().split())
        if known not in WINDOWS:
            raise InputError(
                _('There is no intensity window "{name}". Choose one of {windows}, or give the limits in HU.').format(
                    name=name, windows=", ".join(WINDOWS)
                )
            )
        return WINDOWS[known]

    @classmethod
    def min_max(cls, voxels: np.ndarray) -> Window:
        """Return the window from the darkest to the brightest voxel: the paper's "no preprocessing".

        Padding around a CT (-3024 and lower) and metal count as well: a run's provenance says what was used.
        """
        lower, upper = float(np.min(voxels)), float(np.max(voxels))
        return cls(lower, upper if upper > lower else lower + 1.0)


# 3D Slicer's display presets CT-Bone, CT-Abdomen, CT-Lung and CT-Brain, so that choosing the same preset in Slicer
# shows the user exactly what the model sees. The paper names bone windowing (section on preprocessing) without its
# limits. A new one is an entry here: command line, panel and documentation show it.
WINDOWS = {
    "bone": Window.centre_width(400, 1000),
    "soft tissue": Window.centre_width(40, 350),
    "lung": Window.centre_width(-500, 1400),
    "brain": Window.centre_width(50, 100),
}


def to_unit(voxels: np.ndarray, window: Window, clahe: bool = False) -> np.ndarray:
    """Map HU to what the model sees.

    CLAHE comes after the window, in three dimensions on the whole array (scikit-image ``equalize_adapthist``, tiles of
    an eighth of each axis, clip limit 0.01), so that slices along every axis show the same intensities. scikit-image is
    needed for this choice only: SimpleITK's adaptive equalisation does not limit contrast.

    Args:
        voxels: HU, of any shape; they are not changed.
        window: what becomes 0 and 1.
        clahe: whether contrast is evened out.

    Returns:
        float32 in 0..1; zeros for a constant array with ``Window.min_max``.

    Raises:
        InputError: CLAHE is asked for and scikit-image is not installed.
    """
    unit = np.array(voxels, dtype=np.float32)
    unit -= np.float32(window.lower)
    unit /= np.float32(window.upper - window.lower)
    np.clip(unit, 0.0, 1.0, out=unit)
    if not clahe or unit.min() == unit.max():
        return unit
    try:
        from skimage.exposure import equalize_adapthist
    except ImportError as error:
        raise InputError(
            _("CLAHE needs the Python package scikit-image: install it, or choose a window alone.")
        ) from error
    equalized: np.ndarray = equalize_adapthist(unit)
    return equalized.astype(np.float32)
