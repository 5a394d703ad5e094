"""How good a set of painted slices is, and which slice would help most next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.panel.finished import is_finished, longest_run
from SAM2VolumeSegLib.panel.next_slice import ENOUGH, next_slice
from SAM2VolumeSegLib.panel.seed_table import place_text
from SAM2VolumeSegLib.seeds.choose import SlicePlace
from SAM2VolumeSegLib.seeds.seed_slice import SeedSlice
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegLib.volume.volume import Volume


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
    suggested: Sequence[SlicePlace] = (),
) -> Advice:
    """Judge the seeds of one segment and name the slice to paint next.

    Args:
        seeds: those in use, absent ones included.
        volume: the CT.
        planes: the axes that are switched on.
        preferred: the plane of the view that the user works in, which comes first among planes with as few slices.
        suggested: by the review of the last result, the best first: slices where it is likely wrong. Once each axis has
            one they come before what the paint alone says, for they are worth more (`study run review`).

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
    known = {(seed.plane, seed.index) for seed in seeds}
    place = next((one for one in suggested if one not in known and one[0] in planes), None)
    if place is not None and all(counts[plane] for plane in planes):
        then = _("Next: {place}, likely wrong there")
        if quality is Quality.BEST:  # as far as the paint tells: the result can still become better
            sentence = _("Well painted: {each}.").format(each=_counts_text(counts))
    else:
        place = next_slice(seeds, volume, planes, preferred)
        then = _("Paint first: {place}") if len(painted) == 1 else _("Next: {place}")
    if place is None:
        return Advice(sentence, quality, reason=reason)
    where = f"{place[0].value} {place_text(volume, *place)}".replace(" ", "\u00a0")  # kept on one line
    return Advice(sentence, quality, place, then.format(place=where), reason)


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
