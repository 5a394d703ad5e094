"""Which slices to paint next: those on which correcting a result is expected to save most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from SAM2VolumeSegLib.review.likely_errors import LikelyErrors
from SAM2VolumeSegLib.review.suspects import REACH_MM, Gain, gains
from SAM2VolumeSegLib.seeds import SlicePlace
from SAM2VolumeSegLib.volume import Volume

AHEAD = 9
"""Slices that are named: three of each axis. Who has painted so many propagates again, and is told anew."""


def to_mend(volume: Volume, errors: LikelyErrors, known: Sequence[SlicePlace] = ()) -> tuple[Gain, ...]:
    """Return the slices to paint next, the first one first.

    The slice that saves most is taken; then the one that saves most of what is left once the errors near the first are
    gone, and so on. `study run review` measures what the first is worth, and what comes of painting three, each after a
    new run.

    Args:
        volume: the CT.
        errors: of a segment.
        known: slices that were painted.
    """
    left, known = errors.to_gain.copy(), list(known)
    found: list[Gain] = []
    while len(found) < AHEAD:
        best = next(iter(gains(volume, errors.box, left, known)), None)
        if best is None or best.mm3 <= 0:
            break
        found.append(best)
        known.append((best.plane, best.index))
        view = volume.view(best.plane)
        away = np.abs(np.arange(errors.box.lower[view.axis], errors.box.upper[view.axis]) - best.index) * view.slice_mm
        stays = np.minimum(away / REACH_MM, 1).astype(np.float32)
        left *= stays.reshape([-1 if axis == view.axis else 1 for axis in range(3)])
    return tuple(found)
