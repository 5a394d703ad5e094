"""Synthetic CT volumes: bone-like solids with a known reference, made from signed distances.

They train the demonstration model and serve as phantoms in tests and tutorials. Nothing here comes from a real scan.
Lengths are in voxels; signed distances are negative inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.synthetic.shapes import OBJECTS, smooth_noise, warped_grid

KINDS = ("column", "solids", "tubes", "shells", "branches", "ribs")


@dataclass(frozen=True, eq=False)
class SyntheticVolume:
    """A CT and its reference.

    Attributes:
        voxels: HU, int16 [k, j, i].
        labels: uint8 [k, j, i]; 0 is background, every other value one object.
    """

    voxels: np.ndarray
    labels: np.ndarray


def make_volume(rng: np.random.Generator, size: int = 96, kind: str | None = None) -> SyntheticVolume:
    """Make a cube with several objects that may touch, branch, end or leave the volume.

    Args:
        rng: of every random number.
        size: voxels of a side.
        kind: one of KINDS; None: drawn at random (half of the volumes are columns of touching, vertebra-like objects).
    """
    kind = kind or rng.choice(KINDS, p=(0.5, 0.14, 0.08, 0.08, 0.12, 0.08))
    points = warped_grid(rng, size)
    distances = OBJECTS[kind](rng, points, size)
    labels, depth, _ = assemble(rng, distances)
    voxels = _intensities(rng, labels, depth, kind)
    return turned(rng, voxels, labels)


def touches_the_edge(mask: np.ndarray) -> bool:
    """Return whether a mask [k, j, i] reaches the end of an axis: the volume may cut the object off."""
    return any(mask.take((0, -1), axis=axis).any() for axis in range(3))


def turned(rng: np.random.Generator, voxels: np.ndarray, labels: np.ndarray) -> SyntheticVolume:
    """Return the volume in one of 48 orientations: a model must not learn which way the processes of a column point."""
    axes = rng.permutation(3)
    flips = tuple(int(axis) for axis in np.flatnonzero(rng.random(3) < 0.5))
    return SyntheticVolume(
        np.ascontiguousarray(np.flip(voxels.transpose(axes), flips)),
        np.ascontiguousarray(np.flip(labels.transpose(axes), flips)),
    )


def assemble(rng: np.random.Generator, distances: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give every voxel to the nearest object; leave a joint space of 0 to 2 voxels between neighbours.

    Args:
        rng: of every random number.
        distances: signed distance [k, j, i] of each object.

    Returns:
        Each [k, j, i]: labels uint8 (0 is background), the depth below the nearest surface in voxels (negative
        outside), and the width of the gap between the two nearest objects in voxels (infinite for a single object).
    """
    stack = np.stack(distances).astype(np.float32)
    nearest = stack.argmin(axis=0)
    if len(stack) > 1:
        two = np.partition(stack, 1, axis=0)[:2]
        joint = (two[1] - two[0]) / 2  # half the way to the neighbour
        distance, gap = np.maximum(two[0], rng.choice((0.0, 0.3, 0.8, 1.2)) - joint), two.sum(axis=0)
    else:
        distance, gap = stack[0], np.full_like(stack[0], np.inf)
    labels = np.where(distance < 0, nearest + 1, 0).astype(np.uint8)
    return labels, -distance, gap


def _intensities(rng: np.random.Generator, labels: np.ndarray, depth: np.ndarray, kind: str) -> np.ndarray:
    size = labels.shape[0]
    body = smooth_noise(rng, size, 6)
    voxels = np.where(body > rng.uniform(-0.5, 1.5), -90.0, 45.0) + 15 * smooth_noise(rng, size, 12)
    if rng.random() < 0.3:  # contrast-filled or dense soft tissue next to the bone
        voxels = np.where(smooth_noise(rng, size, 5) > 1.0, rng.uniform(100, 300), voxels)
    if rng.random() < 0.35:  # air: outside the body, lung, gas
        voxels = np.where(smooth_noise(rng, size, 4) > rng.uniform(0.5, 1.5), -950.0, voxels)
    inside = labels > 0
    # Marrow of old patients is no brighter than muscle: then only rim and texture tell bone from its surroundings.
    faint = rng.random() < 0.6
    level = rng.uniform(-20, 140) if faint else rng.uniform(100, 450)
    core = level + rng.uniform(10, 80) * smooth_noise(rng, size, 24)
    if kind == "tubes" and rng.random() < 0.5:
        core = core - rng.uniform(0, 250)
    rim = rng.uniform(250, 1200) if faint else rng.choice((0, 1), p=(0.15, 0.85)) * rng.uniform(0, 900)
    thickness = rng.uniform(0.8, 2.5)
    bone = core + rim * np.exp(-((depth.clip(0) / thickness) ** 2))
    contrast = 1.0 if faint or rng.random() < 0.7 else rng.uniform(0.3, 0.8)
    voxels = np.where(inside, voxels * (1 - contrast) + bone * contrast, voxels)
    voxels = ndimage.gaussian_filter(voxels, rng.uniform(0.3, 1.0))
    noise = rng.standard_normal(voxels.shape).astype(np.float32)
    if rng.random() < 0.5:
        noise = ndimage.gaussian_filter(noise, 0.7) * 3
    return (voxels + rng.uniform(3, 90) * noise).clip(-1024, 3071).astype(np.int16)
