"""Seeds cut from a reference mask, as the paper simulates the user (arXiv:2603.23116, sections II-B and III-A)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice
from SAM2VolumeSegLib.volume.planes import Plane, PlaneView
from SAM2VolumeSegLib.volume.volume import Volume

STRATEGIES = {
    "middle": 1,
    "first-last": 2,
    "first-middle-last": 3,
    "quarters": 3,
    "uniform-5": 5,
    "uniform-7": 7,
    "uniform-9": 9,
}
"""Prompt strategies, and the number of slices per plane. They are the paper's (table V; nine in figure 3d), but for
"quarters", which is this project's. Any other ``uniform-n`` with n >= 2 is understood as well."""


def simulate_seeds(
    reference: np.ndarray, volume: Volume, strategy: str, planes: Sequence[Plane] = (Plane.AXIAL,)
) -> list[SeedSlice]:
    """Cut seeds from a reference mask, the same number on each plane.

    The first and the last are those, forward along the plane's normal, that hold reference voxels; the others are
    evenly spaced between them, rounded to whole slices (halves forward). "quarters" are the slices a quarter, half and
    three quarters of the way from the first to the last: a user who never looked for the ends.

    No slice is given twice, so a structure with fewer slices than asked for gives all of its slices. A slice on which
    a structure in several pieces happens to be missing is given as "absent here"; only the one of "middle" moves to
    the nearest slice with the structure.

    Args:
        reference: bool (or 0 and non-zero) ``[k, j, i]`` on the grid of ``volume``.
        volume: the CT.
        strategy: a name of ``STRATEGIES`` or ``"uniform-n"``.
        planes: the planes to cut, in this order.

    Returns:
        Seeds plane by plane, forward along each plane's normal.

    Raises:
        InputError: empty reference, reference on another grid, or unknown strategy.
    """
    count = _count(strategy)
    reference = np.asarray(reference) != 0
    if reference.shape != volume.voxels.shape:
        raise InputError(
            _('The reference mask is not on the grid of "{volume}". Resample it to that volume.').format(
                volume=volume.name
            )
        )
    if not reference.any():
        raise InputError(
            _("The reference mask is empty, so no seeds can be cut from it. Choose a structure that is in this CT.")
        )
    return [
        SeedSlice(view.plane, index, view.slice(reference, index).copy())
        for view in (volume.view(plane) for plane in planes)
        for index in _indices(view, reference, count, ends=strategy != "quarters")
    ]


def _count(strategy: str) -> int:
    """Return the number of slices per plane of a strategy by name."""
    match = re.fullmatch(r"uniform-([1-9]\d*)", strategy)
    count = STRATEGIES.get(strategy) or (int(match[1]) if match else 0)
    if not count or (match and count < 2):
        raise InputError(
            _('There is no prompt strategy "{strategy}". Choose one of {strategies}.').format(
                strategy=strategy, strategies=", ".join(STRATEGIES)
            )
        )
    return count


def _indices(view: PlaneView, reference: np.ndarray, count: int, ends: bool) -> list[int]:
    """Return up to ``count`` slice indices, forward, from the first to the last slice that holds reference voxels.

    Args:
        view: the plane.
        reference: bool [k, j, i].
        count: how many.
        ends: whether these two are among them; else the slices are as far from them as from each other.
    """
    others = tuple({0, 1, 2} - {view.axis})
    filled = np.flatnonzero(np.any(reference, axis=others)[np.array(view.order)])
    if count == 1:
        middle = (filled[0] + filled[-1]) / 2
        # Of two equally near slices the forward one, as rounding does.
        positions = np.array([min(filled[::-1], key=lambda position: abs(position - middle))])
    else:
        even = np.linspace(filled[0], filled[-1], count if ends else count + 2)
        positions = np.unique(np.floor((even if ends else even[1:-1]) + 0.5).astype(int))
    return [view.order[position] for position in positions]
