"""Several processes, on this machine or on many, for the tasks of a study (dask.distributed)."""

from __future__ import annotations

import json
import logging
import queue
import signal
import threading
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from multiprocessing import resource_tracker
from pathlib import Path

import cryptography  # noqa: F401 - without it, Dask cannot make the certificate of an own cluster
import dask.config
import distributed
from distributed.security import Security

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.study.code import code_digest
from SAM2VolumeSegLib.research.study.record import FailedRecord, Record
from SAM2VolumeSegLib.research.study.worker_side import check, first_line, look, place_and_resources, unsuitable, work
from SAM2VolumeSegLib.research.study.workers import Batch

CONNECT_SECONDS = 10
HEARTBEAT_SECONDS = 5
GPU = "GPU"  # the resource that a worker offers: dask worker --resources GPU=1


@contextmanager
def own(data: Path, device: str, workers: int) -> Iterator[Cluster]:
    """Open processes on this machine, closed at the end.

    Args:
        data: the data folder.
        device: "auto", "cpu", "cuda"... of every worker.
        workers: how many.

    Whoever may speak to a scheduler may run any code as its user, and every user of a machine reaches its loopback: so
    this one asks for a certificate that is made anew each time and is in the memory of these processes alone. Dask's
    web servers do not ask, so they serve nothing.
    """
    no_pages = {f"distributed.{one}.http.routes": [] for one in ("scheduler", "worker", "nanny")}
    with ExitStack() as stack:
        with _interrupts_wait(), dask.config.set(no_pages):
            local = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                security=Security.temporary(),
                dashboard_address=None,
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any free port: two studies may run
                memory_limit=0,  # what torch holds cannot be spilled to the disk, so Dask must not try
                silence_logs="CRITICAL",  # a worker that dies is replaced
                preload=[_NO_INTERRUPT],
            )
            stack.enter_context(local)
            client = stack.enter_context(distributed.Client(local, set_as_default=False))
        yield Cluster(client, data, device, local=True)


@contextmanager
def at(scheduler: str, data: Path, device: str) -> Iterator[Cluster]:
    """Open the workers of a scheduler; with TLS where Dask's configuration names the certificates.

    Args:
        scheduler: its address.
        data: the data folder, which every worker has under this path.
        device: "auto", "cpu", "cuda"... of every worker.

    Raises:
        InputError: it does not answer, or nobody works for it.
    """
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError, RuntimeError) as error:  # no address at all; TLS without a certificate
        raise InputError(
            f"No Dask scheduler answers at {scheduler} ({first_line(error)}). Is it running, and can this machine "
            "reach it? The address is what `dask scheduler` prints, as in tcp://10.0.0.1:8786; one that begins with "
            "tls:// needs the certificate that the scheduler has."
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


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    """Let Ctrl-C come at the end of this: what is half started can neither be used nor closed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came, blocked = [], None
    before = signal.signal(signal.SIGINT, lambda *_: came.append(True))
    if hasattr(signal, "pthread_sigmask"):
        # What is blocked here is blocked in the processes that start, from their first moment. The tracker of
        # multiprocessing unblocks it when it starts: so that comes first.
        resource_tracker.ensure_running()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if blocked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGINT, before)
        if came:
            raise KeyboardInterrupt


class Cluster:
    """The workers of a Dask scheduler: records come task by task; a batch whose worker died is run again."""

    def __init__(self, client: distributed.Client, data: Path, device: str, local: bool = False):
        self._client, self._data, self._device, self._local = client, data, device, local

    @property
    def workers(self) -> int:
        """How many processes work now."""
        try:
            return len(self._client.nthreads())
        except OSError:
            raise self._gone() from None

    def absent(self, models: Sequence[str]) -> dict[str, str]:
        """As `Site`: absent is what no worker has. What only some of them have stops the run: they would differ."""
        facts = self._client.run(look(self._data, tuple(models)), on_error="return")
        for address, found in facts.items():
            check(address, found)
        missing = [fact["absent"] for fact in facts.values()]
        everywhere = {name: why for name, why in missing[0].items() if all(name in one for one in missing)}
        for address, fact in facts.items():
            for name, why in fact["absent"].items():
                if name not in everywhere:
                    raise InputError(unsuitable(fact["host"], address, why))
        return everywhere

    def run(self, batches: Sequence[Batch]) -> Iterator[list[Record | FailedRecord]]:
        """As `Site`: a batch for each worker at a time."""
        workers = self._client.run(place_and_resources).values()
        sharing = dict(Counter(place for place, _ in workers))
        # Where some workers have a GPU, models run on those alone, one batch at a time each.
        on_gpu = {GPU: 1} if any(GPU in resources for _, resources in workers) else None
        to_come, waiting = deque(batches), {}
        arrived: queue.SimpleQueue = queue.SimpleQueue()  # records as text, and futures that have ended
        topic = f"sam2-volume-seg {uuid.uuid4()}"
        known: set[str] = set()

        def submit() -> None:
            # One batch for each worker: when one dies, Dask suspects all that was waiting for it as well.
            while to_come and len(waiting) < max(1, self.workers):
                batch = to_come.popleft()
                call = (
                    work,
                    batch,
                    self._data,
                    self._device,
                    (__version__, code_digest()),
                    sharing,
                    self._local,
                    topic,
                )
                future = self._client.submit(*call, resources=on_gpu if batch.model else None, pure=False)
                waiting[future.key] = future, batch
                future.add_done_callback(arrived.put)

        def new(records: Sequence[Record | FailedRecord]) -> list[Record | FailedRecord]:
            """Those that have not come: by themselves, with their batch, or from a worker that died later."""
            records = [record for record in records if record["key"] not in known]
            known.update(record["key"] for record in records)
            return records

        try:
            self._client.subscribe_topic(topic, lambda event: arrived.put(event[1]))
            submit()
            while waiting:
                try:
                    one = arrived.get(timeout=HEARTBEAT_SECONDS)
                except queue.Empty:
                    if self._client.status != "running":
                        raise self._gone() from None
                    submit()  # a worker may have joined
                    yield []
                    continue
                if isinstance(one, str):
                    yield new([json.loads(one)])
                    continue
                batch = waiting.pop(one.key)[1]
                submit()
                yield new(self._ended(one, batch, known))
        finally:
            if waiting and self._client.status == "running":
                self._client.cancel([future for future, _ in waiting.values()], force=True)

    def _ended(self, future: distributed.Future, batch: Batch, known: set[str]) -> list[Record | FailedRecord]:
        """Return the records of a batch that has ended.

        Raises:
            InputError: the run ends with it.
        """
        if future.status == "finished":
            return future.result()
        error = future.exception() if future.status == "error" else None
        if isinstance(error, distributed.KilledWorker):
            why = (
                "Every worker that took this structure died: their memory may be too small for it. Look into their "
                "logs, and run again with fewer workers on a machine."
            )
            return [job.failed(why) for job in batch.jobs if job.key not in known]
        if isinstance(error, InputError):
            raise error
        if error is None:
            raise self._gone()
        raise InputError(
            f"A worker cannot run {batch} ({type(error).__name__}: {first_line(error)}): is the same "
            f"version of everything installed on all workers? Here it is SAM2VolumeSeg {__version__}."
        ) from error

    def _gone(self) -> InputError:
        return InputError(
            "The connection to the Dask scheduler broke off. What arrived before is kept: start the scheduler and the "
            "workers again, then give the same command."
        )
