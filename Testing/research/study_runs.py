"""What the tests of running share: a small study with the demo model, real clusters, and comparing tables."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from propagation_runs import finish

from SAM2VolumeSegLib.research.data.layouts import open_data
from SAM2VolumeSegLib.research.study.experiments import find_experiment
from SAM2VolumeSegLib.research.study.run import Study
from SAM2VolumeSegLib.research.study.split import draw

SIZE = 64  # pixels: the demo model still runs, fast
TIMES = ("seconds", "track_ms", "date", "commit")  # and the checkout, which may change while a test runs


def a_study(folder: Path, *names: str, cases: int | None = None) -> Study:
    """Experiments on the first structures of a data folder."""
    split = finish(draw(open_data(folder)))[1]
    return Study([find_experiment(name, "demo") for name in names], split.first(cases), "demo", SIZE, split.structures)


def table(records: dict) -> dict:
    """Records by key without what differs from run to run."""
    return {key: {name: one[name] for name in one.keys() - set(TIMES)} for key, one in records.items()}


@contextmanager
def a_process(*command, **environment):
    """A process of this Python that is killed at the end; its output goes to the test's."""
    process = subprocess.Popen([sys.executable, *map(str, command)], env=os.environ | environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def a_scheduler(folder: Path, *options, **environment):
    """A Dask scheduler on loopback; gives its address, and the process."""
    file = folder / "scheduler.json"
    command = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file, *options)
    with a_process("-m", "dask", "scheduler", *command, **environment) as process:
        yield _wait_for(lambda: _address(file), process), process


@contextmanager
def a_worker(address: str, *options, **environment):
    """A Dask worker that has joined the scheduler; gives its process."""
    from distributed import Client

    command = (address, "--nthreads", "1", "--no-dashboard", "--memory-limit", "0", "--host", "127.0.0.1", *options)
    with Client(address, set_as_default=False) as client:
        before = len(client.nthreads())
        with a_process("-m", "dask", "worker", *command, **environment) as process:
            _wait_for(lambda: len(client.nthreads()) > before, process)
            client.close()
            yield process


def _address(file: Path) -> str | None:
    try:
        return json.loads(file.read_text(encoding="utf-8"))["address"]
    except (OSError, ValueError):
        return None


def _wait_for(look, process, seconds: float = 600):
    end = time.monotonic() + seconds
    while not (found := look()):
        assert process.poll() is None and time.monotonic() < end, "a process of the cluster did not start"
        time.sleep(0.05)
    return found
