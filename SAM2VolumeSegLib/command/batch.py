"""Reviewing a list of cases: what is done is not done again, and a bad case does not end it."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.command.case_files import Case
from SAM2VolumeSegLib.command.one_case import Reviewer
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.report import SegmentRow
from SAM2VolumeSegLib.volume.csv_text import BOM, to_csv
from SAM2VolumeSegLib.volume.paths import read_text
from SAM2VolumeSegLib.volume.provenance import to_json
from SAM2VolumeSegLib.volume.target import PROGRAM, check_target, make_folder, write_json, write_text

TABLE = "cases.csv"
RECORD = "case.json"
"""In the folder of a case: what it was made from, and its line. It is written when all else is."""
_FILES = ("ct", "segmentation", "seeds", "before", "reference")
_NEEDED = ("case", "ct", "segmentation")


@dataclass(frozen=True)
class BadLine:
    """A line of a list that lacks a file: that case fails, and no other.

    Attributes:
        name: of the case; "line 2" where that is what it lacks.
        reason: what it lacks.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class CaseRow:
    """A case in ``cases.csv``: what matters of its structures.

    Attributes:
        case: what it is called.
        state: "reviewed" or "failed".
        worst_segment: that of the least expected Dice; in an audit, of the least with what was propagated.
        expected_dice: of that one; None in an audit, where it says too little.
        likely_wrong_ml: of all.
        suspects: of all.
        to_fix: structures whose verdict is "fix" or "reject".
        dice_with_propagated: the least, in an audit.
        dice_with_reference: the least.
        report: the page, from the table's folder.
        reason: why it failed, and what to do.
    """

    case: str
    state: str
    worst_segment: str = ""
    expected_dice: float | None = None
    likely_wrong_ml: float | None = None
    suspects: int | None = None
    to_fix: int | None = None
    dice_with_propagated: float | None = None
    dice_with_reference: float | None = None
    report: str = ""
    reason: str = ""

    @classmethod
    def of(cls, case: str, report: str, rows: Sequence[SegmentRow]) -> CaseRow:
        """Bring the structures of a case together.

        Args:
            case: what it is called.
            report: the page, from the table's folder.
            rows: of its structures, the worst first (`report.tables`).
        """
        worst = rows[0]
        return cls(
            case,
            "reviewed",
            worst.segment,
            worst.expected_dice if worst.dice_with_propagated is None else None,
            sum(row.likely_wrong_ml for row in rows),
            sum(row.suspects for row in rows),
            sum(row.verdict in ("fix", "reject") for row in rows),
            min((row.dice_with_propagated for row in rows if row.dice_with_propagated is not None), default=None),
            min((row.dice for row in rows if row.dice is not None), default=None),
            report,
        )

    @property
    def badness(self) -> tuple[bool, float]:
        """By which cases are put in order: those of which nothing is known, then the least figure first."""
        figures = (self.expected_dice, self.dice_with_propagated, self.dice_with_reference)
        return self.state != "failed", min((figure for figure in figures if figure is not None), default=0.0)


def review_all(table: Path, folder: Path, reviewer: Reviewer) -> None:
    """Review the cases of a list, each in a folder of its own, and write ``cases.csv``, the worst case first.

    A case whose files, options and program are those of its last review is not done again.

    Args:
        table: a CSV with the columns of `Case`; paths are from its folder.
        folder: where reports go.
        reviewer: of each case.

    Raises:
        InputError: the list cannot be used; or, at the end, cases failed.
    """
    cases = read_cases(table)
    make_folder(folder)
    check_target(folder / TABLE, [table])
    rows: list[CaseRow] = []
    for number, (name, case) in enumerate(cases.items(), 1):
        print(f"\nCase {number} of {len(cases)}: {case.name}", flush=True)
        rows.append(_one(case, folder, name, reviewer))
        if rows[-1].reason:
            print(f"Failed: {rows[-1].reason}")
        rest = [other.name for other in list(cases.values())[number:]]
        _write(folder / TABLE, rows, rest)
    print()
    for row in sorted(rows, key=lambda row: row.badness):
        print(_line(row))
    print(f"Written: {folder / TABLE}")
    failed = [row.case for row in rows if row.state == "failed"]
    if failed:
        raise InputError(
            f"{len(failed)} of {len(rows)} cases failed: {', '.join(failed)}. {TABLE} says why. Correct them and start "
            "again: what is done is not done again."
        )


