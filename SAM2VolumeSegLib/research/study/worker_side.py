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
from SAM2VolumeSegLib.research.study.code import code_digest
from SAM2VolumeSegLib.research.study.record import FailedRecord, Record
from SAM2VolumeSegLib.research.study.workers import Batch, absent_models, data_problem, records_of


def look(data: Path, models: tuple[str, ...]) -> Callable[[], dict[str, Any]]:
    """Return a function that says what a worker is and has.

    Args:
        data: the data folder.
        models: names of those that are needed.
    """
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
            try:
                from SAM2VolumeSegLib.research.study import code, workers
            except ImportError:
                return found | {"code": "of another commit"}
            found["code"] = code.code_digest()
            found |= {"problem": workers.data_problem(folder), "absent": workers.absent_models(models)}
        return found

    return facts


def check(address: str, found: dict[str, Any] | BaseException) -> None:
    """Check that a worker can take part.

    Args:
        address: of the worker.
        found: what `look` gave there, or the error that came instead.

    Raises:
        InputError: it cannot.
    """
    if isinstance(found, BaseException):
        raise InputError(unsuitable("", address, f"{type(found).__name__}: {first_line(found)}."))
    if found["version"] is None:
        raise InputError(unsuitable(found["host"], address, "SAM2VolumeSeg is not installed in its Python."))
    if problem := _other_program((found["version"], found.get("code", "")), (__version__, code_digest())):
        raise InputError(unsuitable(found["host"], address, problem))
    if found["problem"]:
        raise InputError(unsuitable(found["host"], address, found["problem"]))


def unsuitable(host: str, address: str, why: str) -> str:
    """Say that a worker cannot take part, why, and what to do."""
    where = f"{address} on {host}" if host else address
    return f"The worker {where} cannot take part. {why} Correct or stop that worker, then give the same command again."


def _other_program(there: tuple[str, str], here: tuple[str, str]) -> str | None:
    """Say how one program (version, digest of the code) differs from another, None where it does not."""
    if there[0] != here[0]:
        return f"It has SAM2VolumeSeg {there[0]}, and {here[0]} is needed."
    if there[1] != here[1]:
        return (
            f"Its SAM2VolumeSeg {there[0]} has other code ({there[1]}, and {here[1]} is needed): the same commit has "
            "to be installed there."
        )
    return None


_ONE_BATCH = Lock()  # a worker with several threads has one network and one cache all the same


def work(
    batch: Batch, data: Path, device: str, program: tuple[str, str], sharing: Mapping[str, int], local: bool, topic: str
) -> list[Record | FailedRecord]:
    """Run a batch on a worker of a cluster.

    Args:
        batch: what to run.
        data: the data folder.
        device: of the worker.
        program: version and code digest of the program that asks.
        sharing: workers by place, as `_place` names it.
        local: whether all workers are on one machine, and share its GPUs.
        topic: of the events that tell each record as soon as it is there, as JSON: a run may end at any time.

    Raises:
        InputError: this worker cannot take part; it may have come after the others were asked.
    """
    import torch
    from dask.system import CPU_COUNT

    worker = distributed.get_worker()
    problem = _other_program((__version__, code_digest()), program) or data_problem(str(data))
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
    """Return where a worker runs, as `_place` names it, and what it has by Dask's names, such as GPUs."""
    return _place(), dask_worker.state.total_resources


def one_of_the_gpus(device: str, number: int) -> str:
    """Deal a machine's GPUs out to its workers 0, 1, 2..."""
    import torch

    several = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return f"cuda:{number % several}" if several > 1 and device in ("auto", "cuda") else device


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its name where it has none."""
    return (str(error) or type(error).__name__).splitlines()[0]
