"""The part of a page that is about one segment: its shape, its suspects, and where it differs from a reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.report.content import Report
from SAM2VolumeSegLib.report.markup import bullets, millilitres, paragraph, sentence
from SAM2VolumeSegLib.report.picture import Outline, SlicePicture
from SAM2VolumeSegLib.review import SegmentReview, Suspect
from SAM2VolumeSegLib.seeds import point_text, position_text

PICTURES = 10
"""Of the suspects of a segment; all of them are in ``suspects.csv``."""
REASONS = 3
"""Of a suspect that are read at once; the rest can be unfolded."""


def segment_part(report: Report, number: int, name: str) -> Iterator[str]:
    """Return what a page says of a segment, piece by piece.

    Args:
        report: what it is about.
        number: of the segment on the page, for addresses.
        name: of the segment.
    """
    segment = report.review.segments[name]
    if report.review.check is not None and report.review.check.of(name):
        said = report.review.check.sentences(name, report.is_audit)
        yield from map(paragraph, said[:-1])  # the last one says what it means
    yield bullets(_shape(report, segment))
    if not segment.suspects:
        yield paragraph(_("No region stands out as likely wrong."))
    yield from _suspects(report, segment, segment.suspects, f"suspect-{number}")
    compared = report.reference.segments.get(name) if report.reference else None
    if compared is None:
        return
    heading = _("Where {segment} differs from the reference ({reference})")
    yield f"<h3>{escape(heading.format(segment=name, reference=compared.reference_name))}</h3>"
    if not compared.suspects:
        yield paragraph(_("Nowhere by more than a voxel here and there."))
    yield from _suspects(report, segment, compared.suspects, f"difference-{number}", certain=True)


def _suspects(
    report: Report,
    segment: SegmentReview,
    suspects: Sequence[Suspect],
    anchor: str,
    certain: bool = False,
) -> Iterator[str]:
    """The largest ones with their pictures, and how many more there are."""
    shown = [
        _suspect(report, segment, suspect, f"{anchor}-{rank}", rank, certain)
        for rank, suspect in enumerate(suspects[:PICTURES], 1)
    ]
    if shown:
        yield f'<div class="suspects">{"".join(shown)}</div>'
    if (more := len(suspects) - PICTURES) > 0:
        yield paragraph(_("{count} smaller ones are listed in suspects.csv.").format(count=more), "soft")


def _shape(report: Report, segment: SegmentReview) -> Iterator[str]:
    shape, best = segment.shape, segment.next
    if best is not None:
        where = f"{best.plane.value} {position_text(report.volume, best.plane, best.index)}"
        text = _(
            "Correcting {where} (slice {index}) helps most: it is expected to save {volume:.0f} mm³ in the whole "
            "structure."
        )
        yield text.format(where=where, index=best.index, volume=best.mm3)
    yield _("Volume: {volume}.").format(volume=millilitres(shape.volume_ml))
    if shape.holes_ml:
        sizes = ", ".join(map(millilitres, shape.holes_ml))
        yield _("Closed holes: {count} ({sizes}).").format(count=len(shape.holes_ml), sizes=sizes)
    if shape.islands_ml:
        sizes = ", ".join(map(millilitres, shape.islands_ml))
        yield _("Loose parts beside the largest: {count} ({sizes}).").format(count=len(shape.islands_ml), sizes=sizes)
    for bridge in shape.bridges:
        yield _("A thin bridge holds on to a part of {volume}.").format(volume=millilitres(bridge.beyond_ml))
    for places, text in (
        (shape.jumps, _("The area jumps at {where}.")),
        (shape.cuts, _("It ends abruptly at {where}.")),
    ):
        if places:
            yield text.format(where=", ".join(f"{p.value} {position_text(report.volume, p, n)}" for p, n in places))
    for contact in shape.contacts:
        text = _("Touches {neighbour} on {area:.0f} mm².")
        yield text.format(neighbour=contact.neighbour, area=contact.area_mm2)
    yield from segment.remarks


def _suspect(
    report: Report,
    segment: SegmentReview,
    suspect: Suspect,
    anchor: str,
    rank: int,
    certain: bool = False,
) -> str:
    """A suspect with its picture, or two where an earlier state is known."""
    judged = segment.errors.found
    seen = [judged, *filter(None, [report.before.get(segment.name)])]
    besides = {"other": None if certain else report.propagated, "reference": report.reference}
    lines = [
        Outline(kind, comparison.segments[segment.name].reference)
        for kind, comparison in besides.items()
        if comparison and segment.name in comparison.segments
    ]

    def picture(kind: str, now: bool) -> SlicePicture:
        mask = judged if now else report.before[segment.name]
        shown = [Outline(kind, mask), *lines]
        errors = segment.errors if now and not certain else None
        where = report.volume, report.window, suspect.plane, suspect.index, suspect.region
        return SlicePicture(*where, shown, errors, seen)

    after = picture("judged", now=True)
    where = after.caption()
    label = _("{segment}, suspect {rank}, {where}: {headline}").format(
        segment=segment.name, rank=rank, where=where, headline=suspect.headline
    )
    if segment.name in report.before:
        two = (_("Before"), picture("before", now=False)), (_("Now"), after)
        figures = [_with_caption(one.svg(f"{label} ({when})"), when) for when, one in two]
    else:
        figures = [_with_caption(after.svg(label), "")]
    if certain:
        said = _("{volume:.0f} mm³ differ. Most can be seen here.").format(volume=suspect.wrong_mm3)
    else:
        said = _(
            "Likely wrong here: {volume:.0f} mm³. Correcting the whole slice is expected to save {gain:.0f} mm³, here "
            "and elsewhere."
        ).format(volume=suspect.wrong_mm3, gain=suspect.gain_mm3)
    centre = _("Centre at {place}.").format(place=point_text(suspect.centre))
    return (
        f'<article class="suspect" id="{anchor}" tabindex="-1"><h4>{rank}. {escape(where)}</h4>'
        f"<p><strong>{escape(sentence(suspect.headline))}</strong> {_more_reasons(suspect)}{escape(said)} "
        f"{escape(centre)}</p>{_other_reasons(suspect)}"
        f'<div class="figures">{"".join(figures)}</div></article>'
    )


def _more_reasons(suspect: Suspect) -> str:
    """The next reasons after the weightiest."""
    more = suspect.reasons[1:REASONS]
    return escape(_("Also: {reasons}.").format(reasons="; ".join(more))) + " " if more else ""


def _other_reasons(suspect: Suspect) -> str:
    """The reasons that weigh least, to be unfolded."""
    rest = suspect.reasons[REASONS:]
    if not rest:
        return ""
    text = _("1 more reason") if len(rest) == 1 else _("{count} more reasons").format(count=len(rest))
    return f"<details><summary>{escape(text)}</summary>{bullets(map(sentence, rest))}</details>"


def _with_caption(svg: str, text: str) -> str:
    caption = f"<figcaption>{escape(text)}</figcaption>" if text else ""
    larger = escape(_("Larger"))
    return f'<figure>{caption}{svg}<button type="button" class="larger" aria-pressed="false">{larger}</button></figure>'
