"""What a study keeps of each task, and whether a line that was read is that."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypedDict

from SAM2VolumeSegLib.research.data.structure import Structure
from SAM2VolumeSegLib.research.measures.metrics import METRICS, Metric
from SAM2VolumeSegLib.research.measures.reviewed import BINS, Reviewed
from SAM2VolumeSegLib.research.study.shape import fits, is_count, is_number, is_plain, is_share, is_text


class RecordHead(TypedDict):
    """Which task it was.

    Attributes:
        key: of the task, see `configuration.task_key`.
        case: name of the CT.
        structure: name of the bone.
        bone: its class.
        configuration: name of the row that asked first; others with the same choices share the record.
    """

    key: str
    case: str
    structure: str
    bone: str
    configuration: str


class FailedRecord(RecordHead):
    """A task that failed.

    Attributes:
        error: why, in a sentence.
    """

    error: str


class ModelFacts(TypedDict):
    """The model as it was run, as a result's provenance states it.

    Attributes:
        name: of the known model.
        image_size: side of its input in pixels.
        sha256: of the checkpoint, hexadecimal.
        device: as PyTorch names it.
        precision: as PyTorch names it.
    """

    name: str
    image_size: int
    sha256: str
    device: str
    precision: str


class Record(RecordHead, total=False):
    """A finished task. Beside these it has a figure for every metric of `METRICS` by its name, see `figure`.

    Attributes:
        choices: all that decides the result, see `Configuration.choices`.
        model: None for a method without one.
        reference_ml: volume of the reference.
        seeds: prompted slices.
        slices: slices propagated, over axes, directions and passes.
        encoded: slices that this task had to encode; the others were in the cache.
        seconds: by component, and "total".
        track_ms: minimum, quartiles and maximum of tracking one slice; None where none was tracked.
        reviewed: what a review said of the result, and how it was (`measures.reviewed.Reviewed`); where it was asked.
        program: name and version.
        code: digest of the code that decided the result, see `code.code_digest`; older records have none.
        commit: of the checkout, None outside of one.
        date: UTC, as ISO 8601 has it.
    """

    choices: dict[str, Any]
    model: ModelFacts | None
    reference_ml: float
    seeds: int
    slices: int
    encoded: int
    seconds: dict[str, float]
    track_ms: list[float] | None
    reviewed: Reviewed
    program: str
    code: str
    commit: str | None
    date: str


def record_head(key: str, structure: Structure, configuration: str) -> RecordHead:
    """Return the beginning of a record.

    Args:
        key: of the task.
        structure: that was to be segmented.
        configuration: name of the row.
    """
    return {
        "key": key,
        "case": structure.case,
        "structure": structure.name,
        "bone": structure.bone,
        "configuration": configuration,
    }


def figure(record: Record, metric: str) -> float | None:
    """Return a figure by the name of its metric; None where it is not defined, or the record is older than it."""
    return record.get(metric)


def identity(record: Record) -> tuple:
    """Return what was asked for: equal for two results that only the version of the code tells apart."""
    model = record["model"]
    return (
        *(record[name] for name in ("case", "structure")),
        plain_text(record["choices"]),
        model and (model["sha256"], model["image_size"]),
    )


def newest(records: Iterable[Record]) -> list[Record]:
    """Return the last result of each question: a folder may hold those of older code as well."""
    found: dict[tuple, Record] = {}
    for record in records:
        before = found.setdefault(identity(record), record)
        if before["date"] < record["date"]:
            found[identity(record)] = record
    return list(found.values())


def plain_text(choices: dict[str, Any]) -> str:
    """Return plain values as one text, whatever the order of their names."""
    return json.dumps(choices, sort_keys=True)


def is_record(value: Any) -> bool:
    """Whether a value read from JSON is a record, of a finished task or a failed one."""
    if not isinstance(value, dict):
        return False
    if "error" in value:
        return fits(value, _FAILED)
    known = {name: _shape(metric) for name, metric in METRICS.items() if metric.needed or name in value}
    known |= {"reviewed": _REVIEWED} if "reviewed" in value else {}
    return fits(value, tuple(shape | known for shape in _FINISHED))


def _shape(metric: Metric) -> Any:
    number = is_number if metric.unit else is_share
    return (number, None) if metric.can_be_undefined or not metric.needed else number


_HEAD = {"key": is_text, "case": is_text, "structure": is_text, "bone": is_text, "configuration": is_text}
_FAILED = _HEAD | {"error": is_text}
_MODEL = {"name": is_text, "image_size": is_count, "sha256": is_text, "device": is_text, "precision": is_text}
_BIN = [is_count, is_count, is_number]
_REVIEWED = {
    **dict.fromkeys(("expected", "lower", "upper"), is_share),
    **dict.fromkeys(("auc", "suspects", "slices", "slabs"), (is_share, None)),
    "reliability": [_BIN] * (len(BINS) - 1),
    "checked": is_count,
    "check_seconds": is_number,
}
_MEASURED = _HEAD | {
    "choices": {...: is_plain},
    "reference_ml": is_number,
    "seeds": is_count,
    "slices": is_count,
    "encoded": is_count,
    "track_ms": ([is_number] * 5, None),
    "program": is_text,
    "date": is_text,
}
_FINISHED = (
    _MEASURED | {"model": _MODEL, "seconds": {"total": is_number, "encode": is_number, ...: is_number}},
    _MEASURED | {"model": None, "seconds": {"total": is_number, ...: is_number}},
)
