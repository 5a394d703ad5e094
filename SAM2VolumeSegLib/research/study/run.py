"""The run of a study: which tasks its experiments make, which are left, and doing them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.research.data.structure import Structure
from SAM2VolumeSegLib.research.measures.metrics import DICE
from SAM2VolumeSegLib.research.study.configuration import Configuration, task_key
from SAM2VolumeSegLib.research.study.record import FailedRecord, Record, identity, plain_text
from SAM2VolumeSegLib.research.study.store import ResultsFile
from SAM2VolumeSegLib.research.study.task import Job
from SAM2VolumeSegLib.research.study.workers import Batch, Site

if TYPE_CHECKING:
    from SAM2VolumeSegLib.research.study.experiments import Experiment


@dataclass(frozen=True)
class Task:
    """One configuration on one structure.

    Attributes:
        structure: that is segmented.
        configuration: how.
        model: by name; None for a method without one.
        image_size: of its input in pixels; None without a model.
        model_sha256: of its checkpoint, hexadecimal; None without a model.
    """

    structure: Structure
    configuration: Configuration
    model: str | None
    image_size: int | None
    model_sha256: str | None

    @property
    def identity(self) -> tuple:
        """What is asked for, as `record.identity` has it: whatever code answers."""
        model = self.model and (self.model_sha256, self.image_size)
        return self.structure.case, self.structure.name, plain_text(self.configuration.choices()), model


@dataclass(frozen=True)
class StudyProgress:
    """How far a run is.

    Attributes:
        done: tasks finished, by this run and those before it.
        failed: in this run.
        left: to do.
        seconds_left: None before the first task of this run is done.
        workers: processes at work.
        dice: mean Dice so far in the experiment that moved last, of its baseline and of its best row, for people.
    """

    done: int
    failed: int
    left: int
    seconds_left: float | None
    workers: int
    dice: str


class Study:
    """The tasks of some experiments over some structures.

    Args:
        experiments: what is run.
        structures: on which.
        model: by name, for rows that fix none.
        image_size: of its input in pixels; None takes the model's own.
        drawn: all structures of the split, which are the neighbours of those above; None where these are all.

    Attributes:
        experiments: by name.
        tasks: by key, structure by structure; rows with equal choices share one.
        rows: experiment -> row -> its keys.
        absent: models that were not found where the study ran, with the sentence that says so; filled by `run`.

    Raises:
        InputError: a model or an image size that cannot be.
    """

    def __init__(
        self,
        experiments: Sequence[Experiment],
        structures: Sequence[Structure],
        model: str = "small",
        image_size: int | None = None,
        drawn: Sequence[Structure] | None = None,
    ):
        self._drawn: dict[str, list[Structure]] = {}
        for structure in structures if drawn is None else drawn:
            self._drawn.setdefault(structure.ct_sha256, []).append(structure)
        self.experiments = {experiment.name: experiment for experiment in experiments}
        self.tasks: dict[str, Task] = {}
        self.rows: dict[str, dict[str, list[str]]] = {name: {} for name in self.experiments}
        self.absent: dict[str, str] = {}
        self._facts: dict[tuple[str, int | None], dict[str, Any]] = {}
        for structure in structures:
            for experiment in self.experiments.values():
                for row in experiment.configurations:
                    key, task = self._task(structure, row, model, image_size)
                    self.tasks.setdefault(key, task)
                    self.rows[experiment.name].setdefault(row.name, []).append(key)

    def run(self, site: Site, results: Path) -> Iterator[StudyProgress]:
        """Do what is left, and append it to the results in a folder.

        Closing the generator, or an interrupt, ends the run; what was done is kept, and the next run goes on from
        there.

        Args:
            site: where the tasks run.
            results: the folder.

        Yields:
            Progress: at the beginning, with every task that ends, and from time to time while none does.

        Raises:
            InputError: no model is where the study runs; as `ResultsFile` and `Site`.
        """
        self.absent = site.absent(sorted({task.model for task in self.tasks.values()} - {None}))
        runnable = {key: task for key, task in self.tasks.items() if task.model not in self.absent}
        if not runnable:
            raise InputError(next(iter(self.absent.values())) + " Or choose another one with --model demo.")
        with ResultsFile(results) as file:
            counted = _Counted(self, runnable, file)
            yield counted.progress(site)
            with closing(site.run(_batches(counted.outstanding, self._drawn))) as work:
                for records in work:
                    for record in records:
                        if file.append(record):
                            counted.add(record)
                    yield counted.progress(site)

    def older(self, finished: Mapping[str, Record]) -> int:
        """Return how many tasks have a result of older code only, so that they are done again.

        Args:
            finished: what is in the results folder, by key.
        """
        answered = {identity(record) for key, record in finished.items() if key not in self.tasks}
        return sum(key not in finished and task.identity in answered for key, task in self.tasks.items())

    def not_run(self) -> list[str]:
        """Say in lines which rows wait for a model."""
        lines = []
        for model, why in self.absent.items():
            rows = [
                f"{row} ({name})"
                for name, rows in self.rows.items()
                for row, keys in rows.items()
                if self.tasks[keys[0]].model == model
            ]
            lines.append(f"{', '.join(rows)}: {why}")
        return lines

    def _task(self, structure, row, model, image_size) -> tuple[str, Task]:
        drawn = self._drawn[structure.ct_sha256]
        if row.method != "sam2":
            return task_key(structure, row, None, drawn), Task(structure, row, None, None, None)
        facts = self._model(row.model or model, row.image_size or image_size)
        task = Task(structure, row, facts["name"], facts["image_size"], facts["sha256"])
        return task_key(structure, row, facts, drawn), task

    def _model(self, name: str, image_size: int | None) -> dict[str, Any]:
        """What a key needs of a model. The input size never depends on the device, or the results would."""
        if (name, image_size) not in self._facts:
            import torch

            from SAM2VolumeSegLib.model.devices import choose_image_size

            model = checkpoints.find(name)
            size = image_size or model.image_size or checkpoints.config_image_size(model)
            self._facts[name, image_size] = {
                "name": name,
                "sha256": checkpoints.digest_of(model),
                "image_size": choose_image_size(model, torch.device("cpu"), size),
            }
        return self._facts[name, image_size]


class _Counted:
    """The numbers of a run's progress."""

    def __init__(self, study: Study, tasks: dict[str, Task], file: ResultsFile):
        self.outstanding = {key: task for key, task in tasks.items() if key not in file.finished}
        self._study, self._total = study, len(tasks)
        self._left, self._failed, self._ended = len(self.outstanding), 0, 0
        self._started = time.monotonic()
        self._rows_of: dict[str, list[tuple[str, str]]] = {}
        for name, rows in study.rows.items():
            for row, keys in rows.items():
                for key in keys:
                    self._rows_of.setdefault(key, []).append((name, row))
        self._dice: dict[tuple[str, str], list[float]] = {}
        self._latest = next(iter(study.experiments))
        for key in tasks.keys() & file.finished.keys():
            self._count(file.finished[key])

    def add(self, record: Record | FailedRecord) -> None:
        self._left -= 1
        self._ended += 1
        if "error" in record:
            self._failed += 1
        else:
            self._count(record)
            self._latest = self._rows_of[record["key"]][0][0]

    def progress(self, site: Site) -> StudyProgress:
        spent = time.monotonic() - self._started
        return StudyProgress(
            done=self._total - self._left - self._failed,
            failed=self._failed,
            left=self._left,
            seconds_left=spent / self._ended * self._left if self._ended else None,
            workers=site.workers,
            dice=self._standing(),
        )

    def _count(self, record: Record) -> None:
        for row in self._rows_of[record["key"]]:
            self._dice.setdefault(row, []).append(record[DICE.name])

    def _standing(self) -> str:
        name = self._latest
        baseline = self._study.experiments[name].baseline
        own = {row: dice for (one, row), dice in self._dice.items() if one == name}
        # Rows that are behind or ahead have means over other structures.
        means = {row: sum(dice) / len(dice) for row, dice in own.items() if len(dice) == len(own.get(baseline, dice))}
        if not means:
            return ""
        best = next(row for row, mean in means.items() if mean == DICE.best(means.values()))
        rows = [baseline] if baseline in means else []
        rows += [best] if best not in rows else []
        return f"{DICE.title} of {name}: " + ", ".join(f"{row} {DICE.text(means[row])}" for row in rows)


def _batches(tasks: dict[str, Task], drawn: Mapping[str, Sequence[Structure]]) -> list[Batch]:
    """Tasks of one structure, one model and one input size together, in the order of their first ones.

    Rows that segment all structures of a CT together are batches of the CT, row after row.
    """
    found: dict[tuple, list[Job]] = {}
    for key, task in tasks.items():
        of = task.structure.ct_sha256 if task.configuration.together else task.structure
        found.setdefault((of, task.model, task.image_size), []).append(Job(key, task.structure, task.configuration))
    return [
        Batch(tuple(_row_after_row(jobs)), model, size, tuple(drawn[jobs[0].structure.ct_sha256]))
        for (_, model, size), jobs in found.items()
    ]


def _row_after_row(jobs: Sequence[Job]) -> list[Job]:
    rows: dict[str, list[Job]] = {}
    for job in jobs:
        rows.setdefault(plain_text(job.configuration.choices()), []).append(job)
    return [job for row in rows.values() for job in row]
