"""What results folders hold, put in order by experiment and row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.structure import Structure
from SAM2VolumeSegLib.research.study.configuration import Configuration
from SAM2VolumeSegLib.research.study.experiments import EXPERIMENTS, Experiment, find_experiment
from SAM2VolumeSegLib.research.study.record import FailedRecord, Record, figure, plain_text
from SAM2VolumeSegLib.research.study.split import SPLIT, Split, read_split
from SAM2VolumeSegLib.research.study.store import FILE, read_results

Sample = tuple[str, str, int | None]
"""One structure, whatever the folder: SHA-256 of CT and mask, label."""


def file_name(text: str) -> str:
    """Return text as a part of a file's name on every system."""
    return re.sub(r"[^A-Za-z0-9_+-]+", "-", text)[:80]


@dataclass(frozen=True, order=True)
class StudyModel:
    """A model as it was run.

    Attributes:
        name: of the known model.
        image_size: pixels.
        sha256: of the checkpoint, hexadecimal.
    """

    name: str
    image_size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.name}, {self.image_size} px, {self.sha256[:8]}"

    @property
    def slug(self) -> str:
        """For names of files, in one folder whatever the model is called."""
        return f"{file_name(self.name)}-{self.image_size}"


@dataclass(frozen=True)
class ResultsFolder:
    """What is in a folder of results.

    Attributes:
        name: its own, without the folders that it is in.
        split: the structures that were drawn.
        split_sha256: of the split file.
        records: of tasks that are done, in the order of the split.
        failed: of tasks that failed, in the same order.
    """

    name: str
    split: Split
    split_sha256: str
    records: tuple[Record, ...]
    failed: tuple[FailedRecord, ...]


@dataclass(frozen=True)
class ReportRow:
    """A row of an experiment.

    Attributes:
        configuration: how it is made.
        records: of every structure that has one.
    """

    configuration: Configuration
    records: dict[Sample, Record]

    @property
    def name(self) -> str:
        """As in the paper's table."""
        return self.configuration.name

    def figures(self, metric: str) -> dict[Sample, float]:
        """Return a figure of each structure, without those where it is not defined (an empty prediction's distance).

        Args:
            metric: its name.
        """
        found = {sample: figure(record, metric) for sample, record in self.records.items()}
        return {sample: value for sample, value in found.items() if value is not None}


