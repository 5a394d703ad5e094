"""What the section "Review" lists: a line for each segment, and one for each suspect."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.panel.seed_table import place_text
from SAM2VolumeSegLib.volume.volume import Volume

if TYPE_CHECKING:  # scipy takes a moment: not for a panel that is only opened
    from SAM2VolumeSegLib.review import Comparison, ExpectedDice, Review, SegmentReview, Suspect, Verdict

BAR_FROM = 0.5
"""Where the bar of a Dice begins; it ends at 1. Below, there is nothing to tell apart."""


class Column(NamedTuple):
    """The column of the segments' Dice.

    Attributes:
        title: which Dice it is.
        tip: what it means.
    """

    title: str
    tip: str


EXPECTED = Column(
    _("Expected Dice"),
    _(
        "How good each segment is expected to be: the Dice that a person's outline would give, and the range in which "
        "nine of ten true values should lie."
    ),
)
AGREEMENT = Column(
    _("Dice with what was propagated"),
    _(
        "How far each segment agrees with what its own slices lead to, 1 being perfect. It is no estimate of how good "
        "the segment is."
    ),
)


class SegmentLine(NamedTuple):
    """A segment.

    Attributes:
        name: of the segment.
        dice: the expected one with its range; in an audit, that with what was propagated, which has none.
        bar: lower end, Dice and upper end, 0..1 of the bar; None: there is nothing to draw.
        suspects: how many there are, and how many of them are ticked off.
        verdict: of the user.
    """

    name: str
    dice: str
    bar: tuple[float, float, float] | None
    suspects: str
    verdict: str


class SuspectLine(NamedTuple):
    """A suspect.

    Attributes:
        key: by which it is known again when the same list is made once more.
        slice: the slice to correct.
        size: expected volume of wrong voxels.
        why: whether it is too much or missing, and the weightiest reason.
        tip: all that is known of it.
        seen: whether it was gone to.
        ticked: whether the user has ticked it off.
    """

    key: str
    slice: str
    size: str
    why: str
    tip: str
    seen: bool
    ticked: bool


def segment_lines(
    review: Review,
    suspects: Mapping[str, Sequence[Suspect]],
    ticked: Collection[str],
    verdicts: Mapping[str, Verdict],
    propagated: Comparison | None = None,
) -> list[SegmentLine]:
    """A line for each segment, in their order.

    Args:
        review: of them.
        suspects: that are listed, by name.
        ticked: keys of suspects.
        verdicts: by name of a segment; one may have none.
        propagated: of an audit, the segments beside what was propagated from their own slices; None: no audit.
    """
    lines = []
    for name, own in review.segments.items():
        done = sum(suspect_key(suspect) in ticked for suspect in suspects[name])
        text = _("{count}, {done} done") if done else "{count}"
        count = text.format(count=len(suspects[name]), done=done)
        verdict = verdict_text(verdicts[name]) if name in verdicts else ""
        dice, bar = _expected(own.expected) if propagated is None else _agreement(propagated, name)
        lines.append(SegmentLine(name, dice, bar, count, verdict))
    return lines


def _expected(expected: ExpectedDice) -> tuple[str, tuple[float, float, float]]:
    text = _("{dice:.2f} ({lower:.2f} to {upper:.2f})").format(**expected._asdict())
    return text, (_on_bar(expected.lower), _on_bar(expected.dice), _on_bar(expected.upper))


def _agreement(propagated: Comparison, name: str) -> tuple[str, tuple[float, float, float] | None]:
    compared = propagated.segments.get(name)
    if compared is None:
        return "-", None
    at = _on_bar(compared.agreement.dice)
    return f"{compared.agreement.dice:.3f}", (at, at, at)


def _on_bar(dice: float) -> float:
    return min(max((dice - BAR_FROM) / (1 - BAR_FROM), 0.0), 1.0)


def suspect_lines(
    suspects: Sequence[Suspect], volume: Volume, seen: Collection[str], ticked: Collection[str]
) -> list[SuspectLine]:
    """A line for each suspect, in their order.

    Args:
        suspects: of a segment.
        volume: the CT.
        seen: keys of those that were gone to.
        ticked: keys of those that were ticked off.
    """
    lines = []
    for suspect in suspects:
        key = suspect_key(suspect)
        where = f"{suspect.plane.value} {place_text(volume, suspect.plane, suspect.index)}"
        size = _("{volume:.0f} mm³").format(volume=suspect.wrong_mm3)
        why = suspect.headline[:1].upper() + suspect.headline[1:]
        text = _("{why}. About {size} are likely wrong. Correcting the {where} slice helps most.")
        if len(suspect.reasons) > 1:
            text = _("{why}. Also: {others}. About {size} are likely wrong. Correcting the {where} slice helps most.")
        tip = text.format(why=why, others="; ".join(suspect.reasons[1:]), size=size, where=where)
        lines.append(SuspectLine(key, where, size, why, tip, key in seen, key in ticked))
    return lines


def verdict_text(verdict: Verdict) -> str:
    """A verdict in a word and stars: "Accept ★★★★"."""
    from SAM2VolumeSegLib.review import DECISIONS

    return f"{DECISIONS.get(verdict.decision, '')} {'★' * verdict.stars}".strip()


def verdict_note(verdict: Verdict) -> str:
    """Who said it, when, and with what; nothing where nothing was said."""
    if not verdict.is_given:
        return ""
    return _("By {reviewer}, {time}, with {program}.").format(
        reviewer=verdict.reviewer or _("somebody who gave no name"), time=verdict.time, program=verdict.program
    )


def suspect_key(suspect: Suspect) -> str:
    """By what a suspect is known again: its segment, and where it lies."""
    r, a, s = suspect.centre
    return f"{suspect.segment} {r:.1f} {a:.1f} {s:.1f}"


def still_there(keys: Sequence[str], suspects: Mapping[str, Sequence[Suspect]]) -> list[str]:
    """Those of the keys that belong to suspects."""
    known = {suspect_key(suspect) for own in suspects.values() for suspect in own}
    return [key for key in keys if key in known]


def sentences(review: Review, name: str, audited: bool = False) -> list[str]:
    """What is said of a segment: what its name does not fit, and what its expected Dice stands on, or what is likely.

    Args:
        review: of it.
        name: of the segment.
        audited: whether slices were taken from the segmentation itself.
    """
    own = review.segments[name]
    said = list(own.remarks)
    if audited:
        said.append(
            _(
                "What is likely wrong is an estimate that was fitted to results of this program: here it says where to "
                "look first, and not how much is wrong."
            )
        )
        said += [] if review.check is None else review.check.sentences(name, audited)
    elif review.check is None:
        said.append(
            _(
                "Expected Dice is an estimate from synthetic CTs so far, not from this patient. The self-check leaves "
                "out each known slice in turn, and measures how well it is found again."
            )
        )
    else:
        said += review.check.sentences(name)
        if review.check.of(name) and not own.expected.measured:
            said.append(
                _(
                    "Expected Dice is still an estimate from synthetic CTs: with one slice on each axis, the "
                    "self-check cannot change it."
                )
            )
    return said + _of_shape(own)


def beside_reference(comparison: Comparison, name: str) -> str:
    """The figures of a segment beside a reference, or that it has none there."""
    compared = comparison.segments.get(name)
    if compared is None:
        return _("The reference has no counterpart of “{name}”.").format(name=name)
    return _(
        "Beside “{reference}” of the reference: Dice {dice:.3f}, IoU {iou:.3f}, HD95 {hausdorff95_mm:.1f} mm, mean "
        "surface distance {surface_mm:.2f} mm, volume {volume_difference_ml:+.1f} ml. The suspects are where they "
        "differ."
    ).format(reference=compared.reference_name, **compared.agreement._asdict())


def of_audit(comparison: Comparison, name: str) -> list[str]:
    """How far an audited segment agrees with what its own slices lead to, and what that means."""
    from SAM2VolumeSegLib.review import AGREEMENT_MEANS

    compared = comparison.segments.get(name)
    if compared is None:
        return [_("Nothing that was propagated from its slices touches “{name}”.").format(name=name)]
    text = _("Dice {dice:.3f} with what was propagated from its own slices.")
    return [text.format(dice=compared.agreement.dice), *AGREEMENT_MEANS]


def what_was_done(review: Review, is_audit: bool) -> list[str]:
    """Say in a report how its review was made.

    Args:
        review: that is reported.
        is_audit: whether slices were taken from the segmentation itself.
    """
    said = [_("Reviewed in 3D Slicer.")]
    if is_audit:
        text = _("Up to nine slices of each segment were taken from it as if they had been painted, and propagated.")
        said.append(text)
    if review.check is None:
        said.append(_("No slice was left out: the estimates are those of synthetic CTs."))
    return said


def _of_shape(own: SegmentReview) -> list[str]:
    """What is odd about the shape, in a sentence each."""
    shape, said = own.shape, []
    if shape.holes_ml:
        text = _("It has {count} closed holes, the largest of {ml:.2f} ml.")
        one = _("It has a closed hole of {ml:.2f} ml.")
        said.append((one if len(shape.holes_ml) == 1 else text).format(count=len(shape.holes_ml), ml=shape.holes_ml[0]))
    if shape.islands_ml:
        text = _("It has {count} loose parts, the largest of {ml:.2f} ml.")
        one = _("It has a loose part of {ml:.2f} ml.")
        count, largest = len(shape.islands_ml), shape.islands_ml[0]
        said.append((one if count == 1 else text).format(count=count, ml=largest))
    if shape.bridges:
        text = _("{ml:.1f} ml of it hang on a thin bridge.")
        said.append(text.format(ml=shape.bridges[0].beyond_ml))
    if shape.contacts:
        touched = ", ".join(
            _("{neighbour} ({area:.0f} mm²)").format(neighbour=contact.neighbour, area=contact.area_mm2)
            for contact in shape.contacts
        )
        said.append(_("It touches {neighbours}.").format(neighbours=touched))
    return said