def read_cases(table: Path) -> dict[str, Case | BadLine]:
    """Read a list of cases.

    Returns:
        The cases by the name of their folder.

    Raises:
        InputError: it cannot be read, lacks a column, or two cases have one name.
    """
    text = read_text(table)
    head = text.partition("\n")[0]
    lines = csv.DictReader(text.splitlines(), delimiter=";" if head.count(";") > head.count(",") else ",")
    columns = [column.strip() for column in lines.fieldnames or ()]
    lines.fieldnames = columns
    known = [field.name if field.name != "name" else "case" for field in fields(Case)]
    for column in _NEEDED:
        if column not in columns:
            raise InputError(
                f'The list "{table}" has no column "{column}". Its first line names the columns: {", ".join(_NEEDED)}, '
                "and those of other files."
            )
    if unknown := [column for column in columns if column and column not in known]:
        raise InputError(f'The list "{table}" has a column "{unknown[0]}". Known columns: {", ".join(known)}.')
    cases: dict[str, Case | BadLine] = {}
    for line in lines:
        values = {column: (value or "").strip() for column, value in line.items() if isinstance(value, str | None)}
        if not any(values.values()):
            continue
        missing = [column for column in _NEEDED if not values[column]]
        values["case"] = values["case"] or f"line {lines.line_num}"
        name = re.sub(r"[^\w.-]", "_", values["case"]).lstrip(".") or "_"
        if name.casefold() in {other.casefold() for other in cases}:
            raise InputError(f'Two cases of "{table}" are called "{values["case"]}". Give each a name of its own.')
        if missing:
            cases[name] = BadLine(values["case"], f'Line {lines.line_num} of "{table}" has no {missing[0]}.')
            continue
        files = {name: table.parent / values[name] for name in _FILES if values.get(name)}
        cases[name] = Case(values["case"], series=values.get("series") or None, **files)
    if not cases:
        raise InputError(f'The list "{table}" has no cases: it needs a line for each, below that of the columns.')
    return cases


def _one(case: Case | BadLine, folder: Path, name: str, reviewer: Reviewer) -> CaseRow:
    if isinstance(case, BadLine):
        return CaseRow(case.name, "failed", reason=case.reason)
    made_from = _made_from(case, reviewer)
    record = folder / name / RECORD
    known = _known(record, made_from)
    if known is not None:
        print("Done before, and nothing has changed since.")
        return known
    try:
        rows = reviewer.review(case, folder / name)
        row = CaseRow.of(case.name, f"{name}/review.html", rows)
        write_json(record, {"program": f"{PROGRAM} {__version__}", "made_from": made_from, "row": asdict(row)})
    except InputError as error:
        return CaseRow(case.name, "failed", reason=str(error))
    except Exception as error:  # one case must not cost the others, whatever is wrong with it
        reason = f"Something unexpected went wrong ({type(error).__name__}: {error}). Review it alone to see more."
        return CaseRow(case.name, "failed", reason=reason)
    return row


def _made_from(case: Case, reviewer: Reviewer) -> dict[str, Any]:
    """What a review depends on: the files as they are now, the options, the program."""
    left_out = ("command", "cases", "output", "device", "ct", "segmentation", "seeds", "before", "reference", "series")
    options = {name: str(value) for name, value in sorted(vars(reviewer.options).items()) if name not in left_out}
    files = {name: list(_stamps(getattr(case, name))) for name in _FILES if getattr(case, name) is not None}
    made_from = {"version": __version__, "case": case.name, "series": case.series, "options": options, "files": files}
    return dict(json.loads(to_json(made_from)))  # as it is read back


def _stamps(path: Path) -> Iterator[list[Any]]:
    """Name, size and time of a file, or of all in a DICOM folder."""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            state = file.stat()
            yield [str(file), state.st_size, state.st_mtime_ns]


def _known(record: Path, made_from: dict[str, Any]) -> CaseRow | None:
    try:
        kept = json.loads(record.read_text(encoding="utf-8"))
        row = CaseRow(**kept["row"]) if kept["made_from"] == made_from else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return row if row is not None and (record.parent / "review.html").is_file() else None


def _write(path: Path, rows: Sequence[CaseRow], waiting: Sequence[str]) -> None:
    """Write the table, the worst case first, and what is still to be done last."""
    lines = [*sorted(rows, key=lambda row: row.badness), *(CaseRow(name, "not yet reviewed") for name in waiting)]
    columns = [field.name for field in fields(CaseRow)]
    write_text(path, BOM + to_csv([columns, *(list(asdict(row).values()) for row in lines)]))


def _line(row: CaseRow) -> str:
    if row.suspects is None:
        return f"{row.case}: {row.state}"
    text = f"{row.case}: {row.worst_segment}, "
    if row.expected_dice is not None:
        text += f"expected Dice {row.expected_dice:.2f}"
    elif row.dice_with_propagated is not None:
        text += f"Dice with what was propagated {row.dice_with_propagated:.3f}"
    text += f"; {row.suspects} suspects"
    if row.dice_with_reference is not None:
        text += f"; Dice with the reference {row.dice_with_reference:.3f}"
    return text
