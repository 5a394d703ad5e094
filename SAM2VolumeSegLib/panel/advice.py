"""How good a set of painted slices is, and which slice would help most next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.panel.seed_table import position_text
from SAM2VolumeSegLib.seeds.painted import is_painted, painted_box
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume

ENOUGH = 3  # painted slices per axis: nine on three axes beat nine on one in the paper (Dice 0.866, 0.857)
END_SHARE = 0.1  # of the structure's extent: closer than this to an end counts as painted at the end
MIN_END_MM = 3.0
MIN_GAP = 2  # slices between two seeds below which another one adds nothing


@dataclass(frozen=True)
class Advice:
    """What is said about a set of painted slices.

    Attributes:
        sentence: how good the set is.
        next: plane and index of the slice to paint next; None when nothing more is asked for.
        reason: why that slice helps.
    """

    sentence: str
    next: tuple[Plane, int] | None = None
    reason: str = ""


def advise(seeds: Sequence[SeedSlice], volume: Volume, planes: Sequence[Plane] = tuple(Plane)) -> Advice:
    """Judge the seeds of one segment and name the slice to paint next.

    An axis is completed in the order end, other end, middle of the largest gap, until it has three painted slices; then
    comes the next axis. Ends are taken from what is painted on the other axes; with a single painted slice, where its
    size suggests them.

    Args:
        seeds: those in use, absent ones included.
        volume: the CT.
        planes: the axes that are switched on.

    Returns:
        A sentence about the set, and the slice that would help most.
    """
    painted = [seed for seed in seeds if not seed.absent]
    if not painted:
        return Advice(_("Nothing is painted yet. Paint the structure on one slice, in any view."))
    counts = {plane: sum(seed.plane is plane for seed in painted) for plane in Plane}
    sentence = f"{_counts_text(counts)} {_quality(counts, planes)}"
    for plane in sorted(planes, key=lambda plane: -counts[plane]):  # stable: axial, coronal, sagittal
        found = _next_on(plane, seeds, painted, volume)
        if found is not None:
            position = position_text(volume, plane, found.index).replace(" ", "\u00a0")  # kept on one line
            reason = _("Paint next: the {plane} slice at {position}, {reason}.").format(
                plane=plane.value, position=position, reason=found.reason
            )
            return Advice(sentence, (plane, found.index), reason)
    return Advice(sentence)


def _counts_text(counts: dict[Plane, int]) -> str:
    total = sum(counts.values())
    each = ", ".join(f"{count or 'no'} {plane.value}" for plane, count in counts.items())
    if total == 1:
        return _("1 painted slice: {each}.").format(each=each)
    return _("{total} painted slices: {each}.").format(total=total, each=each)


def _quality(counts: dict[Plane, int], planes: Sequence[Plane]) -> str:
    complete = sum(counts[plane] >= ENOUGH for plane in planes)
    if complete == len(planes) == len(Plane):
        return _("As good as it gets: three or more on each axis, which the paper found best.")
    if complete:
        return _("Good. Best is three on each of the three axes.")
    if max(counts.values()) >= 2:
        return _("Enough to try. Better: first, middle and last slice of the structure.")
    return _("A start. Better: first, middle and last slice of the structure.")


@dataclass(frozen=True)
class _Next:
    """A slice of an axis that is worth painting, and why."""

    index: int
    reason: str


def _next_on(plane: Plane, seeds: Sequence[SeedSlice], painted: Sequence[SeedSlice], volume: Volume) -> _Next | None:
    """Find the slice to paint next on an axis; None when the axis is complete."""
    view = volume.view(plane)
    own = sorted(seed.index for seed in painted if seed.plane is plane)
    others = [seed for seed in painted if seed.plane is not plane]
    extent = None
    if is_painted(others):
        box = painted_box(others, volume)
        extent = box.lower[view.axis], box.upper[view.axis] - 1
    if not own:
        if extent is None:
            return None
        return _Next(sum(extent) // 2, _("through the middle, as the first one on this axis"))
    if len(own) >= ENOUGH:
        return None
    start, stop = extent or _guessed_ends(own, painted, plane, volume)
    tolerance = max(END_SHARE * (stop - start) * view.slice_mm, MIN_END_MM)
    first, last = min(own), max(own)
    absent = [seed.index for seed in seeds if seed.plane is plane and seed.absent]
    missing = {}  # slices from the last seed to an end without one, by that end
    if not any(index < first for index in absent) and (first - start) * view.slice_mm > tolerance:
        missing[start] = first - start
    if not any(index > last for index in absent) and (stop - last) * view.slice_mm > tolerance:
        missing[stop] = stop - last
    if missing:
        end = max(missing, key=lambda end: (missing[end], end))
        if extent is None:
            return _Next(end, _("near the end of the structure: look around"))
        return _Next(end, _("at the end of the structure"))
    gaps = {before: after - before for before, after in zip(own, own[1:], strict=False)}
    if not gaps or max(gaps.values()) <= MIN_GAP:
        return None
    before = max(gaps, key=lambda before: (gaps[before], before))
    return _Next(before + gaps[before] // 2, _("in the largest gap"))


def _guessed_ends(own: Sequence[int], painted: Sequence[SeedSlice], plane: Plane, volume: Volume) -> tuple[int, int]:
    """With one painted slice the structure is taken to be as long as it is wide there; with more they are the ends."""
    if len(own) > 1:
        return min(own), max(own)
    (index,) = own
    view = volume.view(plane)
    mask = next(seed.mask for seed in painted if seed.plane is plane)
    rows, cols = np.nonzero(mask)
    width_mm = (np.ptp(rows) + 1) * view.row_mm / 2 + (np.ptp(cols) + 1) * view.col_mm / 2
    half = max(1, round(width_mm / 2 / view.slice_mm))
    return max(0, index - half), min(view.count - 1, index + half)
