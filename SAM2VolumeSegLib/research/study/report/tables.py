"""The paper's tables with our figures beside them, as Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from SAM2VolumeSegLib.model.checkpoints import MODELS
from SAM2VolumeSegLib.research.data.bones import in_order
from SAM2VolumeSegLib.research.study.experiments import Experiment, find_experiment
from SAM2VolumeSegLib.research.study.paper import PER_BONE, PER_BONE_METHODS, TABLES, Figures
from SAM2VolumeSegLib.research.study.report.rows import Results, Row, StudyModel
from SAM2VolumeSegLib.research.study.report.statistics import (
    MIN_CTS,
    MIN_PAIRS,
    TOO_FEW,
    Comparison,
    Spread,
    compare,
    correct,
    spread,
)

METRICS = ("dice", "iou", "hausdorff_mm")  # those of the paper
MORE = ("unprompted_dice", "hausdorff95_mm", "volume_difference_ml")
NONE = "-"


@dataclass(frozen=True)
class Line:
    """A row of a table: what was measured, the paper's figures, and how it compares with its baseline.

    spreads: metric -> mean and sd, None without a value. undefined: structures without a Hausdorff distance.
    dice, hausdorff: against the baseline; None for a baseline and for a row without results.
    """

    row: Row
    baseline: str
    spreads: dict[str, Spread | None]
    undefined: int
    seconds: float | None
    paper: Figures | None
    paper_baseline: Figures | None
    dice: Comparison | None
    hausdorff: Comparison | None

    @property
    def name(self) -> str:
        """Of the row."""
        return self.row.name

    @property
    def missing(self) -> str:
        """Why there are no figures."""
        model = MODELS.get(self.row.configuration.model)
        if model is None or not model.is_official:
            return "not run"
        return f"not run: weights absent (sam2-volume-seg checkpoints fetch {model.name})"


@dataclass(frozen=True)
class ExperimentTable:
    """An experiment as it was run with a model on some data."""

    experiment: Experiment
    model: StudyModel | None
    data: tuple[str, ...]
    lines: tuple[Line, ...]
    structures: int
    cts: int

    def line(self, name: str) -> Line:
        """Return a line by the name of its row."""
        return next(line for line in self.lines if line.name == name)


def experiment_table(
    results: Results, experiment: Experiment, model: StudyModel | None, data: str | None = None
) -> ExperimentTable:
    """Measure every row of an experiment, and compare it with its baseline. data: on this set alone."""
    rows = {row.name: row for row in results.rows(experiment, model, data)}
    paper = TABLES[experiment.name].rows if experiment.name in TABLES else {}
    compared = [name for name, row in rows.items() if row.records and experiment.baseline_of(name) != name]
    against = {
        metric: [
            compare(rows[name].figures(metric), rows[experiment.baseline_of(name)].figures(metric), results.ct_of)
            for name in compared
        ]
        for metric in ("dice", "hausdorff_mm")
    }
    against = {metric: dict(zip(compared, correct(found), strict=True)) for metric, found in against.items()}
    lines = tuple(
        Line(
            row,
            experiment.baseline_of(name),
            {metric: spread(list(row.figures(metric).values())) for metric in (*METRICS, *MORE)},
            len(row.records) - len(row.figures("hausdorff_mm")),
            float(np.mean([one["seconds"]["total"] for one in row.records.values()])) if row.records else None,
            paper.get(name),
            paper.get(experiment.baseline_of(name)),
            against["dice"].get(name),
            against["hausdorff_mm"].get(name),
        )
        for name, row in rows.items()
    )
    measured = {sample for row in rows.values() for sample in row.records}
    sets = tuple(name for name in results.data if any(results.data_of[sample] == name for sample in measured))
    return ExperimentTable(experiment, model, sets, lines, len(measured), len({sample[0] for sample in measured}))


# ------------------------------------------------------------------------------------------------------- Markdown


def markdown(results: Results, table: ExperimentTable) -> str:
    """Return an experiment's figures beside the paper's, paired differences, what to know, and further measures."""
    with_hausdorff = table.experiment.name not in TABLES or any(
        line.paper and line.paper.hausdorff for line in table.lines
    )
    head = ["", "n"]
    for title in ("Dice", "IoU", "HD mm"):
        in_paper = table.experiment.name in TABLES and (title != "HD mm" or with_hausdorff)
        head += [title, "paper", "difference"] if in_paper else [title]
    body = []
    for line in table.lines:
        cells = [_bold(line, table), str(len(line.row.records))]
        for metric, paper in zip(METRICS, _paper(line.paper), strict=True):
            ours, digits = line.spreads[metric], 3 if metric != "hausdorff_mm" else 2
            cells.append(plus_minus(ours, digits) if line.row.records else line.missing * (metric == "dice") or NONE)
            if table.experiment.name in TABLES and (metric != "hausdorff_mm" or with_hausdorff):
                cells.append(f"{paper[0]:.{digits}f} ± {paper[1]:.{digits}f}" if paper else NONE)
                cells.append(signed(ours.mean - paper[0], digits) if ours and paper else NONE)
        body.append(cells)
    parts = [grid(head, body), _paired(table), _notes(table), _more(results, table)]
    return "\n\n".join(part for part in parts if part)


def caption(table: ExperimentTable) -> str:
    """Return what a table was measured with and on."""
    model = f"{table.model}" if table.model else "no model"
    data = ", ".join(table.data) or "no data"
    return f"Model: {model}. Data: {data}; {count(table.structures, 'structure')} of {count(table.cts, 'CT')}."


def per_bone(results: Results, model: StudyModel | None) -> tuple[str, list[list]]:
    """Return Table VII with ours beside the paper's, as Markdown and as lines for CSV (the first one names columns)."""
    rows = {row.name: row for row in results.rows(find_experiment("final"), model)}
    head = ["", "n", *(name for method in PER_BONE_METHODS for name in (method, "paper")), "Δ Dice [95 %]", "paper"]
    columns = ["bone", "method", "n", "dice", "dice_sd", "iou", "iou_sd", "paper_dice", "paper_iou"]
    body, table = [], [columns]
    found = {record["bone"] for row in rows.values() for record in row.records.values()}
    for bone in in_order(found):
        of_bone = {
            name: {sample: one for sample, one in row.records.items() if one["bone"] == bone}
            for name, row in rows.items()
        }
        cells = [bone, str(max(map(len, of_bone.values())))]
        for method in PER_BONE_METHODS:
            dice, iou = (spread([one[metric] for one in of_bone[method].values()]) for metric in ("dice", "iou"))
            paper = PER_BONE.get(bone, {}).get(method)
            cells.append(f"{dice.mean:.3f} / {iou.mean:.3f}" if dice else "not run")
            cells.append(f"{paper[0]:.3f} / {paper[1]:.3f}" if paper else NONE)
            ours = [number for one in (dice, iou) for number in ((one.mean, one.sd) if one else (None, None))]
            table.append([bone, method, dice.n if dice else 0, *ours, *(paper or (None, None))])
        best, base = (
            {sample: one["dice"] for sample, one in of_bone[name].items()} for name in ("IS + SPS", "Baseline")
        )
        cells.append(difference(compare(best, base, results.ct_of)))
        paper = PER_BONE.get(bone)
        cells.append(signed(paper["IS + SPS"][0] - paper["Baseline"][0]) if paper else NONE)
        body.append(cells)
    return grid(head, body) if body else "", table


