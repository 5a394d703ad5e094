"""Beside a busy program: threads that sleep while they wait, as this package has it, and as OpenMP does by itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from SAM2VolumeSegLib.research.bench.cases import case
from SAM2VolumeSegLib.research.bench.engines import Networks, Ours

WAITING: dict[str, dict[str, str]] = {"asleep": {}, "openmp": {"GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "200"}}
"""By how threads wait, what the environment says: nothing, so that the package does; or the libraries' own defaults."""

BUSY = (0, 1)  # other programs
LIMIT = 300  # seconds; a run that takes longer is stopped
_UNSET = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY", "OMP_NUM_THREADS")
_CODE = f"from {__name__} import _child; _child()"


def measure_busy(networks: Networks, every: int = 1) -> dict[str, dict[int, float | None]]:
    """Run one axis in processes of their own, in turns.

    Args:
        networks: name, device and input size are taken from it, and the number of threads from torch.
        every: as of `cases.case`.

    Returns:
        Seconds of a run, without loading, by `WAITING` and by how many programs are busy beside it; None: stopped.
    """
    plan = networks.tracker.plan
    arguments = (networks.name, plan.device, plan.image_size, torch.get_num_threads(), every)
    seconds: dict[str, dict[int, float | None]] = {waiting: {} for waiting in WAITING}
    for count in BUSY:
        for waiting, said in WAITING.items():
            with _busy(count):
                seconds[waiting][count] = _run(tuple(map(str, arguments)), said)
    return seconds


def _run(arguments: tuple[str, ...], said: dict[str, str]) -> float | None:
    environment = {name: value for name, value in os.environ.items() if name not in _UNSET}
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CODE, *arguments],
            env=environment | said, stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None
    return float(done.stdout.splitlines()[-1])


def _child() -> None:
    """Print the seconds of a run."""
    name, device, size, threads, every = sys.argv[1:]
    torch.set_num_threads(int(threads))
    print(Ours(Networks.load(name, device, int(size))).run(case("one-axis", int(every))).seconds)


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """Keep other programs busy; were this one killed, they would end by themselves."""
    code = f"import time\nend = time.time() + {2 * LIMIT}\nwhile time.time() < end: pass"
    programs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()
