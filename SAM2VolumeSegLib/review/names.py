"""Do the names of segments fit their places? Left and right, and the levels of a spine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.volume import BoxMask, Volume

_LEVEL = re.compile(r"(?<![A-Za-z0-9])([CTLS])[ _-]?(\d{1,2})(?![A-Za-z0-9])", re.IGNORECASE)
_SIDE = re.compile(r"(?<![A-Za-z])(left|right)(?![A-Za-z])", re.IGNORECASE)


def mix_ups(volume: Volume, segments: Mapping[str, BoxMask]) -> dict[str, tuple[str, ...]]:
    """Say which names do not fit where their segments lie.

    Args:
        volume: the CT.
        segments: masks by name, as in "L3", "vertebrae_T12", "rib_left_5", "Femur right".

    Returns:
        Sentences by name; nothing for those whose name says nothing.
    """
    centres = {name: _centre(volume, found) for name, found in segments.items() if found.inside.any()}
    said: dict[str, list[str]] = {}
    levels = sorted((level, name) for name in centres if (level := _level(name)) is not None)
    for (level, upper), (below, lower) in pairwise(levels):
        if level < below and centres[upper][2] < centres[lower][2]:
            text = _('"{upper}" lies below "{lower}". Are their names mixed up?').format(upper=upper, lower=lower)
            for name in (upper, lower):
                said.setdefault(name, []).append(text)
    sides: dict[str, dict[str, str]] = {}
    for name in centres:
        if (found := _SIDE.search(name)) is not None:
            sides.setdefault(_SIDE.sub("", name, count=1).lower(), {})[found[1].lower()] = name
    for pair in sides.values():
        if len(pair) == 2 and centres[pair["left"]][0] > centres[pair["right"]][0]:
            text = _('"{left}" lies further to the right than "{right}". Are their names mixed up?').format(**pair)
            for name in pair.values():
                said.setdefault(name, []).append(text)
    return {name: tuple(texts) for name, texts in said.items()}


def _level(name: str) -> tuple[int, int] | None:
    """Where a vertebra is in the spine, from above; None for other names."""
    found = _LEVEL.search(name)
    return None if found is None else ("CTLS".index(found[1].upper()), int(found[2]))


def _centre(volume: Volume, found: BoxMask) -> np.ndarray:
    """The mean place of a mask, RAS in mm."""
    k, j, i = (along.mean() + first for along, first in zip(np.nonzero(found.inside), found.box.lower, strict=True))
    centre: np.ndarray = (volume.ijk_to_ras @ np.array([i, j, k, 1.0]))[:3]
    return centre
