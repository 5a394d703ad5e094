"""The page of a report: text, tables, pictures, style and script in one file that needs nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from html import escape
from pathlib import Path

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.report.colors import CHANCE_COLORS
from SAM2VolumeSegLib.report.content import Report
from SAM2VolumeSegLib.report.markup import cell, figure, millilitres, paragraph, section, table
from SAM2VolumeSegLib.report.segment_part import segment_part
from SAM2VolumeSegLib.report.tables import SegmentRow, segment_rows
from SAM2VolumeSegLib.review import AGREEMENT_MEANS, DECISIONS, STARS
from SAM2VolumeSegLib.seeds import position_text
from SAM2VolumeSegLib.volume.target import PROGRAM

PLACES = {"between": _("between others"), "end": _("at an end"), "only": _("the only one of its axis")}
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
    yield paragraph(written.format(program=f"{PROGRAM} {__version__}", date=date), "soft")
    yield from (paragraph(sentence) for sentence in report.done)
    yield section("summary", _("Summary"), _summary(report))
    yield section("meaning", _("What these figures mean"), map(paragraph, _meaning(report)))
    if report.review.check is not None:
        yield section("check", _("Self-check: slices that are known, each left out"), _self_check(report))
    for number, row in enumerate(segment_rows(report), 1):
        yield section(f"segment-{number}", row.segment, segment_part(report, number, row.segment))
    yield section("made", _("How this was made"), _provenance(report))


def _summary(report: Report) -> Iterator[str]:
    rows = segment_rows(report)
    estimate = _("Dice with what was propagated") if report.propagated else _("Expected Dice")
    columns = [_("Segment"), _("Volume"), estimate, _("Likely wrong"), _("Suspects")]
    if report.review.check is not None:
        columns.insert(3, _("Self-check, mean Dice"))
    columns += [_("Verdict"), _("Stars"), _("Comment")]
    lines = []
    for number, row in enumerate(rows, 1):
        cells = [
            f'<th scope="row"><a href="#segment-{number}">{escape(row.segment)}</a></th>',
            cell(millilitres(row.volume_ml)),
            cell(figure(row.dice_with_propagated, "{:.3f}")) if report.propagated else f"<td>{_dice_bar(row)}</td>",
            cell(millilitres(row.likely_wrong_ml)),
            cell(str(row.suspects)),
        ]
        if report.review.check is not None:
            cells.insert(3, cell(figure(row.self_check_dice, "{:.2f}")))
        verdict = report.verdict(row.segment)
        decided = DECISIONS.get(verdict.decision, _("not given"))
        stars = _("{stars} of {most}").format(stars=verdict.stars, most=STARS) if verdict.stars else "-"
        cells += [cell(decided, verdict.decision), cell(stars), cell(verdict.comment)]
        lines.append("".join(cells))
    yield table(columns, lines)
    for row in rows:
        verdict = report.verdict(row.segment)
        if verdict.is_given:
            said = _("Verdict on {segment} by {reviewer}, {time}, with {program}.").format(
                segment=row.segment,
                reviewer=verdict.reviewer or _("somebody who gave no name"),
                time=verdict.time or _("time not known"),
                program=verdict.program or _("a program that is not known"),
            )
            yield paragraph(said, "soft")
    if report.reference:
        yield f"<h3>{escape(_('Beside the reference'))}</h3>"
        columns = [_("Segment"), _("Reference"), _("Dice"), _("IoU"), _("HD95"), _("Surface distance")]
        yield table(
            [*columns, _("Volume difference")], [_beside_reference(row) for row in rows if row.reference_segment]
        )
        yield from map(paragraph, _not_compared(report))


def _beside_reference(row: SegmentRow) -> str:
    cells = (
        row.reference_segment,
        figure(row.dice, "{:.3f}"),
        figure(row.iou, "{:.3f}"),
        figure(row.hd95_mm, "{:.1f} mm"),
        figure(row.surface_distance_mm, "{:.2f} mm"),
        figure(row.volume_difference_ml, "{:+.1f} ml"),
    )
    return f'<th scope="row">{escape(row.segment)}</th>' + "".join(map(cell, cells))


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
            "Dice with what was propagated measures that agreement, 1 being perfect; segments that agree least come "
            "first. It is no estimate of how good a mask is: a perfect one can have less than 1, and a bad one more "
            "than its Dice with the truth."
        )
        yield _(
            "Likely wrong is an estimate that was fitted to results of this program. Of other masks it says where to "
            "look first, and not how much is wrong."
        )
    else:
        yield from _of_the_estimate(report)
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


def _of_the_estimate(report: Report) -> Iterator[str]:
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


def _self_check(report: Report) -> Iterator[str]:
    check = report.review.check
    assert check is not None
    yield from map(paragraph, check.sentences(audited=report.is_audit))
    if not check.slices:
        return
    lines = []
    for one in sorted(check.slices, key=lambda one: one.dice):
        position = position_text(report.volume, one.plane, one.index)
        end = PLACES[one.among]
        cells = (f"{one.plane.value} {position}", str(one.index), end, f"{one.dice:.3f}", f"{one.wrong_mm2:.0f} mm²")
        lines.append(f'<th scope="row">{escape(one.segment)}</th>' + "".join(map(cell, cells)))
    columns = [_("Segment"), _("Slice"), _("Index"), _("Place"), _("Dice"), _("Wrong area")]
    yield f"<details><summary>{escape(_('Each slice, the worst first'))}</summary>{table(columns, lines)}</details>"


def _tools(report: Report) -> str:
    """The legend, and what hides and shows lines, which needs the script."""
    legend = [("judged", _("judged mask"))]
    if report.before:
        legend.append(("before", _("the mask before")))
    if report.propagated:
        legend.append(("other", _("propagated from its own slices")))
    if report.reference:
        legend.append(("reference", _("reference")))
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
    lines = [f'<th scope="row">{escape(what)}</th>{cell(name)}' for what, name in report.sources.items()]
    window = _("{lower:g} to {upper:g} HU").format(lower=report.window.lower, upper=report.window.upper)
    lines.append(f'<th scope="row">{escape(_("Window of the pictures"))}</th>{cell(window)}')
    lines.append(f'<th scope="row">{escape(_("Fingerprint of the CT"))}</th>{cell(report.volume.fingerprint())}')
    yield table([_("What"), _("Value")], lines)
    if report.provenance:
        text = json.dumps(report.provenance, indent=2, ensure_ascii=False, default=str)
        heading = escape(_("How the result was made, and what ran for this review"))
        yield f"<details><summary>{heading}</summary><pre>{escape(text)}</pre></details>"


def _dice_bar(row: SegmentRow) -> str:
    """The expected Dice as a bar from 0 to 1, with its interval as a line, and in figures."""
    text = f"{row.expected_dice:.2f} ({row.expected_dice_lower:.2f} – {row.expected_dice_upper:.2f})"
    if row.self_checked == "no" and row.self_check_dice is not None:
        text += " " + _("(phantoms: with one painted slice on each axis, the self-check cannot change it)")
    elif row.self_checked == "no":
        text += " " + _("(phantoms)")
    lower, upper = 100 * row.expected_dice_lower, 100 * row.expected_dice_upper
    return (
        '<svg class="bar" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="ground" width="100" height="12"/>'
        f'<rect class="value" y="2" width="{100 * row.expected_dice:.1f}" height="8"/>'
        f'<path d="M{lower:.1f} 6H{upper:.1f}M{lower:.1f} 2v8M{upper:.1f} 2v8"/></svg>'
        f"<span>{escape(text)}</span>"
    )
