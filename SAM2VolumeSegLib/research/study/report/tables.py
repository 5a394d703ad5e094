"""The paper's tables with our figures beside them, as Markdown and CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from SAM2VolumeSegLib.model.checkpoints import MODELS
from SAM2VolumeSegLib.research.data.bones import in_order
from SAM2VolumeSegLib.research.measures.metrics import DICE, HAUSDORFF, METRICS, NONE, Metric
from SAM2VolumeSegLib.research.study.experiments import Experiment, find_experiment
from SAM2VolumeSegLib.research.study.paper import PAPER_METRICS, PER_BONE, PER_BONE_METHODS, TABLES, PaperFigures
from SAM2VolumeSegLib.research.study.record import figure
from SAM2VolumeSegLib.research.study.report.rows import ReportRow, StudyModel, StudyResults
from SAM2VolumeSegLib.research.study.report.statistics import (
    FEW_CTS,
    MIN_CTS,
    MIN_RANKED,
    TOO_FEW,
    Comparison,
    Spread,
    compare,
    correct,
    spread,
)


@dataclass(frozen=True)
class Lead:
    """How far a row is before the best method without a model that had the same prompts.

    Attributes:
        opponent: name of that method's row: of those with results the one with the best mean Dice.
        dice: the difference from it.
    """

    opponent: str
    dice: Comparison


@dataclass(frozen=True)
class TableLine:
    """A row of a table: what was measured, the paper's figures, and how it compares with its baseline.

    Attributes:
        row: with the records.
        baseline: name of the row that it is compared with.
        spreads: mean and standard deviation by the name of the metric, None without a value.
        undefined: structures without a Hausdorff distance.
        seconds: mean time of a structure, None without results.
        paper: the paper's figures of this row, None where it has none.
        paper_baseline: those of the baseline.
        dice: the difference from the baseline; None for a baseline and for a row without results.
        hausdorff: the same in mm.
        lead: over the best opponent; None for a row without opponents, or without results.
    """

    row: ReportRow
    baseline: str
    spreads: dict[str, Spread | None]
    undefined: int
    seconds: float | None
    paper: PaperFigures | None
    paper_baseline: PaperFigures | None
    dice: Comparison | None
    hausdorff: Comparison | None
    lead: Lead | None

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
    """An experiment as it was run with a model on some data.

    Attributes:
        experiment: what was run.
        model: with which; None where only methods without one were.
        data: names of the data sets.
        lines: one for each of its rows.
        structures: how many have a result.
        cts: how many CTs these are from.
    """

    experiment: Experiment
    model: StudyModel | None
    data: tuple[str, ...]
    lines: tuple[TableLine, ...]
    structures: int
    cts: int

    def line(self, name: str) -> TableLine:
        """Return a line by the name of its row."""
        return next(line for line in self.lines if line.name == name)


def experiment_table(
    results: StudyResults, experiment: Experiment, model: StudyModel | None, data: str | None = None
) -> ExperimentTable:
    """Compare every row of an experiment with its baseline.

    Args:
        results: of all folders.
        experiment: which.
        model: which was run.
        data: name of the one data set to look at; None: all of them.
    """
    rows = {row.name: row for row in results.rows(experiment, model, data)}
    paper = TABLES[experiment.name].rows if experiment.name in TABLES else {}
    compared = [name for name, row in rows.items() if row.records and experiment.baseline_of(name) != name]
    against = {
        metric.name: [
            compare(
                rows[name].figures(metric.name), rows[experiment.baseline_of(name)].figures(metric.name), results.ct_of
            )
            for name in compared
        ]
        for metric in (DICE, HAUSDORFF)
    }
    against = {metric: dict(zip(compared, correct(found), strict=True)) for metric, found in against.items()}
    lines = tuple(
        TableLine(
            row,
            experiment.baseline_of(name),
            {metric: spread(list(row.figures(metric).values())) for metric in METRICS},
            len(row.records) - len(row.figures(HAUSDORFF.name)),
            float(np.mean([one["seconds"]["total"] for one in row.records.values()])) if row.records else None,
            paper.get(name),
            paper.get(experiment.baseline_of(name)),
            against[DICE.name].get(name),
            against[HAUSDORFF.name].get(name),
            _lead(results, rows, name, experiment.opponents.get(name, ())),
        )
        for name, row in rows.items()
    )
    measured = {sample for row in rows.values() for sample in row.records}
    sets = tuple(name for name in results.data if any(results.data_of[sample] == name for sample in measured))
    return ExperimentTable(experiment, model, sets, lines, len(measured), len({sample[0] for sample in measured}))


def _lead(results: StudyResults, rows: Mapping[str, ReportRow], name: str, opponents: Sequence[str]) -> Lead | None:
    own = rows[name].figures(DICE.name)
    others = {one: rows[one].figures(DICE.name) for one in opponents}
    means = {one: float(np.mean(list(figures.values()))) for one, figures in others.items() if figures}
    if not own or not means:
        return None
    best = next(one for one, mean in means.items() if mean == DICE.best(means.values()))
    return Lead(best, compare(own, others[best], results.ct_of))


# ------------------------------------------------------------------------------------------------------- Markdown


def markdown(results: StudyResults, table: ExperimentTable) -> str:
    """Return an experiment's figures beside the paper's, paired differences, what to know, and further measures."""
    metrics = [METRICS[name] for name in PAPER_METRICS]
    printed = {metric.name for metric in metrics if any(_paper(line.paper, metric) for line in table.lines)}
    head = ["", "n"]
    for metric in metrics:
        head += [metric.heading, "paper", "difference"] if metric.name in printed else [metric.heading]
    body = []
    for line in table.lines:
        cells = [_bold(line, table), str(len(line.row.records))]
        for metric in metrics:
            ours, paper, digits = line.spreads[metric.name], _paper(line.paper, metric), metric.digits
            cells.append(plus_minus(ours, digits) if line.row.records else line.missing * (metric == DICE) or NONE)
            if metric.name in printed:
                cells.append(f"{paper[0]:.{digits}f} ± {paper[1]:.{digits}f}" if paper else NONE)
                cells.append(signed(ours.mean - paper[0], digits) if ours and paper else NONE)
        body.append(cells)
    parts = [grid(head, body), _leads(table), _paired(table), _notes(table), _more(results, table)]
    return "\n\n".join(part for part in parts if part)


def caption(table: ExperimentTable) -> str:
    """Return what a table was measured with and on."""
    model = f"{table.model}" if table.model else "no model"
    data = ", ".join(table.data) or "no data"
    return f"Model: {model}. Data: {data}; {count(table.structures, 'structure')} of {count(table.cts, 'CT')}."


def per_bone(results: StudyResults, model: StudyModel | None) -> tuple[str, list[list]]:
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
            dice, iou = (
                spread([one[metric] for one in of_bone[method].values()]) for metric in (DICE.name, METRICS["iou"].name)
            )
            paper = PER_BONE.get(bone, {}).get(method)
            cells.append(f"{dice.mean:.3f} / {iou.mean:.3f}" if dice else "not run")
            cells.append(f"{paper[0]:.3f} / {paper[1]:.3f}" if paper else NONE)
            ours = [number for one in (dice, iou) for number in ((one.mean, one.sd) if one else (None, None))]
            table.append([bone, method, dice.n if dice else 0, *ours, *(paper or (None, None))])
        best, base = (
            {sample: one[DICE.name] for sample, one in of_bone[name].items()} for name in ("IS + SPS", "Baseline")
        )
        cells.append(difference(compare(best, base, results.ct_of)))
        paper = PER_BONE.get(bone)
        cells.append(signed(paper["IS + SPS"][0] - paper["Baseline"][0]) if paper else NONE)
        body.append(cells)
    return grid(head, body) if body else "", table


def _leads(table: ExperimentTable) -> str:
    """How far rows are before the best of their opponents."""
    head = ["", "best without a model", "pairs", "CTs", f"lead over it in {DICE.title} [95 %]"]
    body = [
        [line.name, line.lead.opponent, str(line.lead.dice.pairs), str(line.lead.dice.cts), difference(line.lead.dice)]
        for line in table.lines
        if line.lead
    ]
    return grid(head, body) if body else ""


def _paired(table: ExperimentTable) -> str:
    head = ["", "against", "pairs", f"{DICE.title} difference [95 %]", "p (Holm)", "verdict", "paper's difference"]
    head.append(f"{HAUSDORFF.title} difference {HAUSDORFF.unit} [95 %]")
    body = []
    for line in table.lines:
        if line.dice:
            paper = signed(line.paper.dice[0] - line.paper_baseline.dice[0]) if line.paper else NONE
            cells = [line.name, line.baseline, str(line.dice.pairs), difference(line.dice), probability(line.dice.p)]
            body.append([*cells, line.dice.verdict, paper, difference(line.hausdorff, HAUSDORFF.digits)])
    return grid(head, body) if body else ""


def _more(results: StudyResults, table: ExperimentTable) -> str:
    """What the paper has no figures of; and the mean Dice on each data set, where there are several."""
    measured = {name for line in table.lines for name, found in line.spreads.items() if found}
    more = [metric for name, metric in METRICS.items() if name in measured - set(PAPER_METRICS)]
    sets = table.data if len(table.data) > 1 else ()
    by_set = [results.rows(table.experiment, table.model, name) for name in sets]
    body = []
    for number, line in enumerate(table.lines):
        if line.row.records:
            cells = [plus_minus(line.spreads[metric.name], metric.digits) for metric in more]
            cells.append(f"{line.seconds:.1f}")
            for rows in by_set:
                dice = spread(list(rows[number].figures(DICE.name).values()))
                cells.append(f"{plus_minus(dice, DICE.digits)} ({dice.n})" if dice else NONE)
            body.append([line.name, *cells])
    head = ["", *(metric.heading for metric in more), "seconds"]
    return grid([*head, *(f"{DICE.title} on {name} (n)" for name in sets)], body) if body else ""


def _notes(table: ExperimentTable) -> str:
    notes = [
        f"{line.name}: the prediction of {line.undefined} of {count(len(line.row.records), 'structure')} is empty, so "
        "it has Dice 0 and no distance; distances are of the others."
        for line in table.lines
        if line.undefined
    ]
    compared = [line.dice for line in table.lines if line.dice]
    if any(one.verdict == TOO_FEW for one in compared):
        notes.append(
            f"{TOO_FEW[0].upper()}{TOO_FEW[1:]}: fewer than {MIN_RANKED} allow no verdict, fewer than {MIN_CTS} no "
            "interval."
        )
    cts = max((one.cts for one in compared if one.interval), default=FEW_CTS)
    if cts < FEW_CTS:
        notes.append(
            f"Intervals are over {count(cts, 'CT')}, which are few: they are coarse, and speak for CTs like these."
        )
    partial = [line for line in table.lines if line.row.records and len(line.row.records) < table.structures]
    if partial:
        names = ", ".join(line.name for line in partial)
        notes.append(f"Without results for all {table.structures} structures: {names}. Differences are of common ones.")
    return "\n".join(f"- {note}" for note in notes)


def _bold(line: TableLine, table: ExperimentTable) -> str:
    """The row's name, bold where its mean Dice is the best."""
    means = [one.spreads[DICE.name].mean for one in table.lines if one.spreads[DICE.name]]
    own = line.spreads[DICE.name]
    return f"**{line.name}**" if own and len(means) > 1 and own.mean == DICE.best(means) else line.name


