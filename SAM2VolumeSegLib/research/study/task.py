"""One task of the study: segment a structure as a configuration says, and measure."""

from __future__ import annotations

import math
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.digest import digest_of
from SAM2VolumeSegLib.research.data.structure import Structure
from SAM2VolumeSegLib.research.measures.copy_nearest import copy_nearest
from SAM2VolumeSegLib.research.measures.interpolate import interpolate_seeds
from SAM2VolumeSegLib.research.measures.metrics import Measured, measure
from SAM2VolumeSegLib.research.study.code import code_digest
from SAM2VolumeSegLib.research.study.configuration import Configuration
from SAM2VolumeSegLib.research.study.record import FailedRecord, ModelFacts, Record, record_head
from SAM2VolumeSegLib.seeds import SeedSlice, simulate_seeds
from SAM2VolumeSegLib.volume import Box, Volume

if TYPE_CHECKING:
    from SAM2VolumeSegLib.model.tracker import SliceTracker

WITHOUT_MODEL = {"interpolation": interpolate_seeds, "nearest copy": copy_nearest}
REST = "resampling and fusion"


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a configuration makes of a structure, and what it took.

    Attributes:
        mask: bool [k, j, i].
        seeds: what was prompted.
        model: as in a record, and so are all below (`Record`).
        slices: propagated.
        encoded: of these, by this run.
        seconds: by component.
        track_ms: of one slice.
    """

    mask: np.ndarray
    seeds: list[SeedSlice]
    model: ModelFacts | None
    slices: int
    encoded: int
    seconds: dict[str, float]
    track_ms: list[float] | None


def predict(
    volume: Volume, reference: np.ndarray, configuration: Configuration, tracker: SliceTracker | None = None
) -> Prediction:
    """Segment a structure from prompts cut from its reference, seen through a crop around it.

    Args:
        volume: the CT.
        reference: bool [k, j, i] on its grid.
        configuration: of the row.
        tracker: the model; None for a method without one.

    Raises:
        InputError: no prompts can be cut, or the moved crop misses them.
    """
    seeds = simulate_seeds(reference, volume, configuration.prompts, configuration.prompt_planes)
    if configuration.method in WITHOUT_MODEL:
        started = time.perf_counter()
        mask = WITHOUT_MODEL[configuration.method](seeds, volume)
        return Prediction(mask, seeds, None, 0, 0, {"total": time.perf_counter() - started}, None)
    return _propagate(volume, reference, seeds, configuration, tracker)


def _propagate(volume, reference, seeds, configuration, tracker) -> Prediction:
    from SAM2VolumeSegLib.propagation import Request
    from SAM2VolumeSegLib.propagation.segmenter import Segmenter, Steps
    from SAM2VolumeSegLib.research.measures.timing import ComponentTimes

    settings = replace(configuration.settings, roi=crop_of(volume, reference, configuration))
    tracker.predictions.clear()  # embeddings are shared, but each configuration shows what its predictions take
    encoded, started = tracker.encoded, time.perf_counter()
    with ComponentTimes(tracker) as times:
        steps = Steps(Segmenter(tracker).run(Request.of(volume, {"structure": seeds}, settings)))
        for step in steps:
            slices = step.done
    total = time.perf_counter() - started
    return Prediction(
        mask=steps.result.segments["structure"].mask,
        seeds=seeds,
        model=steps.result.provenance["model"],
        slices=slices,
        encoded=tracker.encoded - encoded,
        seconds={"total": total, **times.seconds, REST: total - sum(times.seconds.values())},
        track_ms=[float(ms) for ms in np.percentile(times.track_ms, (0, 25, 50, 75, 100))] if times.track_ms else None,
    )


def crop_of(volume: Volume, reference: np.ndarray, configuration: Configuration) -> Box:
    """Return what the model sees: the reference's box and the margin around it, moved; parts may lie outside."""
    box = Box.around(reference, volume, configuration.settings.margin_mm)
    lower, upper = (
        tuple(int(side + step) for side, step in zip(sides, configuration.shift, strict=True))
        for sides in (box.lower, box.upper)
    )
    return Box(lower, upper)


