"""What a worker of a cluster is asked, and does: functions that Dask sends to it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import distributed

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.study.store import Record
from SAM2VolumeSegLib.research.study.workers import Batch, absent_models, data_problem, records_of


def look(data: Path, models: tuple[str, ...]) -> Callable[[], dict[str, Any]]:
    """Return a function that says what a worker is and has."""
    expected, folder = __version__, str(data)

    # A nested function is sent whole, so it also runs where there is another version of this program, or none.
    def facts():
        import socket as its_socket

        found = {"host": its_socket.gethostname(), "version": None}
        try:
            import SAM2VolumeSegLib
        except ImportError:
            return found
        found["version"] = SAM2VolumeSegLib.__version__
        if found["version"] == expected:
            from SAM2VolumeSegLib.research.study import workers

            found |= {"problem": workers.data_problem(folder), "absent": workers.absent_models(models)}
        return found

    return facts


def check(address: str, found: dict[str, Any] | BaseException) -> None:
    """Raise InputError when a worker cannot take part."""
    if isinstance(found, BaseException):
        raise InputError(unsuitable("", address, f"{type(found).__name__}: {first_line(found)}."))
    if found["version"] is None:
        raise InputError(unsuitable(found["host"], address, "SAM2VolumeSeg is not installed in its Python."))
    if found["version"] != __version__:
        raise InputError(unsuitable(found["host"], address, _other_version(found["version"], __version__)))
    if found["problem"]:
        raise InputError(unsuitable(found["host"], address, found["problem"]))


def unsuitable(host: str, address: str, why: str) -> str:
    where = f"{address} on {host}" if host else address
    return f"The worker {where} cannot take part. {why} Mend or stop that worker, then give the same command again."


def _other_version(there: str, here: str) -> str:
    return f"It has SAM2VolumeSeg {there}, and {here} is needed."


_ONE_BATCH = Lock()  # a worker with several threads has one network and one cache all the same


def work(
    batch: Batch, data: Path, device: str, version: str, sharing: Mapping[str, int], local: bool, topic: str
) -> list[Record]:
    """Run a batch on a worker of a cluster.

    version: of the program that asks. sharing: workers by place, as `_place` names it. topic: of the events that tell
    each record as soon as it is there, as JSON: a run may end at any time. Raises InputError when this worker cannot
    take part; it may have come after the others were asked.
    """
    import torch
    from dask.system import CPU_COUNT

    worker = distributed.get_worker()
    problem = _other_version(__version__, version) if version != __version__ else data_problem(str(data))
    problem = problem or next(iter(absent_models([batch.model] if batch.model else []).values()), None)
    if problem:
        raise InputError(unsuitable(socket.gethostname(), worker.address, problem))
    neighbours = sharing.get(_place(), max(sharing.values()))
    with _ONE_BATCH:
        torch.set_num_threads(max(1, CPU_COUNT // neighbours))  # Dask sets one thread, whatever the machine has
        if local:
            device = one_of_the_gpus(device, worker.name)
        records = []
        for record in records_of(batch, data, device, neighbours):
            worker.log_event(topic, json.dumps(record))
            records.append(record)
        return records


def _place() -> str:
    """Name the processors that this process may use: who has the same shares them."""
    processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else ""
    return f"{socket.gethostname()} {processors}"


def place_and_resources(dask_worker) -> tuple[str, dict[str, float]]:
    return _place(), dask_worker.state.total_resources


def one_of_the_gpus(device: str, number: int) -> str:
    """Deal a machine's GPUs out to its workers 0, 1, 2..."""
    import torch

    several = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return f"cuda:{number % several}" if several > 1 and device in ("auto", "cuda") else device


def first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
