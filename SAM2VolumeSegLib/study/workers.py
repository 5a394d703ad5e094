"""Where the tasks of a study run: in this process, in several on this machine, or on a cluster (dask.distributed)."""

from __future__ import annotations

import logging
import os
import queue
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.study.configuration import Configuration
from SAM2VolumeSegLib.study.store import Record
from SAM2VolumeSegLib.study.structure import Structure

if TYPE_CHECKING:
    from distributed import Client

    from SAM2VolumeSegLib.model.tracker import SliceTracker

CONNECT_SECONDS = 10
HEARTBEAT_SECONDS = 5
GPU = "GPU"  # the resource that a worker offers: dask worker --resources GPU=1


@dataclass(frozen=True)
class Batch:
    """Tasks of one structure and one model: they load its files once and share its embeddings.

    tasks: key and configuration of each. model: the name of a known model, None for methods without one; image_size:
    side of what it sees in pixels.
    """

    structure: Structure
    tasks: tuple[tuple[str, Configuration], ...]
    model: str | None
    image_size: int | None

    def failed(self, error: str) -> list[Record]:
        """Return the records of tasks that fail all for one reason."""
        head = {"case": self.structure.case, "structure": self.structure.name, "bone": self.structure.bone}
        return [{"key": key, **head, "configuration": row.name, "error": error} for key, row in self.tasks]


class Site(Protocol):
    """A place where batches run."""

    @property
    def workers(self) -> int:
        """How many processes work."""

    def absent(self, models: Sequence[str]) -> dict[str, str]:
        """Return the models (by name) that cannot run here, with the sentence that says why.

        Raises InputError: a worker cannot take part.
        """

    def run(self, batches: Sequence[Batch]) -> Iterator[list[Record]]:
        """Run batches, in about this order; yields records as they come, and an empty list while nothing comes.

        Closing it ends the work. Raises InputError: a worker cannot take part, or the cluster is gone.
        """


