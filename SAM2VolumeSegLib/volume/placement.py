"""Putting masks from a cropped or extended piece of the CT's lattice onto the CT's own grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume.volume import GRID_TOLERANCE_VOXELS, Volume, grid_distance


@dataclass(frozen=True)
class Placement:
    """Where a grid of ``shape`` [k, j, i] lies on a volume: its first voxel is the volume's ``offset`` [k, j, i]."""

    shape: tuple[int, int, int]
    offset: tuple[int, int, int]
    volume_shape: tuple[int, int, int]

    @classmethod
    def of(cls, shape: tuple[int, int, int], ijk_to_ras: np.ndarray, volume: Volume, name: str) -> Placement:
        """Find where the grid called ``name`` lies on ``volume``.

        Raises:
            InputError: it is not a piece of the volume's lattice; says what differs.
        """
        origin = np.linalg.solve(volume.ijk_to_ras, ijk_to_ras[:, 3])[:3]
        offset = np.rint(origin)
        moved = volume.ijk_to_ras.copy()
        moved[:3, 3] = (volume.ijk_to_ras @ [*offset, 1.0])[:3]
        if grid_distance(moved, ijk_to_ras, shape) > GRID_TOLERANCE_VOXELS:
            raise InputError(
                f'The grid of the seeds "{name}" is not the grid of "{volume.name}": '
                f"{_differences(shape, ijk_to_ras, volume)}. Choose that CT as the source volume of the segmentation "
                "in 3D Slicer (or resample the labels to it) and save it again."
            )
        return cls(tuple(shape), tuple(int(n) for n in offset[::-1]), volume.voxels.shape)

    def put(self, mask: np.ndarray, name: str) -> np.ndarray:
        """Return the boolean mask of segment ``name`` on the volume's grid; a mask without voxels may have any shape.

        Raises:
            InputError: voxels are painted outside the volume.
        """
        if mask.shape == self.volume_shape and not any(self.offset):
            return mask
        result = np.zeros(self.volume_shape, dtype=bool)
        if not mask.any():
            return result
        source, target = [], []
        for count, offset, total in zip(self.shape, self.offset, self.volume_shape, strict=True):
            first, last = max(0, offset), max(0, min(total, offset + count))
            target.append(slice(first, last))
            source.append(slice(first - offset, max(first, last) - offset))
        result[tuple(target)] = mask[tuple(source)]
        if outside := np.count_nonzero(mask) - np.count_nonzero(result):
            raise InputError(
                f'Segment "{name}" has {outside} painted voxels outside the CT. '
                "Erase them, or choose the CT that the segment was painted on."
            )
        return result


def _differences(shape: tuple[int, int, int], ijk_to_ras: np.ndarray, volume: Volume) -> str:
    """Say in words how two grids differ: spacing, direction, origin, size."""
    theirs, ours = np.asarray(ijk_to_ras), volume.ijk_to_ras
    their_mm, our_mm = (np.linalg.norm(m[:3, :3], axis=0) for m in (theirs, ours))
    words = []
    if not np.allclose(their_mm, our_mm, rtol=1e-3):
        words.append(f"spacing {_numbers(their_mm)} mm instead of {_numbers(our_mm)} mm")
    cosines = np.sum(theirs[:3, :3] / their_mm * ours[:3, :3] / our_mm, axis=0)
    if (angle := float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).max())) > 0.05:
        words.append(f"direction turned by up to {angle:.1f} degrees")
    if (shift := float(np.linalg.norm(theirs[:3, 3] - ours[:3, 3]))) > 1e-3:
        words.append(f"origin {shift:.2f} mm apart")
    if tuple(shape) != volume.voxels.shape:
        words.append(
            f"size {' x '.join(map(str, shape[::-1]))} instead of {' x '.join(map(str, volume.voxels.shape[::-1]))}"
        )
    return ", ".join(words) or "voxels drift apart"


def _numbers(values: np.ndarray) -> str:
    return " x ".join(f"{value:.4g}" for value in values)
