"""The paper's figures 3 and 4 from our results, with the paper's figures where it has numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from SAM2VolumeSegLib.research.data.bones import in_order
from SAM2VolumeSegLib.research.study.experiments import find_experiment
from SAM2VolumeSegLib.research.study.paper import PER_BONE, TABLES
from SAM2VolumeSegLib.research.study.report.plotting import GREY, OURS, PAPER, PAPER_LABEL, SECOND, THIRD, new_figure
from SAM2VolumeSegLib.research.study.report.rows import ReportRow, Sample, StudyModel, StudyResults
from SAM2VolumeSegLib.research.study.report.statistics import compare
from SAM2VolumeSegLib.research.study.report.tables import count
from SAM2VolumeSegLib.research.study.report.times import ENCODE, component_ms, tracking_ms

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TEMPS = {f"Temp {tenths / 10}" + " (Baseline)" * (tenths == 10): tenths / 10 for tenths in range(1, 11)}
SLICED = {f"Sliced {number}" + " (Baseline)" * (number == 6): number for number in range(7)}


def threshold(results: StudyResults, model: StudyModel) -> Figure | None:
    """Figure 3a: Dice over the temporal threshold, and the paired difference from keeping every prompt."""
    rows = _rows(results, "threshold", model)
    if 2 * sum(bool(rows[name].records) for name in TEMPS) < len(TEMPS):
        return None  # its other experiments' rows are no curve
    figure, (level, gain) = new_figure(1, 2)
    _curve(level, gain, results, rows, "threshold", TEMPS, "Temp 1.0 (Baseline)")
    for axes in (level, gain):
        axes.set_xlabel("temporal threshold (share of the stack)")
        axes.set_xticks(np.arange(0.1, 1.05, 0.1))
    return figure


def capacity(results: StudyResults, model: StudyModel) -> Figure | None:
    """Figure 3b(i): Dice over the number of recent slices, and Intelligent Slicing."""
    rows = _rows(results, "capacity", model)
    if 2 * sum(bool(rows[name].records) for name in SLICED) < len(SLICED):
        return None
    figure, (level, gain) = new_figure(1, 2)
    _curve(level, gain, results, rows, "capacity", SLICED, "Sliced 6 (Baseline)")
    _curve(level, gain, results, rows, "capacity", {"Intelligent Slicing": 7.4}, "Sliced 6 (Baseline)", labels=False)
    for axes in (level, gain):
        axes.axvline(6.7, color=GREY, linewidth=0.8)
        axes.set_xticks([*range(7), 7.4], [*map(str, range(7)), "IS"])
        axes.set_xlabel("recent slices in memory")
    return figure


def embeddings(similarities: np.ndarray) -> Figure:
    """Figure 3b(ii): cosine similarity of the temporal embeddings, rows of `maskmem_tpos_enc`."""
    figure, axes = new_figure(1, 1, width=5.6, height=4.6)
    names = ["1 ago", *(f"{age} ago" for age in range(2, len(similarities))), "prompt"]
    image = axes.imshow(similarities, cmap="PuOr", vmin=-1, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.grid(False)
    for (row, column), value in np.ndenumerate(np.round(similarities, 2) + 0.0):
        ink = "white" if abs(value) > 0.6 else "black"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=8.5)
    figure.colorbar(image, ax=axes, label="cosine similarity")
    return figure


def per_bone(results: StudyResults, model: StudyModel) -> Figure | None:
    """Figure 3c: Dice of each class with the baseline and with IS + SPS; a dot is a structure."""
    rows = _rows(results, "final", model)
    shown = [
        (name, *look) for name, *look in (("Baseline", SECOND, "s"), ("IS + SPS", OURS, "o")) if rows[name].records
    ]
    bones = in_order(one["bone"] for name, *_ in shown for one in rows[name].records.values())
    if not bones:
        return None
    figure, axes = new_figure(1, 1, height=1.4 + 0.5 * len(bones))
    for place, (name, color, marker) in enumerate(shown):
        for number, bone in enumerate(bones):
            dice = [one["dice"] for one in rows[name].records.values() if one["bone"] == bone]
            y = number + 0.18 * (2 * place - 1)
            axes.plot(dice, [y] * len(dice), ".", color=color, alpha=0.5, markersize=6, markeredgewidth=0)
            if dice:
                axes.plot(np.mean(dice), y, marker, color=color, markersize=7)
            if bone in PER_BONE:
                axes.plot(PER_BONE[bone][name][0], y, marker, color=PAPER, markersize=7, markerfacecolor="none")
        axes.plot([], [], marker, color=color, label=f"{name}, this run")
        axes.plot([], [], marker, color=PAPER, markerfacecolor="none", label=f"{name}, paper")
    numbers = [
        max(sum(one["bone"] == bone for one in rows[name].records.values()) for name, *_ in shown) for bone in bones
    ]
    axes.set_yticks(range(len(bones)), [f"{bone} ({number})" for bone, number in zip(bones, numbers, strict=True)])
    axes.set_ylim(len(bones) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("Dice")
    _legend_below(figure, axes, 4)
    return figure


def strategies(results: StudyResults, model: StudyModel) -> Figure | None:
    """Figure 3d: Dice of propagation strategies over the number of prompts."""
    one_axis = [("prompts", "Middle (1)", 1), ("prompts", "First-Last (2)", 2), ("prompts", "F-M-L (3)", 3)]
    one_axis += [("prompts", "Uniform (5)", 5), ("prompts", "Uniform (7)", 7)]
    one_axis.append(("propagation", "Single Axis, 9 prompts (Baseline)", 9))
    three_axes = [("propagation", f"Three Axis, {number} prompts", number) for number in (3, 9)]
    both = [("propagation", "Forward-Backward, 3 prompts", 3)]
    series = (("one axis", one_axis, OURS, "o"), ("three axes", three_axes, SECOND, "s"))
    series += (("forward-backward", both, THIRD, "D"),)
    rows = {name: _rows(results, name, model) for name in ("prompts", "propagation")}
    if not any(rows[name][row].records for _, points, *_ in series for name, row, _ in points if row != "F-M-L (3)"):
        return None
    figure, axes = new_figure(1, 1, width=7.2)
    for label, points, color, marker in series:
        run = [(number, rows[name][row]) for name, row, number in points if rows[name][row].records]
        if run:
            means = [np.mean(list(row.figures("dice").values())) for _, row in run]
            bars = np.array([_error(results, row.figures("dice")) for _, row in run]).T
            numbers = np.array([number for number, _ in run]) + 0.12 * (marker == "D")
            axes.errorbar(numbers, means, bars, color=color, marker=marker, capsize=3, label=f"{label}, this run")
        paper = [(number, TABLES[name].rows[row].dice[0]) for name, row, number in points]
        axes.plot(*zip(*paper, strict=True), "--", color=color, marker=marker, mfc="none", label=f"{label}, paper")
    axes.set_xticks([1, 2, 3, 5, 7, 9])
    axes.set_xlabel("prompted slices")
    axes.set_ylabel("Dice")
    _legend_below(figure, axes, 3)
    return figure


def components(results: StudyResults, model: StudyModel) -> Figure | None:
    """Figure 4a: mean time of each component per slice, over structures."""
    times = list(component_ms(results, model).values())
    if not times:
        return None
    parts = sorted(times[0], key=lambda part: (part != ENCODE, list(times[0]).index(part)))
    means = [np.mean([one[part] for one in times]) for part in parts]
    figure, axes = new_figure(1, 1, height=2.6)
    bars = axes.barh(range(len(parts)), means, color=[OURS, *[SECOND] * (len(parts) - 1)], height=0.65)
    axes.bar_label(bars, [f"{mean:.1f} ms" for mean in means], padding=4)
    axes.set_yticks(range(len(parts)), ["image encoder" if part == ENCODE else part for part in parts])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.18 * max(means))
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"ms per slice (mean over {count(len(times), 'structure')})")
    return figure


def tracking(results: StudyResults, model: StudyModel) -> Figure | None:
    """Figure 4b: time of tracking one slice by configuration, log scale."""
    rows = [*_rows(results, "capacity", model).values()]
    rows += [row for name, row in _rows(results, "stride", model).items() if name == "Stride 4"]
    rows += [row for name, row in _rows(results, "gating", model).items() if name == "Gate 6"]
    rows += [row for name, row in _rows(results, "final", model).items() if name in ("SPS", "IS + SPS")]
    times = {row.name: found for row in rows if (found := tracking_ms(row)).size}
    if not times:
        return None
    figure, axes = new_figure(1, 1, height=1.1 + 0.3 * len(times))
    # Not axes.boxplot: the name of its option for lying boxes depends on the version of matplotlib.
    low, first, median, third, high = np.array([np.percentile(one, (0, 25, 50, 75, 100)) for one in times.values()]).T
    places = np.arange(len(times))
    colors = [OURS if name in ("Intelligent Slicing", "IS + SPS", "SPS") else "#b9c6cf" for name in times]
    axes.hlines(places, low, high, color=GREY, linewidth=1.2, zorder=1)
    axes.barh(places, third - first, left=first, height=0.6, color=colors, edgecolor="black", linewidth=0.8, zorder=2)
    axes.vlines(median, places - 0.3, places + 0.3, color="black", linewidth=2, zorder=3)
    axes.set_yticks(places, list(times))
    axes.invert_yaxis()
    _log_ms(axes, times.values())
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("ms to track a slice, without encoding it (log scale)")
    return figure


def _rows(results: StudyResults, experiment: str, model: StudyModel) -> dict[str, ReportRow]:
    return {row.name: row for row in results.rows(find_experiment(experiment, model.name), model)}


def _curve(level: Axes, gain: Axes, results, rows, experiment, places, baseline, labels=True) -> None:
    """Draw Dice on the left and its paired difference from a baseline on the right, ours and the paper's."""
    run = [(x, rows[name]) for name, x in places.items() if rows[name].records]
    paper = TABLES[experiment].rows
    number = max((len(row.records) for _, row in run), default=0)
    names = (f"this run ({count(number, 'structure')})", PAPER_LABEL) if labels else (None, None)
    look = {"color": OURS, "marker": "o", "capsize": 3, "zorder": 3}
    if run:
        means = [np.mean(list(row.figures("dice").values())) for _, row in run]
        bars = np.array([_error(results, row.figures("dice")) for _, row in run]).T
        level.errorbar([x for x, _ in run], means, bars, label=names[0], **look)
        base = rows[baseline].figures("dice")
        found = [(x, compare(row.figures("dice"), base, results.ct_of)) for x, row in run]
        found = [(x, one) for x, one in found if one.pairs]
        bars = np.array([_sides(one.difference, one.interval) for _, one in found]).T.reshape(2, -1)
        gain.errorbar([x for x, _ in found], [one.difference for _, one in found], bars, label=names[0], **look)
    dashed = {"color": PAPER, "marker": "s", "markerfacecolor": "white", "linestyle": "--", "label": names[1]}
    xs = list(places.values())
    level.plot(xs, [paper[name].dice[0] for name in places], **dashed)
    gain.plot(xs, [paper[name].dice[0] - paper[baseline].dice[0] for name in places], **dashed)
    if labels:
        level.set_title("Dice")
        gain.set_title("Dice, difference from the baseline")
        gain.axhline(0, color=GREY, linewidth=1, zorder=1)
        _legend_below(level.figure, level, 2)


def _error(results: StudyResults, values: dict[Sample, float]) -> tuple[float, float]:
    """How far the 95 % interval of a mean reaches down and up."""
    found = compare(values, dict.fromkeys(values, 0.0), results.ct_of)
    return _sides(found.difference, found.interval)


def _sides(mean: float, interval: tuple[float, float] | None) -> tuple[float, float]:
    return (max(0.0, mean - interval[0]), max(0.0, interval[1] - mean)) if interval else (0.0, 0.0)


def _legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    handles = dict(sorted(zip(*reversed(axes.get_legend_handles_labels()), strict=True), key=lambda item: item[0]))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns)


def _log_ms(axes: Axes, times: Sequence[np.ndarray]) -> None:
    """Log scale with plain numbers at 1, 2, 5, 10 ..."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.set_xscale("log")
    lowest, highest = min(one[0] for one in times), max(one[-1] for one in times)
    axes.set_xlim(0.8 * lowest, 1.25 * highest)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