def _paper(figures: PaperFigures | None, metric: Metric) -> tuple[float, float] | None:
    """Return what the paper has of a metric, None where its table has no such column."""
    return getattr(figures, metric.name, None)


# ---------------------------------------------------------------------------------------------------------- CSV


def csv_lines(table: ExperimentTable) -> list[list]:
    """Return an experiment for CSV; the first line names the columns. Empty: not run, or not defined."""
    head = ["experiment", "row", "model", "image_size", "sha256", "n"]
    head += [f"{metric}{part}" for metric in METRICS for part in ("", "_sd")]
    head += ["hausdorff_undefined", "seconds"]
    head += [f"paper_{metric}{part}" for metric in PAPER_METRICS for part in ("", "_sd")]
    head += ["against", "pairs", "cts", "dice_difference", "dice_lower", "dice_upper", "dice_p_holm"]
    head += ["verdict", "hausdorff_difference", "hausdorff_lower", "hausdorff_upper", "paper_dice_difference"]
    head += ["opponent", "lead", "lead_lower", "lead_upper"]
    lines = [head]
    for line in table.lines:
        used = next((one["model"] for one in line.row.records.values()), None)
        cells = [table.experiment.name, line.name]
        cells += [used["name"], used["image_size"], used["sha256"]] if used else [None] * 3
        cells.append(len(line.row.records))
        for metric in METRICS:
            found = line.spreads[metric]
            cells += [found.mean, found.sd] if found else [None, None]
        cells += [line.undefined, line.seconds]
        for metric in PAPER_METRICS:
            cells += _paper(line.paper, METRICS[metric]) or (None, None)
        if one := line.dice:
            cells += [line.baseline, one.pairs, one.cts, one.difference, *(one.interval or (None, None))]
            cells += [one.p, one.verdict, line.hausdorff.difference, *(line.hausdorff.interval or (None, None))]
            cells.append(line.paper.dice[0] - line.paper_baseline.dice[0] if line.paper else None)
        else:
            cells += [None] * 12
        lead = line.lead
        cells += [lead.opponent, lead.dice.difference, *(lead.dice.interval or (None, None))] if lead else [None] * 4
        lines.append(cells)
    return lines


def structure_lines(results: StudyResults, tables: Iterable[ExperimentTable]) -> list[list]:
    """Return every figure of every structure for CSV, by experiment and row."""
    lines = [["experiment", "row", "model", "image_size", "data", "case", "structure", "bone", *METRICS]]
    for table in tables:
        for line in table.lines:
            for sample, one in line.row.records.items():
                model = one["model"] or {"name": None, "image_size": None}
                cells = [table.experiment.name, line.name, model["name"], model["image_size"], results.data_of[sample]]
                cells += [one["case"], one["structure"], one["bone"], *(figure(one, name) for name in METRICS)]
                lines.append(cells)
    return lines


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
    """Return the mean difference and its interval, or alone where there are too few CTs for one."""
    if found.difference is None:
        return NONE
    if found.interval is None:
        return signed(found.difference, digits)
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