@contextmanager
def open_site(data: Path, device: str = "auto", workers: int = 1, scheduler: str | None = None) -> Iterator[Site]:
    """A place to run, closed at the end.

    data: the data folder, which every worker has under this path. device: "auto", "cpu", "cuda"... of every worker.
    workers: processes on this machine; 1 is this process. scheduler: address of a Dask scheduler, in place of those.

    Raises InputError: Dask is not installed, the scheduler does not answer, or nobody works for it.
    """
    data = data.absolute()
    if scheduler is None and workers < 1:
        raise InputError(f"{workers} workers cannot work: give at least 1.")
    if scheduler is None and workers == 1:
        yield ThisProcess(data, device)
        return
    try:
        import distributed
    except ImportError:
        raise InputError(
            "Several workers need dask.distributed. Install it with: pip install 'sam2-volume-seg[study]'"
        ) from None
    if scheduler is None:
        with (
            distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                memory_limit=0,  # what torch holds cannot be spilled to the disk, so Dask must not try
                silence_logs="CRITICAL",  # a worker that dies is replaced
                preload=[_NO_INTERRUPT],
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            yield Cluster(client, data, device, local=True)
        return
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:  # ValueError: no address at all
        raise InputError(
            f"No Dask scheduler answers at {scheduler} ({_first_line(error)}). Is it running, and can this machine "
            "reach it? The address is what `dask scheduler` prints, as in tcp://10.0.0.1:8786."
        ) from error
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what it means is said below
    with closing(client):
        if not client.nthreads():
            raise InputError(
                f"Nobody works for the scheduler at {scheduler}. Start a worker per GPU with: "
                f"dask worker {scheduler} --nthreads 1 --resources {GPU}=1"
            )
        yield Cluster(client, data, device)


# Ctrl-C goes to every process of a terminal. Only this one is to end by it: it ends the others.
_NO_INTERRUPT = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"


@dataclass(frozen=True)
class ThisProcess:
    """No other process: records come task by task."""

    data: Path
    device: str
    workers: int = field(default=1, init=False)

    def absent(self, models: Sequence[str]) -> dict[str, str]:
        return absent_models(models)

    def run(self, batches: Sequence[Batch]) -> Iterator[list[Record]]:
        for batch in batches:
            for record in _records(batch, self.data, self.device):
                yield [record]


class Cluster:
    """The workers of a Dask scheduler: records come batch by batch; a batch whose worker died is run again."""

    def __init__(self, client: Client, data: Path, device: str, local: bool = False):
        self._client, self._data, self._device, self._local = client, data, device, local

    @property
    def workers(self) -> int:
        try:
            return len(self._client.nthreads())
        except OSError:
            raise self._gone() from None

    def absent(self, models: Sequence[str]) -> dict[str, str]:
        """As `Site`: absent is what no worker has. What only some of them have stops the run: they would differ."""
        facts = self._client.run(_look(self._data, tuple(models)), on_error="return")
        for address, found in facts.items():
            _check(address, found)
        missing = [fact["absent"] for fact in facts.values()]
        everywhere = {name: why for name, why in missing[0].items() if all(name in one for one in missing)}
        for address, fact in facts.items():
            for name, why in fact["absent"].items():
                if name not in everywhere:
                    raise InputError(_unsuitable(fact["host"], address, why))
        return everywhere

    def run(self, batches: Sequence[Batch]) -> Iterator[list[Record]]:
        from distributed import KilledWorker

        workers = self._client.run(_place_and_resources).values()
        sharing = dict(Counter(place for place, _ in workers))
        # Where some workers have a GPU, models run on those alone, one batch at a time each.
        on_gpu = {GPU: 1} if any(GPU in resources for _, resources in workers) else None
        finished: queue.SimpleQueue = queue.SimpleQueue()
        to_come, waiting = deque(batches), {}

        def submit() -> None:
            # One batch for each worker: when one dies, Dask suspects all that was waiting for it as well.
            while to_come and len(waiting) < max(1, self.workers):
                batch = to_come.popleft()
                call = (_work, batch, self._data, self._device, __version__, sharing, self._local)
                future = self._client.submit(*call, resources=on_gpu if batch.model else None, pure=False)
                waiting[future.key] = future, batch
                future.add_done_callback(finished.put)

        try:
            submit()
            while waiting:
                try:
                    future = finished.get(timeout=HEARTBEAT_SECONDS)
                except queue.Empty:
                    if self._client.status != "running":
                        raise self._gone() from None
                    submit()  # a worker may have joined
                    yield []
                    continue
                batch = waiting.pop(future.key)[1]
                submit()
                if future.status == "finished":
                    yield future.result()
                elif isinstance(error := _error_of(future), KilledWorker):
                    yield batch.failed(
                        "Every worker that took this structure died: their memory may be too small for it. Look into "
                        "their logs, and run again with fewer workers on a machine."
                    )
                elif isinstance(error, InputError):
                    raise error
                elif error is None:
                    raise self._gone()
                else:
                    raise InputError(
                        f"A worker cannot run {batch.structure} ({type(error).__name__}: {_first_line(error)}): is the "
                        f"same version of everything installed on all workers? Here it is SAM2VolumeSeg {__version__}."
                    ) from error
        finally:
            if waiting and self._client.status == "running":
                self._client.cancel([future for future, _ in waiting.values()], force=True)

    def _gone(self) -> InputError:
        return InputError(
            "The connection to the Dask scheduler broke off. What arrived before is kept: start the scheduler and the "
            "workers again, then give the same command."
        )


def _error_of(future) -> BaseException | None:
    """Why a future has no result; None where its scheduler is gone."""
    return future.exception() if future.status == "error" else None


def _look(data: Path, models: tuple[str, ...]) -> Callable[[], dict[str, Any]]:
    """Return a function that says what a worker is and has."""
    expected, folder = __version__, str(data)

    # A nested function is sent whole, so it also runs where there is another version of this program, or none.
    def look():
        import socket as its_socket

        found = {"host": its_socket.gethostname(), "version": None}
        try:
            import SAM2VolumeSegLib
        except ImportError:
            return found
        found["version"] = SAM2VolumeSegLib.__version__
        if found["version"] == expected:
            from SAM2VolumeSegLib.study import workers  # noqa: PLW0406 - those of the other machine

            found |= {"problem": workers.data_problem(folder), "absent": workers.absent_models(models)}
        return found

    return look


def _check(address: str, found: dict[str, Any] | BaseException) -> None:
    """Raise InputError when a worker cannot take part."""
    if isinstance(found, BaseException):
        raise InputError(_unsuitable("", address, f"{type(found).__name__}: {_first_line(found)}."))
    if found["version"] is None:
        raise InputError(_unsuitable(found["host"], address, "SAM2VolumeSeg is not installed in its Python."))
    if found["version"] != __version__:
        raise InputError(_unsuitable(found["host"], address, _other_version(found["version"], __version__)))
    if found["problem"]:
        raise InputError(_unsuitable(found["host"], address, found["problem"]))


def _unsuitable(host: str, address: str, why: str) -> str:
    where = f"{address} on {host}" if host else address
    return f"The worker {where} cannot take part. {why} Mend or stop that worker, then give the same command again."


def _other_version(there: str, here: str) -> str:
    return f"It has SAM2VolumeSeg {there}, and {here} is needed."


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


_ONE_BATCH = Lock()  # a worker with several threads has one network and one cache all the same
_trackers: dict[tuple[str, int | None, str], SliceTracker] = {}


def _work(batch: Batch, data: Path, device: str, version: str, sharing: Mapping[str, int], local: bool) -> list[Record]:
    """Run a batch on a worker of a cluster.

    version: of the program that asks. sharing: workers by place, as `_place` names it. Raises InputError when this
    worker cannot take part; it may have come after the others were asked.
    """
    import torch
    from dask.system import CPU_COUNT
    from distributed import get_worker

    worker = get_worker()
    problem = _other_version(__version__, version) if version != __version__ else data_problem(str(data))
    problem = problem or next(iter(absent_models([batch.model] if batch.model else []).values()), None)
    if problem:
        raise InputError(_unsuitable(socket.gethostname(), worker.address, problem))
    neighbours = sharing.get(_place(), max(sharing.values()))
    with _ONE_BATCH:
        torch.set_num_threads(max(1, CPU_COUNT // neighbours))  # Dask sets one thread, whatever the machine has
        if local:
            device = _one_of_the_gpus(device, worker.name)
        return list(_records(batch, data, device, neighbours))


def _place() -> str:
    """Name the processors that this process may use: who has the same shares them."""
    processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else ""
    return f"{socket.gethostname()} {processors}"


def _place_and_resources(dask_worker) -> tuple[str, dict[str, float]]:
    return _place(), dask_worker.state.total_resources


def _one_of_the_gpus(device: str, number: int) -> str:
    """Deal a machine's GPUs out to its workers 0, 1, 2..."""
    import torch

    several = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return f"cuda:{number % several}" if several > 1 and device in ("auto", "cuda") else device


def _records(batch: Batch, data: Path, device: str, neighbours: int = 1) -> Iterator[Record]:
    from SAM2VolumeSegLib.study.task import run_batch

    return run_batch(
        batch.structure, data, batch.tasks, lambda: _tracker(batch.model, batch.image_size, device, neighbours)
    )


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


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
