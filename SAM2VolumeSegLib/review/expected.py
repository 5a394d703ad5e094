"""The Dice that a segment is expected to have."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from SAM2VolumeSegLib.review.error_model import ErrorModel
from SAM2VolumeSegLib.review.likely_errors import LikelyErrors

Z = 1.645
"""Standard deviations about the mean that hold nine of ten."""


class ExpectedDice(NamedTuple):
    """An estimate of a segment's Dice against a reference that nobody has drawn.

    Attributes:
        dice: 0..1.
        lower: of the interval that should hold the true one in nine of ten cases.
        upper: likewise.
        measured: whether slices of this patient were left out and compared; else it is what phantoms are like.
    """

    dice: float
    lower: float
    upper: float
    measured: bool


def expected_dice(errors: LikelyErrors, model: ErrorModel) -> ExpectedDice:
    """From the chance of each voxel: Dice where so many voxels are too much, and so many are missed.

    The interval is that of a wrong volume which is larger or smaller than expected by the factor that structures
    differ.

    Args:
        errors: of the segment.
        model: that they were computed with.
    """
    mask = errors.mask
    size = float(np.count_nonzero(mask))
    surplus, missed = (float(errors.chance[where].sum(dtype=np.float64)) for where in (mask, ~mask))

    def dice(factor: float) -> float:
        too_much, too_few = min(size, factor * surplus), factor * missed
        both = 2 * size - too_much + too_few
        return 2 * (size - too_much) / both if both else 0.0

    factor = math.exp(Z * model.log_ratio_sd)
    return ExpectedDice(dice(1.0), dice(factor), dice(1 / factor), model.slices > 0)
