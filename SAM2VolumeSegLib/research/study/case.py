"""The files of a CT from which structures were drawn: checked, and read once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.digest import digest_of
from SAM2VolumeSegLib.research.data.structure import Structure
from SAM2VolumeSegLib.volume import BoxMask, Segment, Volume, read_seeds, read_volume


class CaseFiles:
    """CT and references as `Structure.load` gives them, from files that are what they were when the split was drawn.

    All that is read stays: the references of a CT's structures in their boxes are small.

    Args:
        data: the folder that the files are below.
    """

    def __init__(self, data: Path):
        self._data = data
        self._volumes: dict[str, Volume] = {}
        self._segments: dict[str, Mapping[str, Segment]] = {}
        self._references: dict[Structure, BoxMask] = {}
        self._counted: tuple[Structure, ...] = ()
        self._held = np.zeros((0, 0, 0), dtype=np.uint16)

    def load(self, structure: Structure) -> tuple[Volume, np.ndarray]:
        """Return the CT, and the reference of one of its structures, bool [k, j, i].

        Raises:
            InputError: a file is missing, has changed or cannot be read. Its sentence names no folder: results and
                reports may be published.
        """
        try:
            if structure not in self._references:
                self._references[structure] = BoxMask.of(self._read(structure))
        except InputError as error:
            raise InputError(str(error).replace(f"{self._data}{os.sep}", "")) from error
        return self._volumes[structure.ct], self._references[structure].whole()

    def neighbours(self, structure: Structure, drawn: Sequence[Structure]) -> np.ndarray | None:
        """Return what the other structures that were drawn from a CT hold, bool [k, j, i]; None where there is none.

        Args:
            structure: one of them.
            drawn: all of them.

        Raises:
            InputError: as `load`.
        """
        if all(one == structure for one in drawn):
            return None
        if tuple(drawn) != self._counted:
            held = np.zeros(self.load(structure)[0].voxels.shape, dtype=np.uint16)  # by how many, for every row
            for one in drawn:
                held += self.load(one)[1]
            self._counted, self._held = tuple(drawn), held
        return self._held > self.load(structure)[1]

    def _read(self, structure: Structure) -> np.ndarray:
        if structure.ct not in self._volumes:
            self._check(structure, structure.ct, structure.ct_sha256)
            self._volumes[structure.ct] = read_volume(self._data / structure.ct)
        if structure.mask not in self._segments:
            self._check(structure, structure.mask, structure.mask_sha256)
            self._segments[structure.mask] = read_seeds(self._data / structure.mask, self._volumes[structure.ct])
        return structure.reference_in(self._segments[structure.mask], self._data)

    def _check(self, structure: Structure, name: str, expected: str) -> None:
        if not (self._data / name).exists():
            raise InputError(f'The file "{name}" of {structure} is missing in the data folder: copy it there again.')
        if digest_of(self._data / name) != expected:
            raise InputError(
                f'The file "{name}" of {structure} has changed since the split was drawn: put the old one back, or '
                "draw another split in a new results folder."
            )
