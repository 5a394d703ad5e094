"""One sample of the study: a bone in a CT, with its reference. The paper calls it a volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume import Segment, Volume, read_seeds, read_volume

MORE_THAN_SLICES = 6
"""Only structures on more than six axial slices are used (arXiv:2603.23116, appendix B-A)."""


@dataclass(frozen=True)
class Candidate:
    """A structure that may be drawn, before its files were looked at.

    Attributes:
        case: name of the CT ("s0011").
        name: of the structure ("vertebrae_L3").
        bone: its class, one of the ten of the paper's Table III or another.
        ct: file below the data folder, or folder of a DICOM series, with "/" between folders.
        mask: file below the data folder, in the same way.
        label: the value of the structure in a label volume; None where the mask file holds it alone.
    """

    case: str
    name: str
    bone: str
    ct: str
    mask: str
    label: int | None


@dataclass(frozen=True)
class Structure(Candidate):
    """A structure that was drawn.

    Attributes:
        ct_sha256: of its CT when it was drawn (`digest_of`), hexadecimal.
        mask_sha256: of its mask.
    """

    ct_sha256: str
    mask_sha256: str

    def __str__(self) -> str:
        return f"{self.case} {self.name}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold; ``Structure(**values)`` reads them."""
        return asdict(self)

    def load(self, data: Path) -> tuple[Volume, np.ndarray]:
        """Return the CT, and the reference as a bool mask [k, j, i] on its grid.

        Args:
            data: the data folder.

        Raises:
            InputError: a file is missing, unreadable or on another grid, or the structure is not in it.
        """
        volume = read_volume(data / self.ct)
        return volume, self.reference_in(read_seeds(data / self.mask, volume), data)

    def reference_in(self, segments: Mapping[str, Segment], data: Path) -> np.ndarray:
        """Return the reference, bool [k, j, i], from what its file holds.

        Args:
            segments: as `read_seeds` gives them.
            data: the data folder, for the sentence of the error.

        Raises:
            InputError: the structure is not in it.
        """
        if self.label is None:
            return np.any([segment.mask for segment in segments.values()], axis=0)
        if f"label {self.label}" not in segments:
            raise InputError(f'"{data / self.mask}" has no voxel with the label {self.label} ({self.name}).')
        return segments[f"label {self.label}"].mask