def _paired(table: ExperimentTable) -> str:
    head = ["", "against", "pairs", "Dice difference [95 %]", "p (Holm)", "verdict", "paper's difference"]
    head.append("HD difference mm [95 %]")
    body = []
    for line in table.lines:
        if line.dice:
            paper = signed(line.paper.dice[0] - line.paper_baseline.dice[0]) if line.paper else NONE
            cells = [line.name, line.baseline, str(line.dice.pairs), difference(line.dice), probability(line.dice.p)]
            body.append([*cells, line.dice.verdict, paper, difference(line.hausdorff, 2)])
    return grid(head, body) if body else ""


def _more(results: Results, table: ExperimentTable) -> str:
    """What the paper has no figures of; and the mean Dice on each data set, where there are several."""
    sets = table.data if len(table.data) > 1 else ()
    by_set = [results.rows(table.experiment, table.model, name) for name in sets]
    body = []
    for number, line in enumerate(table.lines):
        if line.row.records:
            cells = [plus_minus(line.spreads[metric], digits) for metric, digits in zip(MORE, (3, 2, 1), strict=True)]
            cells.append(f"{line.seconds:.1f}")
            for rows in by_set:
                dice = spread(list(rows[number].figures("dice").values()))
                cells.append(f"{plus_minus(dice, 3)} ({dice.n})" if dice else NONE)
            body.append([line.name, *cells])
    head = ["", "Dice off the prompted slices", "HD95 mm", "volume difference ml", "seconds"]
    return grid([*head, *(f"Dice on {name} (n)" for name in sets)], body) if body else ""


