"""A real scheduler and real workers on loopback: nothing is lost or counted twice when one of them is killed."""

import os
import socket
import time
from contextlib import closing

import pytest
import torch
from dask.system import CPU_COUNT
from study_runs import a_scheduler, a_study, a_worker, table

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.study import cluster, workers
from SAM2VolumeSegLib.research.study.store import FILE, read_results
from SAM2VolumeSegLib.research.study.workers import open_site

QUIET = {"DASK_LOGGING__DISTRIBUTED": "critical"}
# What a worker runs before it joins.
ANOTHER_VERSION = "import SAM2VolumeSegLib\nSAM2VolumeSegLib.__version__ = '0.0.9'\n"
OTHER_CODE = "from SAM2VolumeSegLib.research.study import code\ncode.code_digest = lambda: 'another'\n"
NO_PROGRAM = "import sys\nsys.modules['SAM2VolumeSegLib'] = None\n"
NO_DEMO = (
    "from dataclasses import replace\nfrom pathlib import Path\nfrom SAM2VolumeSegLib.model import checkpoints\n"
    "gone = replace(checkpoints.MODELS['demo'], source=checkpoints.LocalFile(Path('nowhere.pt')))\n"
    "checkpoints.MODELS['demo'] = gone\n"
)
DIES_OF_ONE_STRUCTURE = (
    "import os\nfrom SAM2VolumeSegLib.research.study import task\n"
    "def run_task(key, structure, *rest, run_task=task.run_task):\n"
    "    return os._exit(1) if str(structure) == {name!r} else run_task(key, structure, *rest)\n"
    "task.run_task = run_task\n"
)
DIES_ONCE = (
    "import os\nfrom pathlib import Path\nfrom SAM2VolumeSegLib.research.study import task\n"
    "def run_task(*arguments, run_task=task.run_task, calls=[]):\n"
    "    calls.append(1)\n"
    "    if len(calls) == 3 and not Path({trace!r}).exists():\n"
    "        Path({trace!r}).touch(), os._exit(1)\n"
    "    return run_task(*arguments)\n"
    "task.run_task = run_task\n"
)


@pytest.fixture
def a_cluster(tmp_path):
    """The address of a scheduler with one worker, and the scheduler's process."""
    with a_scheduler(tmp_path, **QUIET) as (address, process), a_worker(address, "--no-nanny", **QUIET):
        yield address, process


def test_a_worker_killed_in_the_middle_changes_nothing(a_phantom_folder, tmp_path):
    """The same table as one process makes, though one of two workers is killed while it works on a batch."""
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, CPU_COUNT // 2))  # as each of two workers takes
    study = a_study(a_phantom_folder, "stride", cases=6)
    with open_site(a_phantom_folder, "cpu") as site:
        alone = list(study.run(site, tmp_path / "alone"))
    torch.set_num_threads(threads)
    assert alone[-1].done == len(study.tasks) and alone[-1].workers == 1

    with a_scheduler(tmp_path, **QUIET) as (address, _), a_worker(address, "--no-nanny", **QUIET) as victim:
        with a_worker(address, "--no-nanny", **QUIET), open_site(a_phantom_folder, "cpu", scheduler=address) as site:
            with closing(study.run(site, tmp_path / "cluster")) as run:
                begin = next(run)
                assert (begin.done, begin.left, begin.workers) == (0, len(study.tasks), 2)
                next(step for step in run if step.done)
                process_of = site._client.run(os.getpid)
                end = time.monotonic() + 600  # not for ever, if the other worker was so fast that nothing is left
                while victim.pid not in [process_of[worker] for worker in site._client.call_stack()]:
                    assert time.monotonic() < end, "the worker had nothing to do"
                    time.sleep(0.01)  # until it computes
                victim.kill()
                steps = list(run)
    assert steps[-1].done == len(study.tasks) and not steps[-1].failed and steps[-1].workers == 1
    assert table(read_results(tmp_path / "cluster")[0]) == table(read_results(tmp_path / "alone")[0])
    assert len((tmp_path / "cluster" / FILE).read_bytes().splitlines()) == 1 + len(study.tasks)


def test_a_structure_that_kills_its_workers_fails_alone(a_phantom_folder, tmp_path):
    study = a_study(a_phantom_folder, "stride", cases=2)
    poison = next(iter(study.tasks.values())).structure
    preload = DIES_OF_ONE_STRUCTURE.format(name=str(poison))
    patience = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with a_scheduler(tmp_path, **QUIET, **patience) as (address, _):
        with a_worker(address, "--preload", preload, **QUIET):  # its nanny starts another one
            with open_site(a_phantom_folder, "cpu", scheduler=address) as site:
                last = list(study.run(site, tmp_path))[-1]
    finished, failed = read_results(tmp_path)
    assert last.left == 0 and (last.done, last.failed) == (len(finished), len(failed))
    own = {key for key, task in study.tasks.items() if task.structure == poison}
    assert failed.keys() == own and len(finished) == len(study.tasks) - len(own)
    assert all("died" in one["error"] and one["structure"] == poison.name for one in failed.values())


def test_a_worker_that_dies_within_a_structure_counts_nothing_twice(a_phantom_folder, tmp_path):
    """What it had sent stays, and the structure, done again by its successor, brings only what had not come."""
    study = a_study(a_phantom_folder, "stride", "prompts", cases=1)
    trace = tmp_path / "died"
    with a_scheduler(tmp_path, **QUIET) as (address, _):
        with a_worker(address, "--preload", DIES_ONCE.format(trace=str(trace)), **QUIET):  # its nanny starts another
            with open_site(a_phantom_folder, "cpu", scheduler=address) as site:
                steps = list(study.run(site, tmp_path))
    assert trace.exists() and 2 < len(study.tasks) == len(read_results(tmp_path)[0])
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert (steps[-1].done, steps[-1].left) == (len(study.tasks), 0)
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 1 + len(study.tasks)


