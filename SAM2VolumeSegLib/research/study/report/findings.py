"""Which of the paper's findings hold on some data, decided by the data alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from SAM2VolumeSegLib.research.study.experiments import find_experiment
from SAM2VolumeSegLib.research.study.paper import PER_BONE, TABLES
from SAM2VolumeSegLib.research.study.report.embeddings import redundancy
from SAM2VolumeSegLib.research.study.report.rows import ReportRow, Sample, StudyModel, StudyResults
from SAM2VolumeSegLib.research.study.report.statistics import (
    BETTER,
    TOO_FEW,
    WORSE,
    Comparison,
    compare,
    correct,
    unpaired_interval,
)
from SAM2VolumeSegLib.research.study.report.tables import ExperimentTable, count, difference, experiment_table, signed
from SAM2VolumeSegLib.research.study.report.times import component_ms

HOLDS, FAILS, UNCLEAR, NOT_RUN = "holds", "does not hold", "not clear", "not run"
PRACTICAL = 0.01
"""Dice. Where an interval excludes a gain of this size (or of the paper's, where that is smaller), there is none."""
REDUNDANT = 0.8
"""Cosine similarity from which on embeddings count as alike; the paper names no figure."""


@dataclass(frozen=True)
class Claim:
    """A statement of the paper about the Dice of rows of an experiment.

    Attributes:
        text: the statement.
        experiment: name of it.
        first: rows; several are averaged for each structure.
        second: rows that the first are compared with.
        gain: True where the paper says that first is better, False where it says that first is not better.
        best: True compares first with each of second, not with their mean.
    """

    text: str
    experiment: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    gain: bool = True
    best: bool = False

    @property
    def paper(self) -> float:
        """The paper's difference in Dice; for `best`, from the nearest competitor."""
        rows = TABLES[self.experiment].rows
        first, second = ([rows[name].dice[0] for name in names] for names in (self.first, self.second))
        return float(np.mean(first) - (max(second) if self.best else np.mean(second)))


def _temps(first: int, last: int) -> tuple[str, ...]:
    return tuple(f"Temp {tenths / 10}" for tenths in range(first, last + 1))


CLAIMS = (
    Claim("A bone window beats no preprocessing", "preprocessing", ("Windowing Alone",), ("No preprocessing",)),
    Claim(
        "CLAHE does not improve on the window",
        "preprocessing",
        ("CLAHE + Windowing",),
        ("Windowing Alone",),
        gain=False,
    ),
    Claim("Large is hardly better than Small", "model-scale", ("Large",), ("Small",), gain=False),
    Claim("First-middle-last beats first-last", "prompts", ("F-M-L (3)",), ("First-Last (2)",)),
    Claim("First-middle-last beats the middle alone", "prompts", ("F-M-L (3)",), ("Middle (1)",)),
    Claim(
        "Five prompts are not better than first-middle-last", "prompts", ("Uniform (5)",), ("F-M-L (3)",), gain=False
    ),
    Claim("A stride of 4 is slightly better", "stride", ("Stride 4",), ("Stride 1 (Baseline)",)),
    Claim(
        "Confidence gating does not help (mean of gates 1 to 6)",
        "gating",
        tuple(f"Gate {number}" for number in range(1, 7)),
        ("Gate 0 (Baseline)",),
        gain=False,
    ),
    Claim("One recent slice beats none", "capacity", ("Sliced 1",), ("Sliced 0",)),
    Claim(
        "Six recent slices beat every smaller number up to four",
        "capacity",
        ("Sliced 6 (Baseline)",),
        tuple(f"Sliced {number}" for number in range(5)),
        best=True,
    ),
    Claim("IS beats the baseline's six slices", "capacity", ("Intelligent Slicing",), ("Sliced 6 (Baseline)",)),
    Claim("IS beats two slices as in SAM2", "capacity", ("Intelligent Slicing",), ("Sliced 2",)),
    Claim("SPS with 0.3 beats the baseline", "threshold", ("Temp 0.3",), ("Temp 1.0 (Baseline)",)),
    Claim("Thresholds of 0.1 to 0.4 beat those of 0.5 to 0.9", "threshold", _temps(1, 4), _temps(5, 9)),
    Claim("0.3 is the best threshold", "threshold", ("Temp 0.3",), (*_temps(1, 2), *_temps(4, 9)), best=True),
    Claim(
        "Forward-backward is not better than forward",
        "propagation",
        ("Forward-Backward, 3 prompts",),
        ("Single Axis, 3 prompts (Baseline)",),
        gain=False,
    ),
    Claim(
        "With three prompts one axis beats three axes",
        "propagation",
        ("Single Axis, 3 prompts (Baseline)",),
        ("Three Axis, 3 prompts",),
    ),
    Claim(
        "With nine prompts three axes beat one axis",
        "propagation",
        ("Three Axis, 9 prompts",),
        ("Single Axis, 9 prompts (Baseline)",),
    ),
    Claim("IS + SPS beats the baseline", "final", ("IS + SPS",), ("Baseline",)),
    Claim(
        "IS + SPS is the best of the five methods", "final", ("IS + SPS",), ("NP", "Baseline", "SPS", "IS"), best=True
    ),
)


@dataclass(frozen=True)
class Finding:
    """A statement of the paper, and what became of it.

    Attributes:
        text: the statement.
        paper: the paper's figure.
        outcomes: (state, figures) for each scope: all data, then each data set.
    """

    text: str
    paper: str
    outcomes: tuple[tuple[str, str], ...]  # (state, figures) per scope


def find(
    results: StudyResults,
    model: StudyModel | None,
    scopes: Sequence[str | None],
    tables: Iterable[ExperimentTable],
    similarities: np.ndarray | None,
) -> list[Finding]:
    """Judge every finding of the paper on each scope.

    Args:
        results: of all folders.
        model: that was run.
        scopes: name of a data set, or None for all data.
        tables: of the experiments, on all data.
        similarities: of the model's temporal embeddings (`embeddings.similarity`), None where they are not known.
    """
    tables = {(table.experiment.name, None): table for table in tables}
    found = [
        Finding(
            claim.text, signed(claim.paper), tuple(_judge(results, model, claim, scope, tables) for scope in scopes)
        )
        for claim in CLAIMS
    ]
    gain = {bone: methods["IS + SPS"][0] - methods["Baseline"][0] for bone, methods in PER_BONE.items()}
    others = np.mean([value for bone, value in gain.items() if bone != "Vertebrae"])
    return [
        *found,
        Finding(
            "Vertebrae gain more from IS + SPS than other bones",
            signed(gain["Vertebrae"] - others),
            tuple(_vertebrae(results, model, scope) for scope in scopes),
        ),
        Finding(
            "IS + SPS tracks a slice faster than the baseline",
            "figure 4b",
            tuple(_faster(results, model, scope) for scope in scopes),
        ),
        Finding(
            "Encoding a slice takes longer than everything else",
            "figure 4a",
            tuple(_encoding(results, model, scope) for scope in scopes),
        ),
        Finding(
            "Intermediate temporal embeddings are alike, first and last differ",
            "figure 3b(ii)",
            (_redundant(similarities), *[("", "of the model, not of data")] * (len(scopes) - 1)),
        ),
    ]


def _judge(
    results: StudyResults, model: StudyModel | None, claim: Claim, scope: str | None, tables: dict
) -> tuple[str, str]:
    experiment = find_experiment(claim.experiment, model.name if model else "small")
    rows = {row.name: row for row in results.rows(experiment, model, scope)}
    if not all(name in rows and rows[name].records for name in (*claim.first, *claim.second)):
        return NOT_RUN, ""
    first = _mean(rows, claim.first)
    seconds = [_mean(rows, (name,)) for name in claim.second] if claim.best else [_mean(rows, claim.second)]
    comparisons = correct([compare(first, second, results.ct_of) for second in seconds])
    if len(claim.first) == len(claim.second) == 1:
        # The table has the same comparison, corrected for all rows of the experiment: no two answers to one question.
        if (claim.experiment, scope) not in tables:
            tables[claim.experiment, scope] = experiment_table(results, experiment, model, scope)
        table, one = tables[claim.experiment, scope], comparisons[0]
        for name, other in ((claim.first[0], claim.second[0]), (claim.second[0], claim.first[0])):
            line = table.line(name)
            if line.dice and line.baseline == other:
                one = replace(one, p=line.dice.p)
        comparisons = [one]
    nearest = min(comparisons, key=lambda one: np.inf if one.difference is None else one.difference)
    text = count(nearest.pairs, "pair")
    if nearest.interval:
        text = f"{difference(nearest)}, {text}"
    if claim.best:
        text += f", against {claim.second[comparisons.index(nearest)]}"
    return _state(comparisons, claim), text


def _state(comparisons: Sequence[Comparison], claim: Claim) -> str:
    verdicts = {one.verdict for one in comparisons}
    if TOO_FEW in verdicts:
        return TOO_FEW
    if not claim.gain:
        if BETTER in verdicts:
            return FAILS
        return HOLDS if verdicts == {WORSE} or all(one.interval[1] < PRACTICAL for one in comparisons) else UNCLEAR
    margin = min(PRACTICAL, claim.paper)
    if WORSE in verdicts or any(one.interval[1] < margin for one in comparisons):
        return FAILS
    return HOLDS if verdicts == {BETTER} else UNCLEAR


def _mean(rows: dict[str, ReportRow], names: Sequence[str]) -> dict[Sample, float]:
    """Mean Dice over rows, of each structure that all of them have."""
    common = [sample for sample in rows[names[0]].records if all(sample in rows[name].records for name in names)]
    return {sample: float(np.mean([rows[name].records[sample]["dice"] for name in names])) for sample in common}


def _vertebrae(results: StudyResults, model: StudyModel | None, scope: str | None) -> tuple[str, str]:
    best, base = _final(results, model, scope)
    gains = {
        sample: (one["bone"], one["dice"] - base[sample]["dice"]) for sample, one in best.items() if sample in base
    }
    ct_of = results.ct_of
    own = [(ct_of[sample], gain) for sample, (bone, gain) in gains.items() if bone == "Vertebrae"]
    others = [(ct_of[sample], gain) for sample, (bone, gain) in gains.items() if bone != "Vertebrae"]
    if not gains:
        return NOT_RUN, ""
    text = f"{len(own)} vertebrae, {len(others)} others"
    interval = unpaired_interval(own, others)
    if interval is None:
        return TOO_FEW, text
    lower, upper = interval
    state = HOLDS if lower > 0 else FAILS if upper < PRACTICAL else UNCLEAR
    apart = np.mean([gain for _, gain in own]) - np.mean([gain for _, gain in others])
    return state, f"{signed(apart)} [{signed(lower)}, {signed(upper)}], {text}"


def _faster(results: StudyResults, model: StudyModel | None, scope: str | None) -> tuple[str, str]:
    best, base = (
        {sample: one["track_ms"][2] for sample, one in records.items() if one["track_ms"]}
        for records in _final(results, model, scope)
    )
    return _timed(compare(base, best, results.ct_of), "saved of a median of", base)


def _encoding(results: StudyResults, model: StudyModel | None, scope: str | None) -> tuple[str, str]:
    times = component_ms(results, model, scope)
    encode = {sample: parts["encode"] for sample, parts in times.items()}
    rest = {sample: sum(ms for part, ms in parts.items() if part != "encode") for sample, parts in times.items()}
    return _timed(compare(encode, rest, results.ct_of), "more than the rest's", rest)


def _timed(found: Comparison, words: str, reference: dict[Sample, float]) -> tuple[str, str]:
    if not found.pairs:
        return NOT_RUN, ""
    if found.interval is None:
        return TOO_FEW, count(found.pairs, "pair")
    state = {BETTER: HOLDS, WORSE: FAILS, TOO_FEW: TOO_FEW}.get(found.verdict, UNCLEAR)
    return state, f"{difference(found, 1)} ms {words} {np.mean(list(reference.values())):.1f} ms"


def _redundant(similarities: np.ndarray | None) -> tuple[str, str]:
    if similarities is None:
        return NOT_RUN, "the weights are not on this machine"
    between, apart = redundancy(similarities)
    state = FAILS if between <= apart else HOLDS if between >= REDUNDANT else UNCLEAR
    return state, f"cosine {between:.2f} among rows 1 to 4, {apart:.2f} first to last"


def _final(results: StudyResults, model: StudyModel | None, scope: str | None) -> tuple[dict, dict]:
    rows = {row.name: row.records for row in results.rows(find_experiment("final"), model, scope)}
    return rows["IS + SPS"], rows["Baseline"]
