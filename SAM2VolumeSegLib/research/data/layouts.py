"""What is in a data folder: the structures that could be drawn, found by their files' names, without reading voxels."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.bones import bone_of
from SAM2VolumeSegLib.research.data.class_table import ClassTable, read_class_table
from SAM2VolumeSegLib.research.data.structure import Candidate

TPTBOX = "tptbox"
CLASSES = "classes.json"
"""A class table of this name in a data folder is its own."""
_CT, _MASKS, _MASK_ENDING = "ct.nii.gz", "segmentations", ".nii.gz"
# What one version of TotalSegmentator's data set has and the other has not; the first that is found decides.
_ONLY_IN = {
    "v2": {"vertebrae_S1", "sternum", "skull", "costal_cartilages", "thyroid_gland", "spinal_cord", "prostate"},
    "v1": {"face", "heart_myocardium", "heart_ventricle_left", "pulmonary_artery"},
}


@dataclass(frozen=True)
class LeftOut:
    """What cannot be used, and why.

    Attributes:
        case: name of the CT.
        structure: name of the bone; empty where the whole case is meant.
        reason: in words.
    """

    case: str
    structure: str
    reason: str


@dataclass(frozen=True)
class DataSet:
    """What a data folder holds.

    Attributes:
        folder: the data folder.
        description: "TotalSegmentator v2", or what its class table says.
        candidates: by case, then by the name of the file or the order of the table.
        known: of each label volume, the values that its table knows.
        left_out: cases that lack files.
    """

    folder: Path
    description: str
    candidates: tuple[Candidate, ...]
    known: Mapping[str, frozenset[int]]
    left_out: tuple[LeftOut, ...]


def data_folder(data: str | Path) -> Path:
    """Return the data folder.

    Args:
        data: its path; "tptbox" stands for the one of the package tptbox, unless there is a folder of that name.

    Raises:
        InputError: there is no such folder or package.
    """
    folder = Path(data)
    if folder.is_dir():
        return folder
    if str(data) == TPTBOX:
        spec = importlib.util.find_spec("TPTBox")
        if spec is None:
            raise InputError(
                "This CT comes with the package tptbox. Install it with: pip install --no-deps tptbox==1.1.0"
            )
        return Path(spec.origin).parent / "tests" / "sample_ct"
    if folder.exists():
        raise InputError(f'"{folder}" is a file. Give the folder of the data set.')
    raise InputError(f'There is no folder "{folder}". Check the path of the data set.')


def open_data(data: str | Path, classes: str | Path | None = None) -> DataSet:
    """Find the candidates in a data folder.

    Args:
        data: a copy of TotalSegmentator's data set (version 1 or 2: sNNNN/ct.nii.gz, sNNNN/segmentations/*.nii.gz), a
            folder of CTs and label volumes, or "tptbox".
        classes: the class table of label volumes: a .json file, or the name of a packaged one. None: the folder's own
            classes.json, else the layout of TotalSegmentator.

    Raises:
        InputError: no such folder, another layout (what was found and what is expected is said), a broken class table,
            or no case that has its files.
    """
    folder = data_folder(data)
    if classes is None and (folder / CLASSES).is_file():
        classes = folder / CLASSES
    elif classes is None and str(data) == TPTBOX:
        classes = TPTBOX
    if classes is not None:
        return _labelled(folder, read_class_table(classes), str(classes))
    return _totalsegmentator(folder)


# --------------------------------------------------------------------------------------------------- TotalSegmentator


def _totalsegmentator(folder: Path) -> DataSet:
    candidates, left_out, names = [], [], set()
    cases = _totalsegmentator_cases(folder)
    if not cases:
        raise InputError(
            f'"{folder}" is not laid out as a data set of the study: it has {_content(folder)}. Expected are folders '
            f"s0000/{_CT} and s0000/{_MASKS}/*{_MASK_ENDING} as in TotalSegmentator's data set, or a class table: "
            f"{CLASSES} in the folder, or given with --classes.{_hint(folder)}"
        )
    for case in cases:
        masks = _masks(folder / case / _MASKS)
        names.update(masks)
        bones = {name: bone for name in masks if (bone := bone_of(name))}
        if not (folder / case / _CT).is_file():
            left_out.append(LeftOut(case, "", f"there is no file {case}/{_CT}"))
        elif not bones:
            left_out.append(LeftOut(case, "", f"there is no mask of a bone in {case}/{_MASKS}"))
        else:
            candidates += [
                Candidate(case, name, bone, f"{case}/{_CT}", f"{case}/{_MASKS}/{name}{_MASK_ENDING}", None)
                for name, bone in bones.items()
            ]
    if not candidates:
        raise InputError(f'No case in "{folder}" can be used: {_some(left_out)}. Copy the data set again.')
    versions = [version for version, only in _ONLY_IN.items() if only & names]
    description = f"TotalSegmentator {versions[0]}" if versions else "TotalSegmentator, version unknown"
    return DataSet(folder, description, tuple(candidates), {}, tuple(left_out))


def _totalsegmentator_cases(folder: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(folder) if re.fullmatch(r"s\d{4,}", entry.name) and entry.is_dir())


def _masks(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    names = (entry.name for entry in os.scandir(folder))
    return sorted(name.removesuffix(_MASK_ENDING) for name in names if name.endswith(_MASK_ENDING))


def _content(folder: Path) -> str:
    names = sorted(entry.name + "/" * entry.is_dir() for entry in os.scandir(folder))
    if not names:
        return "nothing in it"
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _hint(folder: Path) -> str:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir() and _totalsegmentator_cases(Path(entry.path)):
            return f' Its folder "{entry.name}" looks like one: give that.'
    if re.fullmatch(r"s\d{4,}", folder.resolve().name) and (folder / _CT).is_file():
        return " This is a single case: give the folder above it."
    return ""


# ------------------------------------------------------------------------------------------------ CT and label volume


def _labelled(folder: Path, table: ClassTable, name: str) -> DataSet:
    candidates, left_out, known = [], [], {}
    for case in table.cases(folder):
        ct, labels = folder / case.ct, folder / case.labels
        if not ct.exists() or not labels.is_file():
            missing = case.labels if ct.exists() else case.ct
            left_out.append(LeftOut(case.case, "", f"there is no file {missing}"))
            continue
        known[case.labels] = frozenset(case.classes)
        candidates += [
            Candidate(case.case, structure.name, structure.bone, case.ct, case.labels, value)
            for value, structure in case.studied.items()
        ]
    if not candidates:
        expected = ", ".join(entry.ct for entry in table.entries)
        why = f" Its cases lack files: {_some(left_out)}." if left_out else ""
        raise InputError(
            f'No case of the class table "{name}" is in "{folder}", which has {_content(folder)}; expected are '
            f"{expected}, each with its label volume.{why} Give the folder that the table was written for."
        )
    return DataSet(folder, table.data, tuple(candidates), known, tuple(left_out))


def _some(left_out: list[LeftOut]) -> str:
    more = f", and {len(left_out) - 3} more" if len(left_out) > 3 else ""
    return "; ".join(f"{one.case}: {one.reason}" for one in left_out[:3]) + more
