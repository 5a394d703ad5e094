"""The balanced draw of structures, and the file that keeps it (arXiv:2603.23116, section II-B and appendix B-A)."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.bones import in_order
from SAM2VolumeSegLib.research.data.digest import digest_of
from SAM2VolumeSegLib.research.data.layouts import DataSet, LeftOut
from SAM2VolumeSegLib.research.data.structure import MORE_THAN_SLICES, Candidate, Structure
from SAM2VolumeSegLib.research.study.shape import fits, is_count, is_text, is_whole
from SAM2VolumeSegLib.volume import Plane, Volume, read_volume
from SAM2VolumeSegLib.volume.placement import Placement
from SAM2VolumeSegLib.volume.read import MAX_LABELS
from SAM2VolumeSegLib.volume.target import write_text
from SAM2VolumeSegLib.volume.text import size_text
from SAM2VolumeSegLib.volume.volume import grid_distance

FORMAT = 1
SPLIT = "split.json"
PER_CLASS = 250
"""Structures of each class: 2,500 in the paper's final evaluation. The first 500 are its ablations' 50 of each."""


@dataclass(frozen=True)
class Drawing:
    """How far a draw is.

    Attributes:
        drawn: structures.
        total: structures aimed at.
        looked_at: candidates.
        candidate: the last of them.
    """

    drawn: int
    total: int
    looked_at: int
    candidate: Candidate


@dataclass(frozen=True)
class Split:
    """The structures of a study, in the order in which they are to be run.

    Attributes:
        data: what was drawn from, as ``DataSet.description``.
        seed: of the draw.
        per_class: structures aimed at.
        structures: one of each class in turn, as long as a class has any.
        left_out: what could not be used.
        absent: candidates that are not in their CT at all (TotalSegmentator has an empty mask for each).
    """

    data: str
    seed: int
    per_class: int
    structures: tuple[Structure, ...]
    left_out: tuple[LeftOut, ...] = field(default=())
    absent: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Structures by class."""
        return counts(self.structures)

    def first(self, count: int | None) -> tuple[Structure, ...]:
        """Return the first structures.

        Args:
            count: how many; None: all.

        Raises:
            InputError: the count is below one.
        """
        if count is not None and count < 1:
            raise InputError(f"{count} cases are none: give at least 1, or leave the number away for all.")
        return self.structures[:count]

    def reasons(self) -> list[str]:
        """Say in lines why structures were left out, equal reasons together with their number."""
        number = Counter(one.reason for one in self.left_out)
        example = {one.reason: f"{one.case} {one.structure}".strip() for one in reversed(self.left_out)}
        return [
            f"{example[reason]}: {reason}" if count == 1 else f"{count} such as {example[reason]}: {reason}"
            for reason, count in number.items()
        ]


def counts(structures: Iterable[Structure]) -> dict[str, int]:
    """Return the number of structures of each class, the paper's classes first."""
    number = Counter(structure.bone for structure in structures)
    return {bone: number[bone] for bone in in_order(number)}


# --------------------------------------------------------------------------------------------------------- drawing


def draw(data: DataSet, per_class: int = PER_CLASS, seed: int = 0) -> Generator[Drawing, None, Split]:
    """Draw up to `per_class` structures of each class, one class after the other, at random within a class.

    The order within a class is that of a hash of seed, case and name: the same on every machine, whatever else the
    folder holds, so a split is the beginning of every larger one with its seed. A candidate's files are read when its
    turn comes. One that is too small, missing, damaged or on another grid is left out and the next one takes its place.

    Args:
        data: what there is.
        per_class: structures of each class at most.
        seed: of the order.

    Yields:
        Progress after every candidate.

    Returns:
        The split.

    Raises:
        InputError: `per_class` is below one; no structure is left (the reasons are said).
    """
    if per_class < 1:
        raise InputError(f"{per_class} structures per class are none: give at least 1.")
    files = _Files(data)
    waiting = {
        bone: deque(sorted((one for one in data.candidates if one.bone == bone), key=lambda one: _rank(seed, one)))
        for bone in in_order(one.bone for one in data.candidates)
    }
    drawn: Counter[str] = Counter()
    structures: list[Structure] = []
    left_out, looked_at, absent = list(data.left_out), 0, 0
    while waiting:
        for bone, candidates in list(waiting.items()):
            structure = None
            while candidates and structure is None:
                candidate = candidates.popleft()
                try:
                    structure = files.structure(candidate)
                    absent += structure is None
                except InputError as error:
                    left_out.append(LeftOut(candidate.case, candidate.name, _without(data.folder, str(error))))
                looked_at += 1
                if structure:
                    structures.append(structure)
                    drawn[bone] += 1
                to_come = sum(min(per_class - drawn[one], len(queue)) for one, queue in waiting.items())
                yield Drawing(len(structures), len(structures) + to_come, looked_at, candidate)
            if not candidates or drawn[bone] == per_class:
                del waiting[bone]
    left_out += files.unknown()
    split = Split(data.description, seed, per_class, tuple(structures), tuple(left_out), absent)
    if not structures:
        why = "; ".join(split.reasons()[:5]) or f"{absent} were looked at, and none is in its CT"
        raise InputError(f'No structure is left in "{data.folder}" ({why}). Correct them, or give another folder.')
    return split


