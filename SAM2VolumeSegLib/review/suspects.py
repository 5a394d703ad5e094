"""Regions where a result is most likely wrong, and the slice on which correcting it helps most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.review.likely_errors import LikelyErrors
from SAM2VolumeSegLib.seeds import SlicePlace
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane, PlaneView, Volume

REACH_MM = 6.0
"""How far beside a corrected slice errors go with it, about; a suspect is no thicker."""
LIKELY = 0.1
"""Chance from which on a voxel belongs to a suspect: three in four wrong voxels on tptbox's CT."""
LEAST_MM3 = 10.0
"""Expected wrong volume below which a region is not worth a look."""
MOSTLY = 3.0
"""From how many times as much on a region is called by the one kind of error alone."""

Sign = Literal["too much", "missing", "both"]
SIGNS: dict[Sign, str] = {"too much": _("too much"), "missing": _("missing"), "both": _("surface elsewhere")}
"""The kinds of an error in words."""


@dataclass(frozen=True, eq=False)
class Suspect:
    """A connected region that is likely wrong, as far as correcting one slice reaches.

    Attributes:
        segment: its name.
        region: its voxels.
        centre: where errors are densest, RAS in mm.
        wrong_mm3: expected volume of wrong voxels.
        sign: whether these are voxels that the mask has, "too much"; that it lacks, "missing"; or both.
        plane: on which correcting it helps most.
        index: of the slice of that plane.
        gain_mm3: wrong volume of the whole segment that correcting this slice is expected to save, see `gains`.
        reasons: in words, the weightiest first: "the axes disagree", "L4 claims it too".
    """

    segment: str
    region: BoxMask
    centre: tuple[float, float, float]
    wrong_mm3: float
    plane: Plane
    index: int
    gain_mm3: float
    sign: Sign
    reasons: tuple[str, ...] = field(default=())

    @property
    def headline(self) -> str:
        """What is wrong, and the weightiest reason: "too much: the axes disagree"."""
        return _("{sign}: {reason}").format(sign=SIGNS[self.sign], reason=self.reasons[0])


def sign_of(too_much: float, missing: float, mostly: float = MOSTLY) -> Sign:
    """What a region is called by the volumes of its two kinds of error.

    Args:
        too_much: of voxels that the mask has.
        missing: of voxels that it lacks.
        mostly: how many times as much one has to be, for the other not to count.
    """
    if too_much >= mostly * missing:
        return "too much"
    return "missing" if missing >= mostly * too_much else "both"


@dataclass(frozen=True)
class Gain:
    """What correcting a slice is expected to save.

    Attributes:
        plane: of the slice.
        index: of the slice in the volume's array.
        mm3: of the segment; to compare slices by, and no promise.
    """

    plane: Plane
    index: int
    mm3: float


def gains(volume: Volume, box: Box, to_gain: np.ndarray, known: Sequence[SlicePlace] = ()) -> list[Gain]:
    """What correcting each slice that meets a box is expected to save, the most first.

    On the slice all that is to be gained, beside it less, and nothing from `REACH_MM` on.

    Args:
        volume: the CT.
        box: voxels [k, j, i].
        to_gain: of each of its voxels, see `LikelyErrors`.
        known: slices that were painted: they are not suggested.
    """
    found, voxel_mm3 = [], float(np.prod(volume.spacing))
    for view in map(volume.view, Plane):
        saved = _beside(_along(to_gain, view), view) * voxel_mm3
        found += [
            Gain(view.plane, box.lower[view.axis] + n, float(mm3))
            for n, mm3 in enumerate(saved)
            if (view.plane, box.lower[view.axis] + n) not in known
        ]
    return sorted(found, key=lambda gain: -gain.mm3)


