"""The demonstration: segment bones of real CTs from simulated seeds, and measure against their reference."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.model.volume_memory import STOCK
from SAM2VolumeSegLib.propagation import PAPER, RECOMMENDED, STOCK_SAM2, Request, Segmenter, Settings
from SAM2VolumeSegLib.propagation.segmenter import Steps
from SAM2VolumeSegLib.research.data.cases import Case, bundled_case, shared_cases
from SAM2VolumeSegLib.research.measures.interpolate import interpolate_seeds
from SAM2VolumeSegLib.research.measures.memory import peak_memory_mb, reset_peak_memory
from SAM2VolumeSegLib.research.measures.metrics import dice, hausdorff_mm, iou
from SAM2VolumeSegLib.research.pictures.figure import draw_overview
from SAM2VolumeSegLib.seeds import SeedSlice, simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Segment, Volume, read_seeds, read_volume, write_segmentation
from SAM2VolumeSegLib.volume.target import check_own

PROMPTS = "first-middle-last"
COLORS = ((0.90, 0.62, 0.20), (0.30, 0.65, 0.90), (0.45, 0.78, 0.40), (0.80, 0.45, 0.70), (0.85, 0.35, 0.30))


@dataclass(frozen=True)
class Row:
    """What one method did with one structure; slices predicted and seconds are of this structure alone."""

    dice: float
    iou: float
    hausdorff_mm: float
    slices: int
    seconds: float


def run_demo(out: Path, data: Path | None = None, device: str = "auto") -> None:
    """Segment, measure, print a table per CT; write a .seg.nrrd and an overview picture per CT into `out`.

    data: a folder with the CTs of `shared_cases`; None takes the one that the package tptbox brings.
    Raises InputError when the CT is missing, or nothing can be written to `out`.
    """
    cases = [bundled_case()] if data is None else shared_cases(data)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'The folder "{out}" cannot be made ({error.strerror}): choose another one.') from error
    for case in cases:
        for file in case.results(out):
            check_own(file)
    tracker = SliceTracker.load(checkpoints.find("demo"), device)
    print(f"Demonstration model at {tracker.plan.image_size} pixels on {tracker.plan.device}. Not for clinical use.")
    print("It sees few pixels, so with every method each structure gets a crop of its own (--crop-each).")
    for number, case in enumerate(cases):
        _run_case(case, tracker, out)
        if number < len(cases) - 1:
            print()


def _run_case(case: Case, tracker: SliceTracker, out: Path) -> None:
    volume = read_volume(case.ct)
    labels = read_seeds(case.labels, volume)
    references = {name: labels[f"label {value}"].mask for value, name in case.names.items()}
    print(f"\n{case.title}: {' x '.join(str(n) for n in volume.voxels.shape[::-1])} voxels")
    three_axes = _seeds(references, volume, tuple(Plane))
    axial = _seeds(references, volume, (Plane.AXIAL,))
    # (name, seeds, settings; None: interpolation)
    methods = (
        ("SAM2VolumeSeg, recommended settings, three axes", three_axes, RECOMMENDED),
        ("The same, forward only", three_axes, replace(RECOMMENDED, direction="forward")),
        ("The paper's best, three axes", three_axes, PAPER),
        ("Stock SAM2 memory, three axes", three_axes, replace(PAPER, memory=STOCK)),
        ("Stock SAM2 memory, axial axis alone", axial, STOCK_SAM2),
        ("Interpolation of the seeds, no model, three axes", three_axes, None),
    )
    means, best = {}, None
    for title, seeds, settings in methods:
        reset_peak_memory()
        if settings is None:
            masks, rows = _interpolate(volume, seeds, references)
        else:
            tracker.forget()  # each method pays for all it needs
            chosen = replace(settings, crop_each=True)  # as run_demo prints
            masks, rows, provenance = _segment(tracker, volume, seeds, chosen, references)
        count = {name: len(own) for name, own in seeds.items()}
        _print_table(title, rows, count, peak_memory_mb())
        means[title] = float(np.mean([row.dice for row in rows.values()]))
        if settings is RECOMMENDED:
            best = masks, provenance
    print("\nMean Dice: " + "; ".join(f"{title} {mean:.3f}" for title, mean in means.items()))
    _write(case, volume, three_axes, references, *best, means, out)


def _seeds(references, volume, planes) -> dict[str, list[SeedSlice]]:
    return {name: simulate_seeds(mask, volume, PROMPTS, planes) for name, mask in references.items()}


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


def _interpolate(volume: Volume, seeds: Mapping[str, Sequence[SeedSlice]], references):
    masks, seconds = {}, {}
    for name, own in seeds.items():
        before = time.monotonic()
        masks[name] = interpolate_seeds(own, volume)
        seconds[name] = time.monotonic() - before
    return masks, _measure(volume, masks, references, lambda name: 0, seconds.get)


def _measure(volume, masks, references, slices: Callable, seconds: Callable) -> dict[str, Row]:
    spacing = volume.spacing[::-1]  # in array order k, j, i
    return {
        name: Row(
            dice(mask, references[name]),
            iou(mask, references[name]),
            hausdorff_mm(mask, references[name], spacing),
            slices(name),
            seconds(name),
        )
        for name, mask in masks.items()
    }


def _print_table(title: str, rows: Mapping[str, Row], seeds: Mapping[str, int], memory_mb: float) -> None:
    print(f"\n{title} (peak memory {memory_mb:.0f} MB)")
    print(f"  {'structure':12} {'seeds':>6} {'Dice':>7} {'IoU':>7} {'HD mm':>7} {'slices':>7} {'seconds':>8}")
    for name, row in rows.items():
        line = f"{row.dice:7.3f} {row.iou:7.3f} {row.hausdorff_mm:7.1f} {row.slices or '-':>7} {row.seconds:8.1f}"
        print(f"  {name:12} {seeds[name]:6} {line}")
    values = list(rows.values())
    mean = [np.mean([getattr(row, item) for row in values]) for item in ("dice", "iou", "hausdorff_mm")]
    total = sum(row.slices for row in values) or "-"
    line = f"{mean[0]:7.3f} {mean[1]:7.3f} {mean[2]:7.1f} {total:>7} {sum(row.seconds for row in values):8.1f}"
    print(f"  {'mean / total':12} {sum(seeds.values()):6} {line}")


def _write(case, volume, seeds, references, masks, provenance, means, out: Path) -> None:
    colors = {name: COLORS[number % len(COLORS)] for number, name in enumerate(masks)}
    result, picture = case.results(out)
    segments = [Segment(name, mask, colors[name]) for name, mask in masks.items()]
    write_segmentation(result, volume, segments, provenance)
    title = f"{case.title}: {', '.join(masks)} from {PROMPTS} seeds on three axes"
    lines = ["Demonstration model, trained on synthetic volumes only. Not for clinical use.", "", "Mean Dice:"]
    lines += [f"{mean:.3f}  {name}" for name, mean in means.items()]
    footer = "\n".join(textwrap.fill(line, 44, subsequent_indent=" " * 7 * line[:1].isdigit()) for line in lines)
    draw_overview(picture, volume, seeds, masks, references, colors, title, footer)
    print(f"Written: {result} and {picture}")
