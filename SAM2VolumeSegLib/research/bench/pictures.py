"""The figures of a bench as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.bench.curves import Curve
from SAM2VolumeSegLib.research.bench.measure import BenchFigures
from SAM2VolumeSegLib.volume.target import PROGRAM, beside, check_own, move_together

COMPONENTS = "components.png"
COLORS = {"ours": "#3b7dd8", "stock": "#9a9a9a"}


def draw(
    folder: Path, machine: Mapping[str, str], rows: Mapping[str, BenchFigures], curves: Sequence[Curve]
) -> list[Path]:
    """Draw time by component for every case, and one picture for each curve.

    Args:
        folder: that the pictures are written to.
        machine: what was measured on, for the headings.
        rows: by the name of the profile.
        curves: one picture each.

    Returns:
        The files (PNG).

    Raises:
        InputError: matplotlib is not installed, or a file that is there is not this program's.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("Pictures need the Python package matplotlib: install it, or leave out --pictures.") from error
    written = []
    if rows:
        figure = Figure(figsize=(9, 1.5 + 0.9 * len(rows)), layout="constrained")
        _bars(figure.subplots(), rows)
        written.append(_save(figure, folder / COMPONENTS, machine))
    for curve in curves:
        with_memory = curve.rows[0].memory_mb["ours"] is not None
        figure = Figure(figsize=(9 if with_memory else 5, 3.6), layout="constrained")
        axes = figure.subplots(1, 2 if with_memory else 1, squeeze=False)[0]
        _lines(axes[0], curve, "seconds", lambda row, engine: median(row.seconds[engine]))
        if with_memory:
            _lines(axes[1], curve, "peak MB", lambda row, engine: row.memory_mb[engine])
        written.append(_save(figure, folder / f"{curve.name.split(' (')[0].replace(' ', '-')}.png", machine))
    return written


def _bars(axes, rows):
    import matplotlib

    parts = list(dict.fromkeys(part for row in rows.values() for own in row.parts.values() for part in own))
    colors = dict(zip(parts, matplotlib.colormaps["tab10"].colors, strict=False))
    labels = []
    for row in rows.values():
        for engine in ("ours", "stock"):
            left, place = 0.0, len(labels)
            for part, seconds in row.parts[engine].items():
                axes.barh(place, seconds, left=left, color=colors[part])
                left += seconds
            axes.text(left, place, f" {median(row.seconds[engine]):.2f} s", va="center", fontsize=8)
            labels.append(f"{row.title}: {engine}")
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.margins(x=0.12)
    axes.legend([axes.barh(0, 0, color=color) for color in colors.values()], list(colors), fontsize=8)


def _lines(axes, curve, label, value):
    for engine, color in COLORS.items():
        axes.plot(curve.values, [value(row, engine) for row in curve.rows], "o-", color=color, label=engine)
    axes.set_xlabel(curve.name, fontsize=9)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    axes.legend()


def _save(figure, path: Path, machine: Mapping[str, str]) -> Path:
    figure.suptitle(f"{machine['model']}\n{machine['device']}", fontsize=8)
    check_own(path)
    with beside(path) as folder:
        figure.savefig(folder / path.name, dpi=150, metadata={"Software": PROGRAM})
        move_together([folder / path.name], path.parent)
    return path
