"""The chance that a voxel is wrong: logistic in a few numbers, fitted to phantoms, then to the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from SAM2VolumeSegLib.review import prior

SLICE_COUNTS = 20.0
"""As how many independent voxels a slice that was left out counts: its neighbours are wrong together."""
ENOUGH = 9
"""Slices after which wrong volumes lie as near to what is expected as after the self-checks of phantoms."""
LEVEL_SD, SLOPE_SD = 0.5, 0.2
"""How far patients are taken to differ from phantoms before any slice was left out: the log odds of an error by a
constant, and by a factor about 1."""

Looked = tuple[np.ndarray, np.ndarray]
"""Voxels of which the truth is known: values [n, features], and whether each is wrong, bool [n]."""


@dataclass(frozen=True)
class ErrorModel:
    """The log odds of an error: a constant and a weighted sum.

    Attributes:
        weights: the constant, and one of each number.
        log_ratio_sd: how far the logarithm of a structure's wrong volume lies from that of what is expected.
        slices: that it was fitted to on this patient.
    """

    weights: tuple[float, ...]
    log_ratio_sd: float
    slices: int = 0

    def odds(self, values: np.ndarray) -> np.ndarray:
        """The log odds of an error, float32 [n], from values [n, features]."""
        odds: np.ndarray = values @ np.asarray(self.weights[1:], dtype=np.float32) + np.float32(self.weights[0])
        return odds

    def chance(self, values: np.ndarray) -> np.ndarray:
        """The chance of voxels to be wrong, float32 [n] in 0..1, from values [n, features]."""
        return (1 / (1 + np.exp(-self.odds(values)))).astype(np.float32)


PRIOR = ErrorModel(prior.WEIGHTS, prior.LOG_RATIO_SD)
"""What phantoms say."""


def calibrated(slices: Sequence[Looked], before: ErrorModel = PRIOR) -> ErrorModel:
    """The model for a patient, from slices that were left out; without any, what was known before.

    Two numbers are fitted: how much likelier errors are than on phantoms, and by how much more the evidence tells. The
    order of voxels stays, so a patient with few slices cannot turn the evidence around.
    """
    slices = [(values, wrong) for values, wrong in slices if len(wrong)]
    if not slices:
        return before
    level, slope = most_probable(
        [(before.odds(values)[:, None], wrong) for values, wrong in slices],
        SLICE_COUNTS,
        np.array([0.0, 1.0]),
        np.array([LEVEL_SD, SLOPE_SD]),
    )
    slope = max(slope, 0.1)
    sd = prior.LOG_RATIO_SD_CHECKED if len(slices) >= ENOUGH else before.log_ratio_sd
    weights = (level + slope * before.weights[0], *(slope * weight for weight in before.weights[1:]))
    return replace(before, weights=tuple(map(float, weights)), slices=len(slices), log_ratio_sd=sd)


def most_probable(groups: Sequence[Looked], counts: float, before: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Weights of a logistic regression, by Newton's method.

    Args:
        groups: of voxels; those of one group are wrong together.
        counts: as how many voxels each group counts at most.
        before: means of the weights before anything was looked at, the constant first.
        deviation: their standard deviations; they are taken to be normal and independent.

    Returns:
        The most probable weights.
    """
    values = np.concatenate([each for each, _wrong in groups]).astype(np.float64)
    values = np.column_stack([np.ones(len(values)), values])
    wrong = np.concatenate([each for _values, each in groups]).astype(np.float64)
    share = np.concatenate([np.full(len(each), min(1.0, counts / len(each))) for _values, each in groups])
    weights, precision = before.astype(np.float64), np.diag(1 / np.square(deviation))
    for _ in range(100):
        chance = 1 / (1 + np.exp(-np.clip(values @ weights, -30, 30)))
        slope = values.T @ (share * (wrong - chance)) - precision @ (weights - before)
        curve = (values * (share * chance * (1 - chance))[:, None]).T @ values + precision
        step = np.linalg.solve(curve, slope)
        weights = weights + step * min(1.0, 1.0 / max(np.abs(step).max(), 1e-12))  # not far from where it was computed
        if np.abs(step).max() < 1e-6:
            break
    return weights
