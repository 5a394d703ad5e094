"""A review as tables: a line for each segment, and a line for each suspect."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from SAM2VolumeSegLib.report.content import Report
from SAM2VolumeSegLib.review import SIGNS, Agreement, Comparison, Suspect
from SAM2VolumeSegLib.seeds import point_text, position_text
from SAM2VolumeSegLib.volume.csv_text import to_csv


@dataclass(frozen=True)
class SegmentRow:
    """A segment in ``review.csv``. The names are those of columns; units are in them, and Dice and IoU are 0..1.

    Attributes:
        case: what the case is called.
        segment: its name.
        volume_ml: of its mask.
        expected_dice: an estimate; see `ExpectedDice`.
        expected_dice_lower: of the interval that should hold the true one in nine of ten cases. It was found on results
            of this program: in an audit it does not hold, and ``review.csv`` has none.
        expected_dice_upper: likewise.
        self_checked: whether slices of this patient that were left out went into that; those that are the only one of
            their axis do not.
        self_check_dice: mean of all of its slices that were left out.
        likely_wrong_ml: expected volume of wrong voxels.
        suspects: how many there are.
        verdict: "accept", "fix", "reject", or nothing.
        stars: 1 to 5, or nothing.
        comment: of the reviewer.
        reviewer: who gave the verdict.
        verdict_time: when.
        verdict_program: with what.
        dice_with_propagated: of an audit, with what was propagated from its own slices.
        reference_segment: what it was compared with.
        dice: with the reference, as all that follow.
        iou: see `Agreement`.
        hd95_mm: see `Agreement`.
        surface_distance_mm: mean.
        volume_difference_ml: of the mask, minus that of the reference.
    """

    case: str
    segment: str
    volume_ml: float
    expected_dice: float
    expected_dice_lower: float
    expected_dice_upper: float
    self_checked: str
    self_check_dice: float | None
    likely_wrong_ml: float
    suspects: int
    verdict: str
    stars: int | None
    comment: str
    reviewer: str
    verdict_time: str
    verdict_program: str
    dice_with_propagated: float | None
    reference_segment: str
    dice: float | None
    iou: float | None
    hd95_mm: float | None
    surface_distance_mm: float | None
    volume_difference_ml: float | None


def segment_rows(report: Report) -> list[SegmentRow]:
    """The segments, the least expected Dice first; in an audit, those that agree least with what was propagated."""
    voxel_ml = math.prod(report.volume.spacing) / 1000
    rows = []
    for name, segment in report.review.segments.items():
        verdict, expected = report.verdict(name), segment.expected
        propagated, reference = _agreement(report.propagated, name), _agreement(report.reference, name)
        rows.append(
            SegmentRow(
                case=report.case,
                segment=name,
                volume_ml=segment.shape.volume_ml,
                expected_dice=expected.dice,
                expected_dice_lower=expected.lower,
                expected_dice_upper=expected.upper,
                self_checked="yes" if expected.measured else "no",
                self_check_dice=report.review.check.mean_dice(name) if report.review.check else None,
                likely_wrong_ml=float(segment.errors.chance.sum(dtype=float)) * voxel_ml,
                suspects=len(segment.suspects),
                verdict=verdict.decision,
                stars=verdict.stars or None,
                comment=verdict.comment,
                reviewer=verdict.reviewer,
                verdict_time=verdict.time,
                verdict_program=verdict.program,
                dice_with_propagated=propagated and propagated.dice,
                reference_segment=report.reference.segments[name].reference_name
                if report.reference and reference
                else "",
                dice=reference and reference.dice,
                iou=reference and reference.iou,
                hd95_mm=reference and _finite(reference.hausdorff95_mm),
                surface_distance_mm=reference and _finite(reference.surface_mm),
                volume_difference_ml=reference and reference.volume_difference_ml,
            )
        )
    if report.propagated:
        return sorted(rows, key=lambda row: row.dice_with_propagated or 0.0)
    return sorted(rows, key=lambda row: row.expected_dice)


def segments_csv(report: Report) -> str:
    """``review.csv``."""
    columns = [field.name for field in fields(SegmentRow)]
    lines = [asdict(row) for row in segment_rows(report)]
    if report.propagated:
        for line in lines:
            line["expected_dice_lower"] = line["expected_dice_upper"] = None
    return to_csv([columns, *(list(line.values()) for line in lines)])


def suspects_csv(report: Report) -> str:
    """``suspects.csv``: the suspects of each segment, then where it differs from the reference."""
    return to_csv([_SUSPECT_COLUMNS, *_suspect_lines(report)])


_SUSPECT_COLUMNS = (
    "case",
    "segment",
    "number",
    "kind",
    "error",
    "wrong_mm3",
    "why",
    "plane",
    "slice_index",
    "slice_position",
    "saved_in_the_whole_structure_mm3",
    "centre",
    "right_mm",
    "anterior_mm",
    "superior_mm",
)


def _suspect_lines(report: Report) -> Iterator[list[object]]:
    for name, segment in report.review.segments.items():
        for number, one in enumerate(segment.suspects, 1):
            yield _suspect_line(report, name, number, "likely wrong", one)
    for name, compared in report.reference.segments.items() if report.reference else ():
        for number, one in enumerate(compared.suspects, 1):
            yield _suspect_line(report, name, number, "differs from the reference", one)


def _suspect_line(report: Report, name: str, number: int, kind: str, one: Suspect) -> list[object]:
    position = position_text(report.volume, one.plane, one.index)
    why = "; ".join(one.reasons)
    where = (one.plane.value, one.index, position, one.gain_mm3, point_text(one.centre))
    return [report.case, name, number, kind, SIGNS[one.sign], one.wrong_mm3, why, *where, *map(float, one.centre)]


def _agreement(comparison: Comparison | None, name: str) -> Agreement | None:
    return comparison.segments[name].agreement if comparison and name in comparison.segments else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