def _notes(table: ExperimentTable) -> str:
    notes = [
        f"{line.name}: the prediction of {line.undefined} of {count(len(line.row.records), 'structure')} is empty, so "
        "it has Dice 0 and no distance; distances are of the others."
        for line in table.lines
        if line.undefined
    ]
    compared = [line.dice for line in table.lines if line.dice]
    if any(one.verdict == TOO_FEW for one in compared):
        notes.append(f"{TOO_FEW.capitalize()}: fewer than {MIN_PAIRS} pairs allow no statement.")
    if any(one.interval and one.units == "structures" for one in compared):
        cts = max(one.cts for one in compared)
        notes.append(
            f"Intervals and p resample structures of {count(cts, 'CT')} (fewer than {MIN_CTS}); structures of one CT "
            "are not independent, so they speak for these CTs and are too narrow for others."
        )
    partial = [line for line in table.lines if line.row.records and len(line.row.records) < table.structures]
    if partial:
        names = ", ".join(line.name for line in partial)
        notes.append(f"Without results for all {table.structures} structures: {names}. Differences are of common ones.")
    return "\n".join(f"- {note}" for note in notes)


def _bold(line: Line, table: ExperimentTable) -> str:
    """The row's name, bold where its mean Dice is the best."""
    means = [one.spreads["dice"].mean for one in table.lines if one.spreads["dice"]]
    own = line.spreads["dice"]
    return f"**{line.name}**" if own and len(means) > 1 and own.mean == max(means) else line.name


def _paper(figures: Figures | None) -> tuple:
    return (figures.dice, figures.iou, figures.hausdorff) if figures else (None, None, None)


# ---------------------------------------------------------------------------------------------------------- CSV


def csv_lines(table: ExperimentTable) -> list[list]:
    """Return an experiment for CSV; the first line names the columns. Empty: not run, or not defined."""
    head = ["experiment", "row", "model", "image_size", "sha256", "n"]
    head += [f"{metric}{part}" for metric in (*METRICS, *MORE) for part in ("", "_sd")]
    head += ["hausdorff_undefined", "seconds"]
    head += [f"paper_{metric}{part}" for metric in METRICS for part in ("", "_sd")]
    head += ["against", "pairs", "cts", "resampled", "dice_difference", "dice_lower", "dice_upper", "dice_p_holm"]
    head += ["verdict", "hausdorff_difference", "hausdorff_lower", "hausdorff_upper", "paper_dice_difference"]
    lines = [head]
    for line in table.lines:
        used = next((one["model"] for one in line.row.records.values()), None)
        cells = [table.experiment.name, line.name]
        cells += [used["name"], used["image_size"], used["sha256"]] if used else [None] * 3
        cells.append(len(line.row.records))
        for metric in (*METRICS, *MORE):
            found = line.spreads[metric]
            cells += [found.mean, found.sd] if found else [None, None]
        cells += [line.undefined, line.seconds]
        for pair in _paper(line.paper):
            cells += pair or (None, None)
        if one := line.dice:
            cells += [line.baseline, one.pairs, one.cts, one.units, one.difference, *(one.interval or (None, None))]
            cells += [one.p, one.verdict, line.hausdorff.difference, *(line.hausdorff.interval or (None, None))]
            cells.append(line.paper.dice[0] - line.paper_baseline.dice[0] if line.paper else None)
        else:
            cells += [None] * 13
        lines.append(cells)
    return lines


def structure_lines(results: Results, tables: Iterable[ExperimentTable]) -> list[list]:
    """Return every figure of every structure for CSV, by experiment and row."""
    lines = [["experiment", "row", "model", "image_size", "data", "case", "structure", "bone", *METRICS, *MORE]]
    for table in tables:
        for line in table.lines:
            for sample, one in line.row.records.items():
                model = one["model"] or {"name": None, "image_size": None}
                cells = [table.experiment.name, line.name, model["name"], model["image_size"], results.data_of[sample]]
                cells += [one["case"], one["structure"], one["bone"], *(one[metric] for metric in (*METRICS, *MORE))]
                lines.append(cells)
    return lines


def to_csv(lines: Sequence[Sequence]) -> str:
    """Return lines as CSV; floats with six digits, None as an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in line] for line in lines)
    return text.getvalue()


# --------------------------------------------------------------------------------------------------------- in words


def grid(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the first to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def plus_minus(found: Spread | None, digits: int) -> str:
    """Mean ± standard deviation."""
    if found is None:
        return NONE
    return f"{found.mean:.{digits}f}" + (f" ± {found.sd:.{digits}f}" if found.sd is not None else "")


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign; zero has none."""
    text = f"{value:+.{digits}f}"
    return text if float(text) else f"{0:.{digits}f}"


def difference(found: Comparison, digits: int = 3) -> str:
    """Return the mean difference and its interval."""
    if found.difference is None:
        return NONE
    if found.interval is None:
        return TOO_FEW
    lower, upper = (signed(side, digits) for side in found.interval)
    return f"{signed(found.difference, digits)} [{lower}, {upper}]"


def probability(p: float | None) -> str:
    """Return a p in three digits."""
    if p is None:
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def count(number: int, noun: str) -> str:
    """Return "1 CT", "2 CTs"."""
    return f"{number} {noun}" + "s" * (number != 1)
