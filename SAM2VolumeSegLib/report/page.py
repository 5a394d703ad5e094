"""The page of a report: text, tables, pictures, style and script in one file that needs nothing else."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from html import escape
from pathlib import Path

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.report.colors import CHANCE_COLORS
from SAM2VolumeSegLib.report.content import Report
from SAM2VolumeSegLib.report.picture import Outline, SlicePicture
from SAM2VolumeSegLib.report.tables import SegmentRow, segment_rows
from SAM2VolumeSegLib.review import AGREEMENT_MEANS, DECISIONS, STARS, Compared, SegmentReview, Suspect
from SAM2VolumeSegLib.seeds import position_text
from SAM2VolumeSegLib.volume.target import PROGRAM

PLACES = {"between": _("between others"), "end": _("at an end"), "only": _("the only one of its axis")}
PICTURES = 10
"""Of the suspects of a segment; all of them are in ``suspects.csv``."""
_FOLDER = Path(__file__).parent


def page_of(report: Report) -> str:
    """Return the page as HTML."""
    title = _("Audit of {case}") if report.propagated else _("Review of {case}")
    parts = {
        "program": PROGRAM,
        "title": escape(title.format(case=report.case)),
        "style": (_FOLDER / "report.css").read_text(encoding="utf-8"),
        "script": (_FOLDER / "report.js").read_text(encoding="utf-8"),
        "tools": _tools(report),
        "main": "\n".join(_main(report)),
    }
    page = (_FOLDER / "report.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], page)


def _main(report: Report) -> Iterator[str]:
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    written = _("Written by {program} on {date}. For research and teaching, not for clinical use.")
    yield _paragraph(written.format(program=f"{PROGRAM} {__version__}", date=date), "soft")
    yield from (_paragraph(sentence) for sentence in report.done)
    yield _section("summary", _("Summary"), _summary(report))
    yield _section("meaning", _("What these figures mean"), map(_paragraph, _meaning(report)))
    if report.review.check is not None:
        yield _section("check", _("Self-check: slices that are known, each left out"), _self_check(report))
    for number, row in enumerate(segment_rows(report), 1):
        yield _section(f"segment-{number}", row.segment, _segment(report, number, row))
    yield _section("made", _("How this was made"), _provenance(report))


def _summary(report: Report) -> Iterator[str]:
    rows = segment_rows(report)
    columns = [_("Segment"), _("Volume"), _("Expected Dice"), _("Likely wrong"), _("Suspects")]
    if report.propagated:
        columns.insert(2, _("Dice with what was propagated"))
    columns += [_("Verdict"), _("Stars"), _("Comment")]
    lines = []
    for number, row in enumerate(rows, 1):
        cells = [
            f'<th scope="row"><a href="#segment-{number}">{escape(row.segment)}</a></th>',
            _cell(_ml(row.volume_ml)),
            f"<td>{_dice_bar(row)}</td>",
            _cell(_ml(row.likely_wrong_ml)),
            _cell(str(row.suspects)),
        ]
        if report.propagated:
            cells.insert(2, _cell(_figure(row.dice_with_propagated, "{:.3f}")))
        verdict = report.verdict(row.segment)
        decided = DECISIONS.get(verdict.decision, _("not given"))
        stars = _("{stars} of {most}").format(stars=verdict.stars, most=STARS) if verdict.stars else "-"
        cells += [_cell(decided, verdict.decision), _cell(stars), _cell(verdict.comment)]
        lines.append("".join(cells))
    yield _table(columns, lines)
    for row in rows:
        verdict = report.verdict(row.segment)
        if verdict.is_given:
            said = _("Verdict on {segment} by {reviewer}, {time}, with {program}.").format(
                segment=row.segment,
                reviewer=verdict.reviewer or _("somebody who gave no name"),
                time=verdict.time or _("time not known"),
                program=verdict.program or _("a program that is not known"),
            )
            yield _paragraph(said, "soft")
    if report.reference:
        yield f"<h3>{escape(_('Beside the reference'))}</h3>"
        columns = [_("Segment"), _("Reference"), _("Dice"), _("IoU"), _("HD95"), _("Surface distance")]
        yield _table(
            [*columns, _("Volume difference")], [_beside_reference(row) for row in rows if row.reference_segment]
        )
        yield from map(_paragraph, _not_compared(report))


def _beside_reference(row: SegmentRow) -> str:
    cells = (
        row.reference_segment,
        _figure(row.dice, "{:.3f}"),
        _figure(row.iou, "{:.3f}"),
        _figure(row.hd95_mm, "{:.1f} mm"),
        _figure(row.surface_distance_mm, "{:.2f} mm"),
        _figure(row.volume_difference_ml, "{:+.1f} ml"),
    )
    return f'<th scope="row">{escape(row.segment)}</th>' + "".join(map(_cell, cells))


def _not_compared(report: Report) -> Iterator[str]:
    assert report.reference is not None
    if report.reference.without_reference:
        names = ", ".join(report.reference.without_reference)
        yield _("No counterpart in the reference: {names}.").format(names=names)
    if report.reference.only_in_reference:
        names = ", ".join(report.reference.only_in_reference)
        yield _("Only in the reference: {names}.").format(names=names)


def _meaning(report: Report) -> Iterator[str]:
    if report.propagated:
        yield from AGREEMENT_MEANS
    yield _(
        "Expected Dice is an estimate and no measurement: how well the mask would agree with that of a person who "
        "outlines the whole structure, 1 being perfect. In nine of ten cases the true figure should lie in the range "
        "that is given with it."
    )
    if any(not segment.expected.measured for segment in report.review.segments.values()):
        yield _(
            "Where it says (phantoms), the estimate is what was found on synthetic CTs, and the range may be too "
            "narrow: no painted slice of this patient could tell, because none was left out, or none had others on its "
            "axis."
        )
    yield _(
        "A suspect is a connected region in which the mask is likely wrong. Not every suspect is an error, and an "
        "error can lie where there is no suspect."
    )
    if report.reference:
        yield _(
            "With the reference: Dice and IoU are overlaps, 1 being perfect. HD95: 95 % of each surface lie nearer to "
            "the other than this. Surface distance is the mean. Volume difference is the mask minus the reference. The "
            "reference is taken for the truth, and may be wrong itself."
        )


def _self_check(report: Report) -> Iterator[str]:
    check = report.review.check
    assert check is not None
    yield from map(_paragraph, check.sentences())
    if not check.slices:
        return
    lines = []
    for one in sorted(check.slices, key=lambda one: one.dice):
        position = position_text(report.volume, one.plane, one.index)
        end = PLACES[one.among]
        cells = (f"{one.plane.value} {position}", str(one.index), end, f"{one.dice:.3f}", f"{one.wrong_mm2:.0f} mm²")
        lines.append(f'<th scope="row">{escape(one.segment)}</th>' + "".join(map(_cell, cells)))
    columns = [_("Segment"), _("Slice"), _("Index"), _("Place"), _("Dice"), _("Wrong area")]
    yield f"<details><summary>{escape(_('Each slice, the worst first'))}</summary>{_table(columns, lines)}</details>"


def _segment(report: Report, number: int, row: SegmentRow) -> Iterator[str]:
    name = row.segment
    segment = report.review.segments[name]
    if report.review.check is not None and report.review.check.of(name):
        yield from map(_paragraph, report.review.check.sentences(name)[:-1])  # the last one says what it means
    yield _list(_shape(report, segment))
    if not segment.suspects:
        yield _paragraph(_("No region stands out as likely wrong."))
    other = report.propagated.segments.get(name) if report.propagated else None
    yield from _suspects(report, segment, segment.suspects, f"suspect-{number}", other)
    compared = report.reference.segments.get(name) if report.reference else None
    if compared is None:
        return
    heading = _("Where {segment} differs from the reference ({reference})")
    yield f"<h3>{escape(heading.format(segment=name, reference=compared.reference_name))}</h3>"
    if not compared.suspects:
        yield _paragraph(_("Nowhere by more than a voxel here and there."))
    yield from _suspects(report, segment, compared.suspects, f"difference-{number}", compared, certain=True)


def _suspects(
    report: Report,
    segment: SegmentReview,
    suspects: Sequence[Suspect],
    anchor: str,
    other: Compared | None,
    certain: bool = False,
) -> Iterator[str]:
    """The largest ones with their pictures, and how many more there are."""
    shown = [
        _suspect(report, segment, suspect, f"{anchor}-{rank}", rank, other, certain)
        for rank, suspect in enumerate(suspects[:PICTURES], 1)
    ]
    if shown:
        yield f'<div class="suspects">{"".join(shown)}</div>'
    if (more := len(suspects) - PICTURES) > 0:
        yield _paragraph(_("{count} smaller ones are listed in suspects.csv.").format(count=more), "soft")


def _shape(report: Report, segment: SegmentReview) -> Iterator[str]:
    shape, best = segment.shape, segment.next
    if best is not None:
        where = f"{best.plane.value} {position_text(report.volume, best.plane, best.index)}"
        text = _("Correcting {where} (slice {index}) helps most: it is expected to save {volume:.0f} mm³.")
        yield text.format(where=where, index=best.index, volume=best.mm3)
    yield _("Volume: {volume}.").format(volume=_ml(shape.volume_ml))
    if shape.holes_ml:
        sizes = ", ".join(map(_ml, shape.holes_ml))
        yield _("Closed holes: {count} ({sizes}).").format(count=len(shape.holes_ml), sizes=sizes)
    if shape.islands_ml:
        sizes = ", ".join(map(_ml, shape.islands_ml))
        yield _("Loose parts beside the largest: {count} ({sizes}).").format(count=len(shape.islands_ml), sizes=sizes)
    for bridge in shape.bridges:
        yield _("A thin bridge holds on to a part of {volume}.").format(volume=_ml(bridge.beyond_ml))
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
    other: Compared | None,
    certain: bool = False,
) -> str:
    """A suspect with its picture, or two where an earlier state is known."""
    judged = segment.errors.found
    seen = [judged, *filter(None, [report.before.get(segment.name)])]
    lines = [Outline("other", other.reference)] if other else []

    def picture(kind: str, now: bool) -> SlicePicture:
        mask = judged if now else report.before[segment.name]
        shown = [Outline(kind, mask), *lines]
        errors = segment.errors if now and not certain else None
        where = report.volume, report.window, suspect.plane, suspect.index, suspect.region
        return SlicePicture(*where, shown, errors, seen)

    after = picture("judged", now=True)
    where = after.caption()
    reasons = "; ".join(suspect.reasons)
    label = _("{segment}, suspect {rank}, {where}: {reasons}").format(
        segment=segment.name, rank=rank, where=where, reasons=reasons
    )
    if segment.name in report.before:
        two = (_("Before"), picture("before", now=False)), (_("Now"), after)
        figures = [_with_caption(one.svg(f"{label} ({when})"), when) for when, one in two]
    else:
        figures = [_with_caption(after.svg(label), "")]
    if certain:
        said = _("{volume:.0f} mm³ differ. Most can be seen here.").format(volume=suspect.wrong_mm3)
    else:
        said = _("Likely wrong: {volume:.0f} mm³. Correcting this slice is expected to save {gain:.0f} mm³.").format(
            volume=suspect.wrong_mm3, gain=suspect.gain_mm3
        )
    right, anterior, superior = suspect.centre
    centre = _("Centre at R {r:.1f}, A {a:.1f}, S {s:.1f} mm.").format(r=right, a=anterior, s=superior)
    return (
        f'<article class="suspect" id="{anchor}" tabindex="-1"><h4>{rank}. {escape(where)}</h4>'
        f"<p><strong>{escape(_sentence(reasons))}</strong> {escape(said)} {escape(centre)}</p>"
        f'<div class="figures">{"".join(figures)}</div></article>'
    )


def _with_caption(svg: str, text: str) -> str:
    caption = f"<figcaption>{escape(text)}</figcaption>" if text else ""
    larger = escape(_("Larger"))
    return f'<figure>{caption}{svg}<button type="button" class="larger" aria-pressed="false">{larger}</button></figure>'


def _tools(report: Report) -> str:
    """The legend, and what hides and shows lines, which needs the script."""
    legend = [("judged", _("judged mask"))]
    if report.before:
        legend.append(("before", _("the mask before")))
    if report.propagated:
        legend.append(("other", _("propagated from its own slices")))
    if report.reference:
        legend.append(("other", _("reference, below its heading")))
    legend.append(("frame", _("region of the suspect")))
    lines = "".join(
        f'<li><svg viewBox="0 0 32 10" aria-hidden="true"><path class="{kind} under" d="M1 5h30"/>'
        f'<path class="{kind}" d="M1 5h30"/></svg> {escape(text)}</li>'
        for kind, text in legend
    )
    colors = ", ".join("rgb({}, {}, {})".format(*color) for color in CHANCE_COLORS)
    scale = (
        f'<li>0 <span class="scale" style="background: linear-gradient(to right, {colors})"></span> 1 '
        f"{escape(_('chance of an error'))}</li>"
    )
    boxes = "".join(
        f'<label><input type="checkbox" id="{name}" checked> {escape(text)}</label>'
        for name, text in (("show-lines", _("Outlines")), ("show-errors", _("Likely errors")))
    )
    steps = "".join(
        f'<button type="button" id="{name}">{escape(text)}</button>'
        for name, text in (("previous", _("Previous suspect (P)")), ("next", _("Next suspect (N)")))
    )
    status = f'<output id="place" data-said="{escape(_("Suspect {number} of {count}"))}"></output>'
    return f'<ul class="legend">{lines}{scale}</ul><div id="controls" hidden>{boxes}{steps}{status}</div>'


def _provenance(report: Report) -> Iterator[str]:
    lines = [f'<th scope="row">{escape(what)}</th>{_cell(name)}' for what, name in report.sources.items()]
    window = _("{lower:g} to {upper:g} HU").format(lower=report.window.lower, upper=report.window.upper)
    lines.append(f'<th scope="row">{escape(_("Window of the pictures"))}</th>{_cell(window)}')
    lines.append(f'<th scope="row">{escape(_("Fingerprint of the CT"))}</th>{_cell(report.volume.fingerprint())}')
    yield _table([_("What"), _("Value")], lines)
    if report.provenance:
        text = json.dumps(report.provenance, indent=2, ensure_ascii=False, default=str)
        heading = escape(_("How the result was made, and what ran for this review"))
        yield f"<details><summary>{heading}</summary><pre>{escape(text)}</pre></details>"


def _dice_bar(row: SegmentRow) -> str:
    """The expected Dice as a bar from 0 to 1, with its interval as a line, and in figures."""
    text = f"{row.expected_dice:.2f} ({row.expected_dice_lower:.2f} – {row.expected_dice_upper:.2f})"
    if row.self_checked == "no":
        text += f" {_('(phantoms)')}"
    lower, upper = 100 * row.expected_dice_lower, 100 * row.expected_dice_upper
    return (
        '<svg class="bar" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="ground" width="100" height="12"/>'
        f'<rect class="value" y="2" width="{100 * row.expected_dice:.1f}" height="8"/>'
        f'<path d="M{lower:.1f} 6H{upper:.1f}M{lower:.1f} 2v8M{upper:.1f} 2v8"/></svg>'
        f"<span>{escape(text)}</span>"
    )


def _section(anchor: str, heading: str, content: Iterable[str]) -> str:
    return f'<section id="{anchor}">\n<h2>{escape(heading)}</h2>\n{chr(10).join(content)}\n</section>'


def _paragraph(text: str, kind: str = "") -> str:
    return f"<p{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{escape(text)}</p>"


def _list(sentences: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in sentences)}</ul>"


def _table(columns: Sequence[str], lines: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in columns)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(text: str, kind: str = "") -> str:
    return f'<td class="{kind}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _ml(value: float) -> str:
    """A volume with two digits that count, from 0.01 ml on."""
    if 0 < value < 0.005:
        return _("less than 0.01 ml")
    digits = 1 if value >= 10 or not value else min(2, max(0, 1 - math.floor(math.log10(value))))
    return f"{value:.{digits}f} ml"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
