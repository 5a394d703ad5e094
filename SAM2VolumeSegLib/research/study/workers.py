"""Where the tasks of a study run: in this process, or in several (study/cluster.py); and what each of them does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.research.data.structure import Structure
from SAM2VolumeSegLib.research.study.record import FailedRecord, Record

if TYPE_CHECKING:
    from SAM2VolumeSegLib.model.tracker import SliceTracker
    from SAM2VolumeSegLib.research.study.case import CaseFiles
    from SAM2VolumeSegLib.research.study.task import Job


@dataclass(frozen=True)
class Batch:
    """Tasks on structures of one CT and with one model: they load its files once and share its embeddings.

    Attributes:
        jobs: the tasks.
        model: the name of a known model, None for methods without one.
        image_size: side of what the model sees in pixels, None without one.
        drawn: all structures that were drawn from the CT.
    """

    jobs: tuple[Job, ...]
    model: str | None
    image_size: int | None
    drawn: tuple[Structure, ...]

    def __str__(self) -> str:
        """Name the structures."""
        return ", ".join(dict.fromkeys(str(job.structure) for job in self.jobs))


class Site(Protocol):
    """A place where batches run."""

    @property
    def workers(self) -> int:
        """How many processes work."""

    def absent(self, models: Sequence[str]) -> dict[str, str]:
        """Return the models (by name) that cannot run here, with the sentence that says why.

        Args:
            models: names of those that are needed.

        Raises:
            InputError: a worker cannot take part.
        """

    def run(self, batches: Sequence[Batch]) -> Iterator[list[Record | FailedRecord]]:
        """Run batches, in about this order. Closing it ends the work.

        Args:
            batches: what to run.

        Yields:
            Records as they come, and an empty list while nothing comes.

        Raises:
            InputError: a worker cannot take part, or the cluster is gone.
        """


@contextmanager
def open_site(data: Path, device: str = "auto", workers: int = 1, scheduler: str | None = None) -> Iterator[Site]:
    """Open a place to run, which is closed at the end.

    Args:
        data: the data folder, which every worker has under this path.
        device: "auto", "cpu", "cuda"... of every worker.
        workers: processes on this machine; 1 is this process.
        scheduler: address of a Dask scheduler, in place of those.

    Raises:
        InputError: Dask is not installed, the scheduler does not answer, or nobody works for it.
    """
    data = data.absolute()
    if scheduler is None and workers < 1:
        raise InputError(f"{workers} workers cannot work: give at least 1.")
    if scheduler is None and workers == 1:
        yield ThisProcess(data, device)
        return
    try:
        from SAM2VolumeSegLib.research.study import cluster
    except ImportError:
        raise InputError(
            "Several workers need dask.distributed and cryptography. Install them with: "
            "pip install 'sam2-volume-seg[study]'"
        ) from None
    with cluster.own(data, device, workers) if scheduler is None else cluster.at(scheduler, data, device) as site:
        yield site


@dataclass(frozen=True)
class ThisProcess:
    """No other process: records come task by task."""

    data: Path
    device: str
    workers: int = field(default=1, init=False)

    def absent(self, models: Sequence[str]) -> dict[str, str]:
        """As `Site`."""
        return absent_models(models)

    def run(self, batches: Sequence[Batch]) -> Iterator[list[Record | FailedRecord]]:
        """As `Site`: one batch after the other."""
        for batch in batches:
            for record in records_of(batch, self.data, self.device):
                yield [record]


# ------------------------------------------------------------------------------------------------------- on a worker


def data_problem(data: str) -> str | None:
    """Say what is wrong with the data folder on this machine, None where it is there."""
    return None if Path(data).is_dir() else f'There is no data folder "{data}" on it.'


def absent_models(models: Sequence[str]) -> dict[str, str]:
    """Return the models (by name) that are not on this machine, with the sentence that says so."""
    absent = {}
    for name in models:
        try:
            checkpoints.path_of(checkpoints.find(name))
        except InputError as error:
            absent[name] = str(error)
    return absent


_trackers: dict[tuple[str, int | None, str], SliceTracker] = {}


def records_of(batch: Batch, data: Path, device: str, neighbours: int = 1) -> Iterator[Record | FailedRecord]:
    """Run a batch in this process; the model stays for the next one.

    Args:
        batch: what to run.
        data: the data folder.
        device: "auto", "cpu", "cuda"...
        neighbours: processes that share this machine's memory.
    """
    from SAM2VolumeSegLib.research.study.task import run_batch

    def tracker():
        return _tracker(batch.model, batch.image_size, device, neighbours)

    return run_batch(batch.jobs, _files(data, batch.jobs[0].structure.ct_sha256), tracker, batch.drawn)


@lru_cache(maxsize=1)
def _files(data: Path, ct_sha256: str) -> CaseFiles:
    """The files of a CT, kept for its next batch."""
    from SAM2VolumeSegLib.research.study.case import CaseFiles

    return CaseFiles(data)


def _tracker(name: str, image_size: int | None, device: str, neighbours: int) -> SliceTracker:
    """The model, kept from batch to batch."""
    import torch

    from SAM2VolumeSegLib.model.tracker import SliceTracker

    model = checkpoints.find(name)
    key = (checkpoints.verify(model), image_size, device)
    if key not in _trackers:
        if torch.cuda.is_available():
            # What the cleared caches of other models held goes back: this one plans with the memory that is free.
            torch.cuda.empty_cache()
        tracker = SliceTracker.load(model, device, image_size)
        if tracker.plan.device.type != "cuda":  # a GPU is one worker's own, the main memory is everybody's
            tracker.cache.budget_bytes //= neighbours
            tracker.predictions.budget_bytes //= neighbours
        _trackers[key] = tracker
    return _trackers[key]