class StudyResults:
    """What is in the folders together; a structure that two splits have counts once.

    Attributes:
        folders: as they were read.
        structures: sample -> the structure as it was drawn.
        data_of: sample -> name of its data.
        superseded: results left out because newer code has one for the same task.

    Raises:
        InputError: a result is of a structure that the split beside it does not have.
    """

    def __init__(self, folders: Iterable[ResultsFolder]):
        self.folders = tuple(folders)
        self.structures: dict[Sample, Structure] = {}
        self.data_of: dict[Sample, str] = {}
        self.superseded = 0
        self._found: dict[tuple[str, StudyModel | None], dict[Sample, Record]] = {}
        for folder in self.folders:
            self._add(folder)

    def _add(self, folder: ResultsFolder) -> None:
        sample_of = {}
        for structure in folder.split.structures:
            sample = (structure.ct_sha256, structure.mask_sha256, structure.label)
            sample_of[structure.case, structure.name] = sample
            self.structures.setdefault(sample, structure)
            self.data_of.setdefault(sample, folder.split.data)
        for record in folder.records:
            sample = sample_of.get((record["case"], record["structure"]))
            if sample is None:
                raise InputError(
                    f'"{folder.name}" has a result of {record["case"]} {record["structure"]}, which its {SPLIT} does '
                    f"not have. {SPLIT} and {FILE} of one study belong together: put the right ones there."
                )
            model = record["model"]
            model = model and StudyModel(model["name"], model["image_size"], model["sha256"])
            records = self._found.setdefault((plain_text(record["choices"]), model), {})
            before = records.setdefault(sample, record)
            if before["key"] != record["key"]:  # the key holds a digest of the code
                self.superseded += 1
                records[sample] = max(before, record, key=lambda one: one["date"])

    @property
    def ct_of(self) -> dict[Sample, str]:
        """Sample -> SHA-256 of its CT."""
        return {sample: sample[0] for sample in self.structures}

    @property
    def data(self) -> list[str]:
        """Names of the data, in the order of the folders."""
        return list(dict.fromkeys(folder.split.data for folder in self.folders))

    def records(self) -> Iterable[Record]:
        """Every result that counts, once."""
        return (record for records in self._found.values() for record in records.values())

    def measured(self) -> set[Sample]:
        """Every structure with a result."""
        return {sample for records in self._found.values() for sample in records}

    def of_model(self, model: StudyModel | None) -> Iterable[tuple[Sample, Record]]:
        """Every result of a model at its input size, with its structure."""
        return (item for (_, found), records in self._found.items() if found == model for item in records.items())

    def models(self) -> list[StudyModel]:
        """Models and input sizes that were studied: those with a result that is in no row of model scale or input size.

        Where only those were run, the one with the most results.
        """
        rows = (row for name in ("model-scale", "input-size") for row in find_experiment(name, "demo").configurations)
        compared = {plain_text(row.choices()) for row in rows}
        counts, studied = Counter(), set()
        for (choices, model), records in self._found.items():
            if model is not None:
                counts[model] += len(records)
                studied |= {model} if choices not in compared else set()
        if not studied and counts:
            studied = {min(counts, key=lambda model: (-counts[model], model))}
        return sorted(studied)

    def rows(self, experiment: Experiment, model: StudyModel | None, data: str | None = None) -> list[ReportRow]:
        """Return the rows of an experiment as run with a model, those without results too.

        Args:
            experiment: which.
            model: which; None: rows without a model only.
            data: name of the one data set to look at; None: all of them.
        """
        return [
            ReportRow(
                one,
                {
                    sample: record
                    for sample, record in self._records_of(one, model).items()
                    if data in (None, self.data_of[sample])
                },
            )
            for one in experiment.configurations
        ]

    def _records_of(self, configuration: Configuration, model: StudyModel | None) -> dict[Sample, Record]:
        choices = plain_text(configuration.choices())
        if configuration.method != "sam2":
            return self._found.get((choices, None), {})
        if model is None:
            return {}
        name = configuration.model or model.name
        size = configuration.image_size or model.image_size
        fitting = [
            (found.image_size != size, -len(records), found, records)
            for (text, found), records in self._found.items()
            if text == choices and found is not None and found.name == name
        ]
        if name == model.name:
            fitting = [one for one in fitting if not one[0] and one[2].sha256 == model.sha256]
        # A row of another model than the run's has the size of the run, else that model's own.
        return min(fitting, key=lambda one: one[:3])[3] if fitting else {}


def experiments_of(results: StudyResults, model: StudyModel | None) -> list[Experiment]:
    """Return the experiments that were run with a model, in their usual order.

    Experiments share rows, so a few filled rows do not make one: more than half of those that need no other model do.
    """
    found = []
    for name in EXPERIMENTS:
        experiment = find_experiment(name, model.name if model else "small")
        rows = results.rows(experiment, model)
        filled = [row for row in rows if row.records]
        others = [
            row for row in rows if not row.records and row.configuration.model not in (None, model and model.name)
        ]
        # A single row, model scale's, is the baseline of all; its records bear the name of the row that asked first.
        named = any(one["configuration"] == row.name for row in filled for one in row.records.values())
        if 2 * len(filled) > len(rows) - len(others) and (len(filled) > 1 or named):
            found.append(experiment)
    return found


def read_folders(paths: Sequence[Path]) -> StudyResults:
    """Read results folders and join what they hold.

    Args:
        paths: the folders.

    Raises:
        InputError: no folder; a file is missing, damaged, of another format, or a result is of a structure that the
            split does not have.
    """
    if not paths:
        raise InputError("Name at least one results folder.")
    return StudyResults(_read(Path(path)) for path in paths)


def _read(path: Path) -> ResultsFolder:
    from SAM2VolumeSegLib.model.download import sha256_of

    finished, failed = read_results(path)
    split = read_split(path / SPLIT)
    order = {(one.case, one.name): number for number, one in enumerate(split.structures)}

    def place(record: Record | FailedRecord) -> tuple:
        return order.get((record["case"], record["structure"]), len(order)), record["key"]

    return ResultsFolder(
        path.resolve().name,
        split,
        sha256_of(path / SPLIT),
        tuple(sorted(finished.values(), key=place)),  # workers finish in any order, and the report has one
        tuple(sorted(failed.values(), key=place)),
    )