def _rank(seed: int, candidate: Candidate) -> bytes:
    return hashlib.sha256(json.dumps([seed, candidate.case, candidate.name]).encode()).digest()


def _without(folder: Path, message: str) -> str:
    """Name files as the split does: it may be published, and says nothing about where the data lie."""
    return message.replace(f'"{folder}{os.sep}', '"').rstrip(".")


@dataclass(frozen=True, eq=False)
class _Mask:
    """What is kept of a mask file: its empty volume's geometry, axial slices by value, and on how many is anything."""

    grid: Volume
    slices_of: Counter[int]
    slices: int
    sha256: str


class _Files:
    """Looks at CTs and label volumes once each, and keeps what a draw needs to know of them instead of their voxels."""

    def __init__(self, data: DataSet):
        self.data = data
        self._cts: dict[str, tuple[Volume, str] | InputError] = {}
        self._labels: dict[str, _Mask | InputError] = {}

    def structure(self, candidate: Candidate) -> Structure | None:
        """Return the structure, None when it is not in its CT.

        Raises:
            InputError: it cannot be used.
        """
        if candidate.label is None:  # a file of its own, needed once
            mask = self._mask(candidate.mask)
            slices = mask.slices
        else:
            mask = _remembered(self._labels, candidate.mask, self._mask)
            slices = mask.slices_of[candidate.label]
        if not slices:
            return None
        if slices <= MORE_THAN_SLICES:
            raise InputError(f"on {slices} axial slices, and more than {MORE_THAN_SLICES} are needed")
        grid, ct_sha256 = _remembered(self._cts, candidate.ct, self._ct)
        if (difference := _difference(grid, mask.grid)) is not None:
            raise InputError(f"CT and labels are on different grids: {difference}")
        return Structure(**asdict(candidate), ct_sha256=ct_sha256, mask_sha256=mask.sha256)

    def unknown(self) -> Iterator[LeftOut]:
        """Give the label values that a class table lacks, and the entries of tables that no label volume has.

        Only label volumes that were looked at count; an entry is reported when all of its were.
        """
        case_of = {one.mask: one.case for one in self.data.candidates}
        read = {file: mask.slices_of for file, mask in self._labels.items() if isinstance(mask, _Mask)}
        for file, values in sorted(read.items()):
            for value in sorted(set(values) - self.data.known[file]):
                yield LeftOut(case_of[file], f"label {value}", "the class table does not know this value")
        masks_of: dict[tuple[int, str], list[str]] = {}
        for one in self.data.candidates:
            if one.label is not None:
                masks_of.setdefault((one.label, one.name), []).append(one.mask)
        for (value, name), masks in masks_of.items():
            if all(mask in read and not read[mask][value] for mask in masks):
                yield LeftOut("all", name, f"no label volume has the value {value} of the class table")

    def _ct(self, file: str) -> tuple[Volume, str]:
        sha256 = self._sha256(file)
        return _grid(read_volume(self.data.folder / file)), sha256

    def _mask(self, file: str) -> _Mask:
        sha256 = self._sha256(file)
        volume = read_volume(self.data.folder / file)
        view = volume.view(Plane.AXIAL)
        slices_of: Counter[int] = Counter()
        slices = 0
        for index in range(view.count):
            values = np.unique(view.slice(volume.voxels, index))
            values = values[values != 0]
            if (values < 0).any() or (values % 1).any():
                raise InputError(f'"{file}" is not a label image: labels are whole numbers above zero')
            slices_of.update(int(value) for value in values)
            slices += len(values) > 0
        if len(slices_of) > MAX_LABELS:
            raise InputError(f'"{file}" has {len(slices_of)} labels, and at most {MAX_LABELS} can be read')
        return _Mask(_grid(volume), slices_of, slices, sha256)

    def _sha256(self, file: str) -> str:
        """Return the SHA-256 of a file, or of a CT's folder."""
        try:
            return digest_of(self.data.folder / file)
        except OSError as error:
            raise InputError(f'"{file}" cannot be read ({error.strerror}).') from error


def _remembered(memory: dict, file: str, look):
    """Look at a file once; an InputError is remembered as well, and raised again."""
    if file not in memory:
        try:
            memory[file] = look(file)
        except InputError as error:
            memory[file] = error
    if isinstance(memory[file], InputError):
        raise memory[file]
    return memory[file]


def _grid(volume: Volume) -> Volume:
    """The same grid without its voxels: one zero stands for them all."""
    return Volume(np.broadcast_to(np.int16(0), volume.voxels.shape), volume.ijk_to_ras, volume.name)


