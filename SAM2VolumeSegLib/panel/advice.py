"""How good a set of painted slices is, and which slice would help most next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.panel.finished import is_finished, longest_run
from SAM2VolumeSegLib.panel.seed_table import place_text
from SAM2VolumeSegLib.seeds.painted import painted_box
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume

ENOUGH = 3  # painted slices per axis: `study run painting` measures one, three and nine slices in all
MIN_STRETCH = 4  # slices without paint, below which another painted one adds nothing


class Quality(Enum):
    """How good a set is; the value is the colour that the panel shows beside the words."""

    NOTHING = "#9e9e9e"
    POOR = "#e53935"
    START = "#fb8c00"
    GOOD = "#c0ca33"
    BEST = "#43a047"


@dataclass(frozen=True)
class Advice:
    """What is said about a set of painted slices, in two short lines.

    Attributes:
        sentence: how good the set is.
        quality: the same as a colour.
        next: plane and index of the slice to paint next; None when nothing more is asked for.
        then: which slice that is, in words.
        reason: for who wants to know: what would be better, and what will happen without it.
    """

    sentence: str
    quality: Quality
    next: tuple[Plane, int] | None = None
    then: str = ""
    reason: str = ""


def advise(
    seeds: Sequence[SeedSlice],
    volume: Volume,
    planes: Sequence[Plane] = tuple(Plane),
    preferred: Plane | None = None,
) -> Advice:
    """Judge the seeds of one segment and name the slice to paint next.

    First each axis gets one painted slice, through the middle of what is painted; then each a second and a third, in
    the middle of its longest stretch without paint: three lie about a quarter, half and three quarters of the way.
    Inside, a slice tells more than at an end, and nobody has to find the ends. Where these are is taken from what is
    painted on the other axes; with paint on one axis alone, from its size.

    Args:
        seeds: those in use, absent ones included.
        volume: the CT.
        planes: the axes that are switched on.
        preferred: the plane of the view that the user works in, which comes first among planes with as few slices.

    Returns:
        A sentence about the set, and the slice that would help most.
    """
    painted = [seed for seed in seeds if not seed.absent]
    if not painted:
        return Advice(_("Nothing is painted yet. Paint the structure on one slice, in any view."), Quality.NOTHING)
    if is_finished(painted):
        text = _("{n} slices in a row are painted: this looks finished.").format(n=longest_run(painted))
        return Advice(text, Quality.NOTHING)
    counts = {plane: sum(seed.plane is plane for seed in painted) for plane in Plane}
    quality, sentence, reason = _judge(counts, planes)
    for plane in sorted(planes, key=lambda plane: (counts[plane], plane is not preferred)):  # else as in `planes`
        found = _next_on(plane, seeds, painted, volume) if counts[plane] < ENOUGH else None
        if found is not None:
            place = f"{plane.value} {place_text(volume, plane, found)}".replace(" ", "\u00a0")  # kept on one line
            then = _("Paint first: {place}") if len(painted) == 1 else _("Next: {place}")
            return Advice(sentence, quality, (plane, found), then.format(place=place), reason)
    return Advice(sentence, quality, reason=reason)


def _counts_text(counts: dict[Plane, int]) -> str:
    return ", ".join(f"{count} {plane.value}" for plane, count in counts.items() if count)


def _judge(counts: dict[Plane, int], planes: Sequence[Plane]) -> tuple[Quality, str, str]:
    """Return how good the set is, that in words, and what there is to know about it."""
    each, fewest = _counts_text(counts), min((counts[plane] for plane in planes), default=0)
    if sum(counts.values()) == 1 and len(planes) > 1:
        return (
            Quality.POOR,
            _("One slice: may leak into neighbours."),
            _(
                "One painted slice says where a structure is and not where it ends: the result goes on until the "
                "structure seems to end, also into a neighbour that touches. One slice in each view tells them apart."
            ),
        )
    if fewest >= ENOUGH:
        return Quality.BEST, _("As good as it gets: {each}.").format(each=each), ""
    if fewest and len(planes) > 1:
        return Quality.GOOD, _("Good: {each}.").format(each=each), _("Best are three on each axis.")
    sentence = _("A start: {each}.").format(each=each)
    if len(planes) > 1:
        return Quality.START, sentence, _("Much better is one slice on each axis.")
    return Quality.START, sentence, _("Better are three slices: a quarter, half and three quarters of the way.")


def _next_on(plane: Plane, seeds: Sequence[SeedSlice], painted: Sequence[SeedSlice], volume: Volume) -> int | None:
    """Return the slice to paint next on an axis: in the middle of its longest stretch; None where none is long."""
    own = sorted(seed.index for seed in painted if seed.plane is plane)
    first, last = _extent(own, painted, plane, volume)
    if not own:
        return (first + last) // 2
    absent = [seed.index for seed in seeds if seed.plane is plane and seed.absent]
    first = max([first, *(index + 1 for index in absent if index < own[0])])
    last = min([last, *(index - 1 for index in absent if index > own[-1])])
    before, after = max(pairwise([first, *own, last]), key=lambda stretch: stretch[1] - stretch[0])
    return (before + after) // 2 if after - before >= MIN_STRETCH else None


def _extent(own: Sequence[int], painted: Sequence[SeedSlice], plane: Plane, volume: Volume) -> tuple[int, int]:
    """First and last slice of the structure along an axis, as far as the paint tells."""
    view, box = volume.view(plane), painted_box(painted, volume)
    if any(seed.plane is not plane for seed in painted):
        return box.lower[view.axis], box.upper[view.axis] - 1
    # Nothing shows it: as long as it is wide.
    widths = [
        n * mm for axis, (n, mm) in enumerate(zip(box.shape, volume.spacing[::-1], strict=True)) if axis != view.axis
    ]
    half = max(1, round(sum(widths) / 4 / view.slice_mm))
    centre = (own[0] + own[-1]) // 2
    return max(0, min(own[0], centre - half)), min(view.count - 1, max(own[-1], centre + half))
