"""Files give places in LPS (to the left, backwards, up), and this program in RAS (to the right, forwards, up)."""

from __future__ import annotations

import numpy as np

_MIRROR = np.diag([-1.0, -1.0, 1.0, 1.0])


def lps_to_ras(matrix: np.ndarray) -> np.ndarray:
    """Return a 4x4 matrix from voxel indices to RAS for one to LPS."""
    return _MIRROR @ matrix


def ras_to_lps(matrix: np.ndarray) -> np.ndarray:
    """Return a 4x4 matrix from voxel indices to LPS for one to RAS."""
    return _MIRROR @ matrix