def _difference(ct: Volume, labels: Volume) -> str | None:
    """Say how labels lie off the CT's voxels; None where all are on them, stored in whatever order, or cropped."""
    with suppress(InputError):
        placed = Placement.of(labels.voxels.shape, labels.ijk_to_ras, ct, labels.name)
        ends = (first + count for first, count in zip(placed.offset, placed.shape, strict=True))
        if min(placed.offset) >= 0 and all(end <= count for end, count in zip(ends, ct.voxels.shape, strict=True)):
            return None
    ours, theirs = (size_text(one.voxels.shape[::-1]) for one in (ct, labels))
    if ours != theirs:
        return f"{ours} and {theirs} voxels"
    apart = grid_distance(ct.ijk_to_ras, labels.ijk_to_ras, ct.voxels.shape)
    return f"corners are up to {apart:.1f} voxels apart"


# ------------------------------------------------------------------------------------------------------ split files


def drawn_once(
    results: Path, data: DataSet, per_class: int | None = None, seed: int | None = None
) -> Generator[Drawing, None, Split]:
    """Return the split of a results folder; draw and write it where there is none. It is never drawn again.

    Args:
        results: the folder.
        data: what there is.
        per_class: structures of each class at most; None takes that of the split that is there, else 250.
        seed: of the order; None takes that of the split that is there, else 0.

    Yields:
        Progress of a draw.

    Returns:
        The split.

    Raises:
        InputError: the split was drawn from other data or with other arguments; it is unreadable; as `draw`.
    """
    path = results / SPLIT
    if path.exists():
        split = read_split(path)
        asked = (data.description, split.per_class if per_class is None else per_class)
        asked += (split.seed if seed is None else seed,)
        if asked != (split.data, split.per_class, split.seed):
            raise InputError(
                f'"{path}" was drawn from {split.data} with {split.per_class} per class and seed {split.seed}, not '
                f"from {asked[0]} with {asked[1]} and seed {asked[2]}. A split is never drawn again: give the same, or "
                "another folder for the results."
            )
        return split
    split = yield from draw(data, PER_CLASS if per_class is None else per_class, seed or 0)
    write_split(path, split)
    return split


def write_split(path: Path, split: Split) -> None:
    """Write a split file, whole or not at all, in a folder that is made when it is missing.

    Args:
        path: of the file.
        split: what was drawn.

    Raises:
        InputError: the file exists already, or cannot be written.
    """
    content = {
        "format": FORMAT,
        "data": split.data,
        "seed": split.seed,
        "per_class": split.per_class,
        "counts": split.counts,
        "absent": split.absent,
        "left_out": [asdict(one) for one in split.left_out],
        "structures": [structure.to_dict() for structure in split.structures],
    }
    if path.exists():
        raise InputError(f'"{path}" exists already, and a split is never drawn again. Choose another folder.')
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False))


def read_split(path: Path) -> Split:
    """Read a split file.

    Args:
        path: of the file.

    Raises:
        InputError: it is missing, unreadable or damaged, or of another format.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f'There is no split file "{path}". Draw one with: sam2-volume-seg study draw') from None
    except OSError as error:
        raise InputError(f'The split file "{path}" cannot be read ({error.strerror}).') from error
    except (ValueError, RecursionError):
        content = None
    found = content.get("format", 0) if isinstance(content, dict) else None
    if isinstance(found, int) and found != FORMAT:
        age = "an older" if found < FORMAT else "a newer"
        raise InputError(
            f'"{path}" is a file of {age} format ({found}, and this version reads {FORMAT}). Use the version of '
            "SAM2VolumeSeg that wrote it, or another folder for the results."
        )
    damaged = InputError(f'The split file "{path}" is damaged: it is not as it was written. Restore it.')
    if not fits(content, _CONTENT) or not content["structures"]:
        raise damaged
    structures, left_out = content["structures"], content["left_out"]
    if not all(fits(one, _STRUCTURE) for one in structures) or not all(fits(one, _LEFT_OUT) for one in left_out):
        raise damaged
    try:
        return Split(
            content["data"],
            content["seed"],
            content["per_class"],
            tuple(Structure(**one) for one in structures),
            tuple(LeftOut(**one) for one in left_out),
            content["absent"],
        )
    except TypeError:  # names that a structure does not have
        raise damaged from None


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


_CONTENT = {
    "data": is_text,
    "seed": is_whole,
    "per_class": is_count,
    "absent": is_count,
    "structures": _is_list,
    "left_out": _is_list,
}
_STRUCTURE = dict.fromkeys(("case", "name", "bone", "ct", "mask", "ct_sha256", "mask_sha256"), is_text)
_STRUCTURE["label"] = (is_whole, None)
_LEFT_OUT = dict.fromkeys(("case", "structure", "reason"), is_text)