def test_the_scheduler_is_killed(a_cluster, a_phantom_folder, tmp_path, monkeypatch):
    """One sentence; what arrived before is kept, within a structure as well, and another way of running does the rest.

    Records came structure by structure: of 14 runs that were interrupted, 14 kept nothing.
    """
    monkeypatch.setattr(cluster, "HEARTBEAT_SECONDS", 0.5)
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 2)  # so long it tries to connect again
    address, process = a_cluster
    study = a_study(a_phantom_folder, "stride", "prompts", cases=1)
    with open_site(a_phantom_folder, "cpu", scheduler=address) as site:
        with closing(study.run(site, tmp_path)) as run:
            next(step for step in run if step.done)
            process.kill()
            with pytest.raises(InputError, match="connection to the Dask scheduler broke off.*kept"):
                list(run)
    done = len(read_results(tmp_path)[0])
    assert 0 < done < len(study.tasks)
    with open_site(a_phantom_folder, "cpu") as site:
        steps = list(study.run(site, tmp_path))
    assert steps[0].done == done and steps[-1].done == len(study.tasks)
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 1 + len(study.tasks)


# ------------------------------------------------------------------------------------------------ who cannot take part


@pytest.mark.parametrize(
    ("preload", "message"),
    [
        (ANOTHER_VERSION, "It has SAM2VolumeSeg 0.0.9, and .* is needed"),
        (OTHER_CODE, r"Its SAM2VolumeSeg .* has other code \(another, and \w+ is needed\): the same commit"),
        (NO_PROGRAM, "SAM2VolumeSeg is not installed"),
        (NO_DEMO, "The checkpoint of the model 'demo' is missing"),
    ],
    ids=["another version", "other code", "no program", "no model"],
)
def test_a_worker_that_cannot_take_part(a_cluster, a_phantom_folder, tmp_path, preload, message):
    """It is named before anything runs, with what it lacks."""
    address, _ = a_cluster
    study = a_study(a_phantom_folder, "stride", cases=1)
    with a_worker(address, "--no-nanny", "--preload", preload, **QUIET):
        with open_site(a_phantom_folder, "cpu", scheduler=address) as site:
            with pytest.raises(InputError, match=rf"The worker tcp://127.0.0.1:\d+ .*cannot take part\. {message}"):
                list(study.run(site, tmp_path))
    assert not (tmp_path / FILE).exists()


def test_no_worker_has_the_data(a_cluster, a_phantom_folder, tmp_path):
    study = a_study(a_phantom_folder, "stride", cases=1)
    with open_site(tmp_path / "elsewhere", "cpu", scheduler=a_cluster[0]) as site:
        with pytest.raises(InputError, match="cannot take part. There is no data folder .*elsewhere"):
            list(study.run(site, tmp_path))


def test_a_worker_that_comes_later_is_asked_as_well(a_cluster, a_phantom_folder, tmp_path):
    """Its first batch ends the run: it would fail thousands faster than the others do one."""
    address, _ = a_cluster
    study = a_study(a_phantom_folder, "final", "prompts", cases=6)
    with open_site(a_phantom_folder, "cpu", scheduler=address) as site, closing(study.run(site, tmp_path)) as run:
        next(run)
        with a_worker(address, "--no-nanny", "--preload", NO_DEMO, **QUIET):
            with pytest.raises(InputError, match="cannot take part. The checkpoint of the model 'demo' is missing"):
                list(run)


def test_models_that_no_worker_has_are_not_run(a_cluster, a_phantom_folder, tmp_path):
    study = a_study(a_phantom_folder, "model-scale", cases=1)
    with open_site(a_phantom_folder, "cpu", scheduler=a_cluster[0]) as site:
        last = list(study.run(site, tmp_path))[-1]
    assert (last.done, last.left) == (1, 0)
    assert study.absent.keys() == {"tiny", "small", "base+", "large"}
    assert any(line.startswith("Tiny (model-scale): ") and "checkpoints fetch tiny" in line for line in study.not_run())


def test_models_run_where_the_gpus_are(a_cluster, a_phantom_folder, tmp_path):
    """Once a worker offers a GPU; the others do what needs no model."""
    address, _ = a_cluster
    study = a_study(a_phantom_folder, "stride", cases=3)
    with a_worker(address, "--no-nanny", "--resources", "GPU=1", **QUIET):
        with open_site(a_phantom_folder, "cpu", scheduler=address) as site:
            assert list(study.run(site, tmp_path))[-1].done == len(study.tasks)
            models = site._client.run(lambda: len(workers._trackers))
            resources = site._client.run(lambda dask_worker: dask_worker.state.total_resources)
    assert sorted(models.values()) == [0, 1]
    assert all(count == ("GPU" in resources[worker]) for worker, count in models.items())


# -------------------------------------------------------------------------------------------------- no cluster at all


def test_nobody_answers(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        with (
            pytest.raises(InputError, match=f"No Dask scheduler answers at {address}"),
            open_site(tmp_path, scheduler=address),
        ):
            pass


@pytest.mark.parametrize("address", ["", "nonsense://1", "tcp://127.0.0.1:port"])
def test_no_address(tmp_path, address):
    with pytest.raises(InputError, match="No Dask scheduler answers"), open_site(tmp_path, scheduler=address):
        pass


def test_a_scheduler_without_workers(tmp_path):
    with a_scheduler(tmp_path, **QUIET) as (address, _):
        with pytest.raises(InputError, match=f"Nobody works for .*dask worker {address} --nthreads 1"):
            with open_site(tmp_path, scheduler=address):
                pass