def run_task(
    key: str,
    structure: Structure,
    volume: Volume,
    reference: np.ndarray,
    configuration: Configuration,
    tracker: SliceTracker | None = None,
) -> Record:
    """Segment one loaded structure and measure.

    Args:
        key: of the task.
        structure: where volume and reference are from.
        volume: the CT.
        reference: bool [k, j, i] on its grid.
        configuration: of the row.
        tracker: the model; None for a method without one.

    Returns:
        Its record, plain values that JSON can hold; a figure is None where it is not defined, as the distances of an
        empty prediction are.

    Raises:
        InputError: as `predict`.
    """
    found = predict(volume, reference, configuration, tracker)
    spacing = volume.spacing[::-1]  # in array order k, j, i
    return {
        **record_head(key, structure, configuration.name),
        "choices": configuration.choices(),
        "model": found.model,
        "reference_ml": _rounded(np.count_nonzero(reference) * math.prod(spacing) / 1000),
        "seeds": len(found.seeds),
        **measure(Measured(found.mask, reference, spacing, _prompted(found.seeds, volume))),
        "slices": found.slices,
        "encoded": found.encoded,
        "seconds": {part: _rounded(seconds) for part, seconds in found.seconds.items()},
        "track_ms": found.track_ms and [_rounded(ms) for ms in found.track_ms],
        "program": f"SAM2VolumeSeg {__version__}",
        "code": code_digest(),
        "commit": _commit(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def run_batch(
    structure: Structure,
    data: Path,
    tasks: Sequence[tuple[str, Configuration]],
    make_tracker: Callable[[], SliceTracker] | None = None,
) -> Iterator[Record | FailedRecord]:
    """Run tasks of one structure and one model, which load its files once and share embeddings.

    Args:
        structure: of all of them.
        data: the folder that the structure's files are below.
        tasks: key and configuration of each.
        make_tracker: gives the model; called when the first configuration needs it.

    Yields:
        A record for each task. It is a failed one where the structure cannot be read, is not what it was when it was
        drawn, or the task fails.
    """
    try:
        volume, reference = load_unchanged(structure, data)
    except Exception as error:  # one bad case must not end a run over thousands
        for key, configuration in tasks:
            yield _failed(key, structure, configuration, error)
        return
    tracker = None
    try:
        for key, configuration in tasks:
            try:
                if configuration.method not in WITHOUT_MODEL:
                    tracker = tracker or make_tracker()
                record = run_task(key, structure, volume, reference, configuration, tracker)
            except Exception as error:
                record = _failed(key, structure, configuration, error)
            yield record
    finally:
        if tracker:
            tracker.forget()  # no other structure can use it


@cache
def _commit() -> str | None:
    """Return the commit of the source, "-dirty" where it was changed since; None outside of a checkout."""
    checkout = Path(__file__).parents[3]
    if not (checkout / ".git").exists():
        return None
    command = ("git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def load_unchanged(structure: Structure, data: Path) -> tuple[Volume, np.ndarray]:
    """Return CT and reference as `Structure.load` does, from files that are what they were when the split was drawn.

    Args:
        structure: as it was drawn.
        data: the folder that its files are below.

    Raises:
        InputError: a file is missing, has changed or cannot be read. Its sentence names no folder: results and reports
            may be published.
    """
    for name, expected in ((structure.ct, structure.ct_sha256), (structure.mask, structure.mask_sha256)):
        if not (data / name).exists():
            raise InputError(f'The file "{name}" of {structure} is missing in the data folder: copy it there again.')
        if digest_of(data / name) != expected:
            raise InputError(
                f'The file "{name}" of {structure} has changed since the split was drawn: put the old one back, or '
                "draw another split in a new results folder."
            )
    try:
        return structure.load(data)
    except InputError as error:
        raise InputError(str(error).replace(f"{data}{os.sep}", "")) from error


def _failed(key: str, structure: Structure, configuration: Configuration, error: Exception) -> FailedRecord:
    text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    return {**record_head(key, structure, configuration.name), "error": text}


def _prompted(seeds: Sequence[SeedSlice], volume: Volume) -> np.ndarray:
    """Return a bool mask [k, j, i] of every voxel of the prompted slices."""
    prompted = np.zeros(volume.voxels.shape, dtype=bool)
    for seed in seeds:
        volume.view(seed.plane).slice(prompted, seed.index)[...] = True
    return prompted


def _rounded(value: float) -> float:
    """Six digits: more would only make the results file long."""
    return round(float(value), 6)
