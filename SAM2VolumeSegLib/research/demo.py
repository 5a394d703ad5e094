"""The demonstration: segment bones of real CTs from simulated seeds, and measure against their reference."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.model.volume_memory import STOCK
from SAM2VolumeSegLib.progress import Steps
from SAM2VolumeSegLib.propagation import PAPER, RECOMMENDED, STOCK_SAM2, Request, Segmenter, Settings
from SAM2VolumeSegLib.research.data.cases import DemoCase, bundled_case, cases_below
from SAM2VolumeSegLib.research.measures.memory import peak_memory_mb, reset_peak_memory
from SAM2VolumeSegLib.research.measures.metrics import DICE, NONE, Measured, brief_metrics
from SAM2VolumeSegLib.research.measures.without_model import WITHOUT_MODEL
from SAM2VolumeSegLib.research.pictures.figure import draw_overview
from SAM2VolumeSegLib.seeds import SeedSlice, simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Segment, Volume, write_segmentation
from SAM2VolumeSegLib.volume.csv_text import to_csv
from SAM2VolumeSegLib.volume.target import check_own, check_target, make_folder, write_text
from SAM2VolumeSegLib.volume.terminology import BONE, VERTEBRAE, as_tags

TABLE_BEGINS = b"case,method,"
COLORS = ((0.90, 0.62, 0.20), (0.30, 0.65, 0.90), (0.45, 0.78, 0.40), (0.80, 0.45, 0.70), (0.85, 0.35, 0.30))


class Painted(NamedTuple):
    """What a simulated user paints of each structure.

    Attributes:
        title: for people.
        strategy: of `simulate_seeds`.
        planes: on which it is painted.
    """

    title: str
    strategy: str
    planes: tuple[Plane, ...]


THREE = Painted("3 slices", "middle", tuple(Plane))
NINE = Painted("9 inside", "quarters", tuple(Plane))
NINE_ENDS = Painted("9 with the ends", "first-middle-last", tuple(Plane))
THREE_AXIAL = Painted("3 axial", "first-middle-last", (Plane.AXIAL,))


class Method(NamedTuple):
    """A row of the table.

    Attributes:
        name: for people.
        painted: what it is given.
        by: settings of a run, or the name of a method without a model.
    """

    name: str
    painted: Painted
    by: Settings | str

    @property
    def title(self) -> str:
        """Of the row."""
        return f"{self.name}, {self.painted.title}"


def methods() -> tuple[Method, ...]:
    """Return the rows of the table. That of `NINE` with the recommended settings is written and drawn."""
    return (
        Method("SAM2VolumeSeg", THREE, RECOMMENDED),
        Method("SAM2VolumeSeg", NINE, RECOMMENDED),
        Method("The paper's best", NINE_ENDS, PAPER),
        Method("Stock SAM2 memory", NINE, replace(PAPER, memory=STOCK)),
        Method("Stock SAM2", THREE_AXIAL, STOCK_SAM2),
        *(Method("Marker watershed", painted, "marker watershed") for painted in (THREE, NINE)),
        *(Method("Grow from seeds", painted, "grow from seeds") for painted in (THREE, NINE)),
        *(Method("Random walk", painted, "random walk") for painted in (THREE, NINE)),
        Method("Fill between slices", NINE, "fill between slices"),
        Method("Interpolation", NINE, "interpolation"),
    )


@dataclass(frozen=True)
class MethodFigures:
    """What one method did with one structure.

    Attributes:
        figures: by the name of the metric; None where it is not defined.
        slices: predicted for this structure alone.
        seconds: for this structure alone.
    """

    figures: dict[str, float | None]
    slices: int
    seconds: float


@dataclass(frozen=True)
class MethodMeans:
    """What one method did with a CT.

    Attributes:
        case: title of the CT.
        method: its title.
        seeds: of all structures.
        figures: means over the structures; None where one has none.
        slices: in all.
        seconds: in all.
        peak_mb: of the process.
        model: first digits of the checkpoint's SHA-256; empty for a method without a model.
    """

    case: str
    method: str
    seeds: int
    figures: dict[str, float | None]
    slices: int
    seconds: float
    peak_mb: float
    model: str

    def cells(self) -> dict[str, str]:
        """Return what is printed, by the names of columns."""
        figures = {metric.name: metric.text(self.figures[metric.name], brief=True) for metric in brief_metrics()}
        return {
            "case": self.case,
            "method": self.method,
            "seeds": str(self.seeds),
            **figures,
            "slices": str(self.slices or NONE),
            "seconds": f"{self.seconds:.1f}",
            "peak_mb": f"{self.peak_mb:.0f}",
            "model": self.model,
        }


def run_demo(
    out: Path,
    data: Path | None = None,
    device: str = "auto",
    table: Path | None = None,
    classes: str | None = None,
) -> None:
    """Segment, measure, print a table per CT; write a .seg.nrrd and an overview picture per CT.

    Args:
        out: folder for what is written.
        data: a folder of labelled CTs as in `cases_below`; None takes the CT that the package tptbox brings.
        device: "auto", "cpu", "cuda"...
        table: CSV file for the means that are printed, which `study readme` quotes; None: none is written.
        classes: the class table of `data`, as in `cases_below`.

    Raises:
        InputError: there is no CT that can be used, or nothing can be written to `out` or `table`.
    """
    if table is not None:
        _check_table(table)
    cases, left_out = ([bundled_case()], ()) if data is None else cases_below(data, classes)
    make_folder(out)
    for case in cases:
        for file in case.results(out):
            check_own(file)
    tracker = SliceTracker.load(checkpoints.find("demo"), device)
    print(f"Demonstration model at {tracker.plan.image_size} pixels on {tracker.plan.device}. Not for clinical use.")
    print("It sees few pixels, so with every method each structure gets a crop of its own (--crop each).")
    for one in left_out:
        print(f"Left out: {one.case}, {one.reason}.")
    print("Painted on each structure: 3 slices, the middle one of each axis; 9 inside, at a quarter, half and three")
    print("quarters of each axis; 9 with the ends, the first, middle and last slice of each; 3 axial, with the ends.")
    means = []
    for number, case in enumerate(cases):
        try:
            volume, references = case.load()
        except InputError as error:  # one bad case must not end what takes hours
            if len(cases) == 1:
                raise
            print(f"\nLeft out: {case.title}. {error}")
            continue
        means += _run_case(case, volume, references, tracker, out)
        if number < len(cases) - 1:
            print()
    if not means:
        raise InputError("No CT could be used; the reasons are above.")
    if table is not None:
        rows = [one.cells() for one in means]
        write_text(table, to_csv([list(rows[0]), *(list(row.values()) for row in rows)]))
        print(f"Written: {table}")


def _check_table(path: Path) -> None:
    """Raise InputError where a table cannot be written, or would replace something else."""
    check_target(path)
    if path.exists() and not path.read_bytes().startswith(TABLE_BEGINS):
        raise InputError(f'"{path}" is there already, and no table of the demo. Choose another folder or name.')


def _run_case(
    case: DemoCase, volume: Volume, references: Mapping[str, np.ndarray], tracker: SliceTracker, out: Path
) -> list[MethodMeans]:
    print(f"\n{case.title}: {' x '.join(str(n) for n in volume.voxels.shape[::-1])} voxels")
    means, best = [], None
    for method in methods():
        strategy, planes = method.painted.strategy, method.painted.planes
        seeds = {name: simulate_seeds(mask, volume, strategy, planes) for name, mask in references.items()}
        reset_peak_memory()
        if isinstance(method.by, str):
            try:
                masks, found = _without_model(method.by, volume, seeds, references)
            except InputError as error:  # Slicer's own filters are not installed everywhere
                print(f"\n{method.title}: not run. {error}")
                continue
        else:
            tracker.forget()  # each method pays for all it needs
            chosen = replace(method.by, crop="each")  # as run_demo prints
            masks, found, provenance = _segment(tracker, volume, seeds, chosen, references)
            if method.painted is NINE and method.by is RECOMMENDED:
                best = seeds, masks, provenance
        count = {name: len(own) for name, own in seeds.items()}
        model = "" if isinstance(method.by, str) else tracker.checkpoint_sha256[:8]
        means.append(_means(case.title, method.title, sum(count.values()), found, model))
        _print_table(means[-1], found, count)
    dice = {one.method: DICE.text(one.figures[DICE.name], brief=True) for one in means}
    print(f"\nMean {DICE.title}: " + "; ".join(f"{title} {mean}" for title, mean in dice.items()))
    _write(case, volume, references, *best, dice, out)
    return means


def _segment(
    tracker: SliceTracker, volume: Volume, seeds: Mapping[str, Sequence[SeedSlice]], settings: Settings, references
):
    seconds, slices = dict.fromkeys(seeds, 0.0), dict.fromkeys(seeds, 0)
    steps, before = Steps(Segmenter(tracker).run(Request.of(volume, seeds, settings))), time.monotonic()
    for step in steps:
        now = time.monotonic()
        seconds[step.segment] += now - before
        slices[step.segment] += step.plane is not None
        before = now
    masks = {name: segment.mask for name, segment in steps.result.segments.items()}
    return masks, _measure(volume, masks, references, slices.get, seconds.get), steps.result.provenance


def _without_model(method: str, volume: Volume, seeds: Mapping[str, Sequence[SeedSlice]], references):
    before = time.monotonic()
    masks = WITHOUT_MODEL[method](seeds, volume)
    seconds = (time.monotonic() - before) / len(seeds)  # an equal share: some see all segments at once
    return masks, _measure(volume, masks, references, lambda name: 0, lambda name: seconds)


def _measure(volume, masks, references, slices: Callable, seconds: Callable) -> dict[str, MethodFigures]:
    spacing = volume.spacing[::-1]  # in array order k, j, i
    return {
        name: MethodFigures(
            {metric.name: metric.of(Measured(mask, references[name], spacing)) for metric in brief_metrics()},
            slices(name),
            seconds(name),
        )
        for name, mask in masks.items()
    }


def _means(case: str, method: str, seeds: int, found: Mapping[str, MethodFigures], model: str) -> MethodMeans:
    figures = {}
    for metric in brief_metrics():
        values = [one.figures[metric.name] for one in found.values()]
        figures[metric.name] = None if None in values else float(np.mean(values))
    slices, seconds = (sum(getattr(one, part) for one in found.values()) for part in ("slices", "seconds"))
    return MethodMeans(case, method, seeds, figures, slices, seconds, peak_memory_mb(), model)


def _print_table(means: MethodMeans, found: Mapping[str, MethodFigures], seeds: Mapping[str, int]) -> None:
    print(f"\n{means.method} (peak memory {means.peak_mb:.0f} MB)")
    headings = " ".join(f"{metric.heading:>7}" for metric in brief_metrics())
    print(f"  {'structure':12} {'seeds':>6} {headings} {'slices':>7} {'seconds':>8}")
    for name, one, count in (
        *((name, one, seeds[name]) for name, one in found.items()),
        ("mean / total", means, means.seeds),
    ):
        figures = " ".join(f"{metric.text(one.figures[metric.name], brief=True):>7}" for metric in brief_metrics())
        print(f"  {name:12} {count:6} {figures} {one.slices or NONE:>7} {one.seconds:8.1f}")


def _write(case, volume, references, seeds, masks, provenance, dice, out: Path) -> None:
    colors = {name: COLORS[number % len(COLORS)] for number, name in enumerate(masks)}
    result, picture = case.results(out)
    tags = {name: as_tags(VERTEBRAE.get(name, BONE)) for name in masks}
    segments = [Segment(name, mask, colors[name], tags=tags[name]) for name, mask in masks.items()]
    write_segmentation(result, volume, segments, provenance)
    title = f"{case.title}: {', '.join(masks)} from 9 painted slices each"
    lines = ["Demonstration model, trained on synthetic volumes only. Not for clinical use.", "", f"Mean {DICE.title}:"]
    shown = {method.title for method in methods() if method.painted in (THREE, NINE)}  # more would not fit
    lines += [f"{mean}  {name}" for name, mean in dice.items() if name in shown]
    footer = "\n".join(textwrap.fill(line, 44, subsequent_indent=" " * 7 * line[:1].isdigit()) for line in lines)
    draw_overview(picture, volume, seeds, masks, references, colors, title, footer)
    print(f"Written: {result} and {picture}")
