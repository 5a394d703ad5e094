"""The answers of the experiment `review`: is a review right, and is it worth following?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SAM2VolumeSegLib.research.measures.metrics import DICE, NONE
from SAM2VolumeSegLib.research.measures.reviewed import FIRST
from SAM2VolumeSegLib.research.study.experiments import MENDED, REVIEW, REVIEWED, reviewed_row
from SAM2VolumeSegLib.research.study.mending import BEST, ORDERS, SUGGESTED, TITLES
from SAM2VolumeSegLib.research.study.record import Record
from SAM2VolumeSegLib.research.study.report.plotting import GREY, OURS, SECOND, THIRD, new_figure
from SAM2VolumeSegLib.research.study.report.rows import Sample, StudyModel, StudyResults
from SAM2VolumeSegLib.research.study.report.statistics import resampled
from SAM2VolumeSegLib.research.study.report.tables import count, grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Mapping[str, Mapping[Sample, Record]]
"""The records of each row of the experiment."""


@dataclass(frozen=True)
class Question:
    """What is asked of a review.

    Attributes:
        text: the question.
        wanted: the answer that was wanted before anybody had measured; empty where none was.
        answer: gives it, from what was painted first and the structures that count; None where nothing can be said.
        digits: of the answer.
    """

    text: str
    wanted: str
    answer: Callable[[Rows, str, Sequence[Sample]], float | None]
    digits: int = 2


def _mean(name: str) -> Callable[[Rows, str, Sequence[Sample]], float | None]:
    def answer(rows: Rows, painted: str, samples: Sequence[Sample]) -> float | None:
        found = [rows[reviewed_row(painted)][sample]["reviewed"][name] for sample in samples]
        found = [value for value in found if value is not None]
        return float(np.mean(found)) if found else None

    return answer


def _ratio(name: str, other: str) -> Callable[[Rows, str, Sequence[Sample]], float | None]:
    def answer(rows: Rows, painted: str, samples: Sequence[Sample]) -> float | None:
        over, under = (_mean(one)(rows, painted, samples) for one in (name, other))
        return over / under if over is not None and under else None

    return answer


def _rank_correlation(rows: Rows, painted: str, samples: Sequence[Sample]) -> float | None:
    from scipy.stats import spearmanr

    records = [rows[reviewed_row(painted)][sample] for sample in samples]
    expected, true = [one["reviewed"]["expected"] for one in records], [one[DICE.name] for one in records]
    if len(set(expected)) < 2 or len(set(true)) < 2:
        return None
    return float(spearmanr(expected, true).statistic)


def _inside(rows: Rows, painted: str, samples: Sequence[Sample]) -> float | None:
    records = [rows[reviewed_row(painted)][sample] for sample in samples]
    held = [one["reviewed"]["lower"] <= one[DICE.name] <= one["reviewed"]["upper"] for one in records]
    return float(np.mean(held)) if held else None


def _check_time(rows: Rows, painted: str, samples: Sequence[Sample]) -> float | None:
    records = [rows[reviewed_row(painted)][sample] for sample in samples]
    run = sum(one["seconds"]["total"] for one in records)
    return sum(one["reviewed"]["check_seconds"] for one in records) / run if run else None


def _of_the_best(by: str, slices: int) -> Callable[[Rows, str, Sequence[Sample]], float | None]:
    """Mean gain in Dice as a share of that of the best possible slices."""

    def answer(rows: Rows, painted: str, samples: Sequence[Sample]) -> float | None:
        mended, best, before = (
            rows[name] for name in (*(reviewed_row(painted, one, slices) for one in (by, BEST)), reviewed_row(painted))
        )
        common = [sample for sample in samples if sample in mended and sample in best]
        if not common:
            return None
        own, most = (sum(row[one][DICE.name] - before[one][DICE.name] for one in common) for row in (mended, best))
        return own / most if most > 0 else None

    return answer


QUESTIONS = (
    Question(
        "Is what is called likely wrong wrong? Area under the ROC curve within 10 mm of the surface",
        ">= 0.90",
        _mean("auc"),
        3,
    ),
    Question("Does expected Dice follow the true one? Spearman's correlation", ">= 0.7", _rank_correlation),
    Question("How often does the 90 % interval hold the true Dice?", "0.85 to 0.95", _inside),
    Question(f"Share of the wrong volume that the first {FIRST} suspects hold", ">= 0.60", _mean("suspects")),
    Question(
        f"... as a multiple of what {FIRST} slices with SAM2's least confidence hold",
        ">= 2",
        _ratio("suspects", "slices"),
        1,
    ),
    Question("... and of what these hold with all that is within 6 mm of them", "", _ratio("suspects", "slabs"), 1),
    *(
        Question(
            f"Gain in Dice as a share of the best of three: {TITLES[by]}, {count(slices, 'slice')} mended",
            ">= 0.8" if by == SUGGESTED else "",
            _of_the_best(by, slices),
        )
        for by in ORDERS
        if by != BEST
        for slices in MENDED
    ),
    Question("Time of the self-check, as a multiple of the run's", "< 1.5", _check_time),
)


def answers(results: StudyResults, model: StudyModel | None) -> list[list]:
    """Return the answers for CSV; the first line names the columns.

    Intervals resample whole CTs, as everywhere in the report.

    Args:
        results: of all folders.
        model: which was run.
    """
    lines: list[list] = [["painted", "question", "wanted", "data", "n", "answer", "lower", "upper", "digits"]]
    rows = _rows(results, model)
    scopes = [None, *results.data] if len(results.data) > 1 else [None]
    for painted in REVIEWED:
        for scope in scopes:
            samples = [one for one in rows[reviewed_row(painted)] if scope in (None, results.data_of[one])]
            for one in QUESTIONS if samples else ():
                answer = one.answer(rows, painted, samples)
                by_ct = [(results.ct_of[sample], sample) for sample in samples]
                sides = resampled(by_ct, lambda drawn, one=one, painted=painted: one.answer(rows, painted, drawn))
                cells = [painted, one.text, one.wanted, scope or "all data", len(samples), answer]
                lines.append([*cells, *(sides or (None, None)), one.digits])
    return lines


def section(lines: Sequence[Sequence]) -> str:
    """Return the answers as Markdown: a table for what was painted first, a column for each data set.

    Args:
        lines: of `answers`.
    """
    parts = []
    for painted in dict.fromkeys(line[0] for line in lines[1:]):
        own = [line for line in lines[1:] if line[0] == painted]
        counts = {line[3]: line[4] for line in own}
        cells = {(line[1], line[3]): said(*line[5:]) for line in own}
        body = [
            [text, wanted, *(cells.get((text, data), NONE) for data in counts)]
            for text, wanted in dict.fromkeys((line[1], line[2]) for line in own)
        ]
        head = [f"from {painted}", "wanted", *(f"{data} (n = {number})" for data, number in counts.items())]
        parts.append(grid(head, body))
    parts.append(
        "Means over structures; intervals resample whole CTs. The best of three is, step by step, the slice after "
        "which the Dice was highest: the review's, the one in the largest gap, or the one through most of what was "
        "wrong. So a share can be above 1 where another order was lucky. Times of mended results are of what no "
        "earlier row had computed, and no user's. Wrong volume beyond 10 mm of a result, which no suspect can hold, "
        "counts as well."
    )
    return "\n\n".join(parts)


def said(answer: float | None, lower: float | None, upper: float | None, digits: int) -> str:
    """An answer with its interval."""
    if answer is None:
        return NONE
    text = f"{answer:.{digits}f}"
    return text if lower is None or upper is None else f"{text} [{lower:.{digits}f}, {upper:.{digits}f}]"


def reliability(results: StudyResults, model: StudyModel) -> Figure | None:
    """How often voxels are wrong of which a review says how likely that is; every structure counts as much."""
    rows = _rows(results, model)
    figure, axes = new_figure(1, 1, width=5.2, height=4.4)
    least = 5e-4
    axes.plot([least, 1], [least, 1], color=GREY, linewidth=1, label="as it should be")
    for painted, color, marker in zip(REVIEWED, (OURS, SECOND), "os", strict=True):
        bins = [np.array(one["reviewed"]["reliability"]) for one in rows[reviewed_row(painted)].values()]
        bins = [one / one[:, 0].sum() for one in bins if one[:, 0].sum()]
        if not bins:
            continue
        weight, wrong, chance = np.sum(bins, axis=0).T
        some = weight > 0
        axes.plot(
            chance[some] / weight[some], wrong[some] / weight[some], marker + "-", color=color, label=f"from {painted}"
        )
    if len(axes.lines) == 1:
        return None
    axes.set(
        xscale="log", yscale="log", xlabel="chance of an error, as the review has it", ylabel="share that is wrong"
    )
    axes.set_aspect("equal")
    axes.legend()
    return figure


def gains(results: StudyResults, model: StudyModel) -> Figure | None:
    """Dice over the number of mended slices, for each order."""
    rows = _rows(results, model)
    looks = zip(ORDERS, (OURS, SECOND, GREY, THIRD), "os^D", strict=True)
    if not all(rows[reviewed_row(painted)] for painted in REVIEWED):
        return None
    figure, both = new_figure(1, 2, width=8.4, height=3.8)
    for axes, painted in zip(both, REVIEWED, strict=True):
        axes.set(title=f"from {painted}", xlabel="mended slices", ylabel="Dice", xticks=[0, *MENDED])
    for by, color, marker in looks:
        for axes, painted in zip(both, REVIEWED, strict=True):
            names = [reviewed_row(painted), *(reviewed_row(painted, by, slices) for slices in MENDED)]
            common = set.intersection(*(set(rows[name]) for name in names))
            if common:
                dice = [np.mean([rows[name][one][DICE.name] for one in common]) for name in names]
                axes.plot(range(len(names)), dice, marker + "-", color=color, label=TITLES[by])
    figure.legend(*both[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(TITLES))
    return figure


def _rows(results: StudyResults, model: StudyModel | None) -> Rows:
    return {row.name: row.records for row in results.rows(REVIEW, model)}
