"""The tasks of the study: segment structures as a configuration says, and measure."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation import Request
from SAM2VolumeSegLib.research.data.structure import Structure
from SAM2VolumeSegLib.research.measures.metrics import Measured, measure
from SAM2VolumeSegLib.research.measures.without_model import WITHOUT_MODEL
from SAM2VolumeSegLib.research.study.case import CaseFiles
from SAM2VolumeSegLib.research.study.code import code_digest
from SAM2VolumeSegLib.research.study.configuration import Configuration
from SAM2VolumeSegLib.research.study.mending import Mending
from SAM2VolumeSegLib.research.study.prediction import Prediction, propagate
from SAM2VolumeSegLib.research.study.prompts import paint
from SAM2VolumeSegLib.research.study.record import FailedRecord, Record, record_head
from SAM2VolumeSegLib.seeds import SeedSlice
from SAM2VolumeSegLib.volume import Box, Volume

if TYPE_CHECKING:
    from SAM2VolumeSegLib.model.tracker import SliceTracker


def predict(
    volume: Volume, reference: np.ndarray, configuration: Configuration, tracker: SliceTracker | None = None
) -> Prediction:
    """Segment a structure alone, from prompts cut from its reference, seen through a crop around it.

    Args:
        volume: the CT.
        reference: bool [k, j, i] on its grid.
        configuration: of the row.
        tracker: the model; None for a method without one.

    Raises:
        InputError: no prompts can be cut, or the moved crop misses them.
    """
    roi = crop_of(volume, reference, configuration)
    settings = replace(configuration.settings, roi=roi)
    return _predict(volume, {"structure": reference}, configuration, settings, tracker)["structure"]


def predict_together(
    volume: Volume,
    references: Mapping[str, np.ndarray],
    configuration: Configuration,
    tracker: SliceTracker | None = None,
) -> dict[str, Prediction]:
    """Segment structures of a CT in one run, from prompts cut from their references and nothing else of these.

    Args:
        volume: the CT.
        references: bool [k, j, i] on its grid, by the structure's name.
        configuration: of the row.
        tracker: the model; None for a method without one. It starts without embeddings, as a user's.

    Returns:
        By name. Times are an equal share of the run's.

    Raises:
        InputError: no prompts can be cut.
    """
    if tracker:
        tracker.forget()
    return _predict(volume, references, configuration, configuration.settings, tracker)


def _predict(volume, references, configuration, settings, tracker) -> dict[str, Prediction]:
    seeds = _painted(volume, references, configuration)
    if configuration.method in WITHOUT_MODEL:
        started = time.perf_counter()
        masks = WITHOUT_MODEL[configuration.method](seeds, volume)
        seconds = (time.perf_counter() - started) / len(seeds)
        return {name: Prediction(masks[name], own, None, 0, 0, {"total": seconds}, None) for name, own in seeds.items()}
    tracker.predictions.clear()  # embeddings are shared, but each configuration shows what its predictions take
    return propagate(Request.of(volume, seeds, settings), tracker)[1]


def _painted(volume, references, configuration) -> dict[str, list[SeedSlice]]:
    return {
        name: paint(reference, volume, configuration.prompts, configuration.prompt_planes)
        for name, reference in references.items()
    }


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
    neighbours: np.ndarray | None = None,
) -> Record:
    """Segment one loaded structure alone and measure.

    Args:
        key: of the task.
        structure: where volume and reference are from.
        volume: the CT.
        reference: bool [k, j, i] on its grid.
        configuration: of the row.
        tracker: the model; None for a method without one.
        neighbours: as `record_of`.

    Raises:
        InputError: as `predict`.
    """
    found = predict(volume, reference, configuration, tracker)
    return record_of(key, structure, volume, reference, configuration, found, neighbours)


def record_of(
    key: str,
    structure: Structure,
    volume: Volume,
    reference: np.ndarray,
    configuration: Configuration,
    found: Prediction,
    neighbours: np.ndarray | None = None,
) -> Record:
    """Measure what was found of one structure.

    Args:
        key: of the task.
        structure: where volume and reference are from.
        volume: the CT.
        reference: bool [k, j, i] on its grid.
        configuration: of the row.
        found: to be measured.
        neighbours: bool [k, j, i], the references of the other structures drawn from the CT; None where there is none.

    Returns:
        Its record, plain values that JSON can hold; a figure is None where it is not defined, as the distances of an
        empty prediction are.
    """
    spacing = volume.spacing[::-1]  # in array order k, j, i
    measured = Measured(found.mask, reference, spacing, _prompted(found.seeds, volume), neighbours)
    return {
        **record_head(key, structure, configuration.name),
        "choices": configuration.choices(),
        "model": found.model,
        "reference_ml": _rounded(np.count_nonzero(reference) * math.prod(spacing) / 1000),
        "seeds": len(found.seeds),
        **measure(measured),
        "slices": found.slices,
        "encoded": found.encoded,
        "seconds": {part: _rounded(seconds) for part, seconds in found.seconds.items()},
        "track_ms": found.track_ms and [_rounded(ms) for ms in found.track_ms],
        **({"reviewed": found.reviewed} if found.reviewed else {}),
        "program": f"SAM2VolumeSeg {__version__}",
        "code": code_digest(),
        "commit": _commit(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


class Job(NamedTuple):
    """A task as a worker gets it.

    Attributes:
        key: of the task.
        structure: that is segmented.
        configuration: how.
    """

    key: str
    structure: Structure
    configuration: Configuration

    def failed(self, error: str) -> FailedRecord:
        """Return the record of a task that failed, with a sentence that says why."""
        return {**record_head(self.key, self.structure, self.configuration.name), "error": error}


def run_batch(
    jobs: Sequence[Job],
    files: CaseFiles,
    make_tracker: Callable[[], SliceTracker] | None = None,
    drawn: Sequence[Structure] = (),
) -> Iterator[Record | FailedRecord]:
    """Run tasks on structures of one CT and with one model, which share embeddings.

    Rows that segment structures together run once for all of their structures, where these follow each other.

    Args:
        jobs: the tasks.
        files: of the CT.
        make_tracker: gives the model; called when the first configuration needs it.
        drawn: all structures that were drawn from the CT.

    Yields:
        A record for each task. It is a failed one where the structure, or one beside it, cannot be read, is not what it
        was when it was drawn, or the task fails.
    """
    tracker, together = None, _Together()
    try:
        for job in jobs:
            key, structure, configuration = job
            try:
                volume, reference = files.load(structure)
                neighbours = files.neighbours(structure, drawn)
                if configuration.method not in WITHOUT_MODEL:
                    tracker = tracker or make_tracker()
                if configuration.together:
                    found = together.of(configuration, volume, drawn, files, tracker)[structure.name]
                    record = record_of(key, structure, volume, reference, configuration, found, neighbours)
                else:
                    record = run_task(key, structure, volume, reference, configuration, tracker, neighbours)
            except Exception as error:  # one bad case must not end a run over thousands
                record = job.failed(str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}")
            yield record
    finally:
        if tracker:
            tracker.forget()  # no other CT can use it


class _Together:
    """The latest run of several structures, or why it failed: its tasks follow each other. So do those that mend it."""

    def __init__(self):
        self._configuration: Configuration | None = None
        self._found: dict[str, Prediction] | Exception = {}
        self._mended: Configuration | None = None
        self._mending: Mending | None = None

    def of(self, configuration, volume, drawn, files, tracker) -> dict[str, Prediction]:
        if configuration != self._configuration:
            self._configuration = configuration
            try:
                references = {one.name: files.load(one)[1] for one in drawn}
                self._found = self._run(configuration, volume, references, tracker)
            except Exception as error:
                self._found = error
        if isinstance(self._found, Exception):
            raise self._found
        return self._found

    def _run(self, configuration, volume, references, tracker) -> dict[str, Prediction]:
        if configuration.mended is None:
            return predict_together(volume, references, configuration, tracker)
        first = replace(configuration, name="", mended=None)
        if self._mending is None or first != self._mended:
            tracker.forget()
            request = Request.of(volume, _painted(volume, references, configuration), configuration.settings)
            self._mending, self._mended = Mending(request, references, tracker), first
        return self._mending.after(*configuration.mended)


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


def _prompted(seeds: Sequence[SeedSlice], volume: Volume) -> np.ndarray:
    """Return a bool mask [k, j, i] of every voxel of the prompted slices."""
    prompted = np.zeros(volume.voxels.shape, dtype=bool)
    for seed in seeds:
        volume.view(seed.plane).slice(prompted, seed.index)[...] = True
    return prompted


def _rounded(value: float) -> float:
    """Six digits: more would only make the results file long."""
    return round(float(value), 6)