def suspects_of(
    segment: str, volume: Volume, errors: LikelyErrors, known: Sequence[SlicePlace] = (), at_most: int = 20
) -> list[Suspect]:
    """The regions of a segment that are most likely wrong, the largest expected wrong volume first.

    The slice that saves most is taken, and the likely errors that it reaches; then the slice that saves most of the
    rest, and so on.

    Args:
        segment: its name.
        volume: the CT.
        errors: the chance of each voxel; for a comparison with a reference 0 or 1.
        known: slices that were painted: they are not suggested.
        at_most: regions.
    """
    left, mask = np.where(errors.chance >= LIKELY, errors.chance, 0), errors.mask
    to_gain = errors.to_gain
    all_gains = {(gain.plane, gain.index): gain for gain in gains(volume, errors.box, to_gain, known)}
    voxel_mm3 = float(np.prod(volume.spacing))
    found: list[Suspect] = []
    while len(found) < at_most:
        best = next(iter(gains(volume, errors.box, left, known)), None)
        if best is None or (region := _region(volume, errors.box, left, best)) is None:
            break
        part = Box.of(region)
        inside, chance = region[part.slices], np.where(region, errors.chance, 0)[part.slices]
        wrong_mm3 = float(chance.sum(dtype=np.float64)) * voxel_mm3
        too_much_mm3 = float(chance[mask[part.slices]].sum(dtype=np.float64)) * voxel_mm3
        sign = sign_of(too_much_mm3, wrong_mm3 - too_much_mm3)
        if wrong_mm3 < LEAST_MM3:
            break
        left[part.slices][inside] = 0
        at = part.moved(errors.box.lower)
        # The slice that reaches most of this region; of the rest of the segment it corrects what there is.
        own = next(iter(gains(volume, at, np.where(inside, to_gain[part.slices], 0), known)), best)
        gain = all_gains[own.plane, own.index]
        where = BoxMask(volume.voxels.shape, at, inside)
        centre = _densest(volume, at, chance)
        found.append(Suspect(segment, where, centre, wrong_mm3, gain.plane, gain.index, gain.mm3, sign))
    return sorted(found, key=lambda suspect: -suspect.wrong_mm3)


def _along(values: np.ndarray, view: PlaneView) -> np.ndarray:
    """The sum of each slice."""
    return values.sum(axis=tuple({0, 1, 2} - {view.axis}), dtype=np.float64)


def _beside(sums: np.ndarray, view: PlaneView) -> np.ndarray:
    """What each slice saves of the sums of all slices."""
    away = np.arange(len(sums)) * view.slice_mm
    kernel = np.maximum(0, 1 - away / REACH_MM)
    kernel = kernel[: max(1, np.count_nonzero(kernel))]
    return np.convolve(sums, np.concatenate([kernel[:0:-1], kernel]), mode="full")[len(kernel) - 1 :][: len(sums)]


def _region(volume: Volume, box: Box, left: np.ndarray, gain: Gain) -> np.ndarray | None:
    """The likely errors in reach of a slice, of which the connected part that weighs most; None where there are none.

    A gap of two voxels does not part it: painted slices, on which nothing is wrong, cut through every surface.
    """
    view = volume.view(gain.plane)
    first = gain.index - box.lower[view.axis]
    width = int(REACH_MM / view.slice_mm)
    slab = tuple(
        slice(max(0, first - width), first + width + 1) if axis == view.axis else slice(None) for axis in range(3)
    )
    region = np.zeros(left.shape, dtype=bool)
    likely = left[slab] > 0
    if not likely.any():
        return None
    everywhere = np.ones((3, 3, 3), dtype=bool)
    parts, count = ndimage.label(ndimage.binary_dilation(likely, everywhere), everywhere)
    weights = ndimage.sum_labels(left[slab], parts, np.arange(1, count + 1))
    region[slab] = likely & (parts == 1 + int(np.argmax(weights)))
    return region


def _densest(volume: Volume, box: Box, chance: np.ndarray) -> tuple[float, float, float]:
    """Where errors are densest, RAS in mm; it is a voxel that is likely wrong."""
    smooth = ndimage.gaussian_filter(chance, [3.0 / mm for mm in volume.spacing[::-1]], mode="constant")
    k, j, i = np.unravel_index(int(np.argmax(np.where(chance > 0, smooth, -1))), chance.shape)
    at = (i + box.lower[2], j + box.lower[1], k + box.lower[0], 1)
    r, a, s = (volume.ijk_to_ras @ np.array(at, dtype=np.float64))[:3].tolist()
    return r, a, s
