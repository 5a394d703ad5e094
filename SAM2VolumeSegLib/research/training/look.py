"""What the scanner sees: HU for the shapes of a synthetic CT.

The steps of `paint`: soft tissue with air and table, discs between neighbours, bone with trabeculae and an uneven
cortex, contrast-filled vessels along the bone, metal with its streaks, the reconstruction kernel, and noise that has
the kernel's texture. Lengths are in voxels, depth is positive inside of an object.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.synthetic.shapes import capsule, smooth_noise

METAL, AIR = 3071.0, -1000.0


def paint(
    rng: np.random.Generator, labels: np.ndarray, depth: np.ndarray, gap: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """Return HU, int16 [k, j, i].

    Args:
        rng: of every random number.
        labels: [k, j, i].
        depth: inside of the objects [k, j, i], in voxels.
        gap: between neighbours [k, j, i], in voxels.
        points: coordinates (3, k, j, i) of `warped_grid`.
    """
    voxels = _tissue(rng, labels.shape[0])
    if rng.random() < 0.7:
        voxels = _with_discs(rng, voxels, gap)
    if rng.random() < 0.5:
        voxels = _with_vessels(rng, voxels, depth, points)
    voxels = _with_air(rng, voxels, points, depth)
    voxels = np.where(labels > 0, _bone(rng, voxels, depth), voxels)
    if rng.random() < 0.12:
        voxels = _with_metal(rng, voxels, labels, depth, points)
    in_plane = rng.uniform(0.3, 1.0)
    blur = (rng.uniform(0.2, 1.0), in_plane, in_plane)
    voxels = ndimage.gaussian_filter(voxels, blur)
    if rng.random() < 0.35:  # a sharp kernel overshoots at edges
        voxels += rng.uniform(0.2, 0.9) * (voxels - ndimage.gaussian_filter(voxels, 1.2))
    return (voxels + _noise(rng, labels.shape)).clip(-1024, 3071).astype(np.int16)


def _tissue(rng, size):
    """Muscle, fat between the muscles, and organs that are a little denser; all with sharp borders."""
    voxels = np.full((size, size, size), rng.uniform(30, 70), dtype=np.float32)
    organs = smooth_noise(rng, size, int(rng.integers(4, 9)))
    voxels[organs > rng.uniform(0.3, 1.5)] = rng.uniform(0, 140)
    fat = smooth_noise(rng, size, int(rng.integers(4, 14)))
    voxels[fat > rng.uniform(-0.5, 1.3)] = rng.uniform(-120, -70)
    return voxels + rng.uniform(3, 20) * smooth_noise(rng, size, 24)


def _with_discs(rng, voxels, gap):
    """Cartilage in the gap between neighbours: of the shape of the bones, and as bright as marrow, but not bone."""
    size = voxels.shape[0]
    disc = rng.uniform(40, 140) + rng.uniform(0, 15) * smooth_noise(rng, size, 24)
    return np.where(gap < size * rng.uniform(0.04, 0.14), disc, voxels)


def _with_air(rng, voxels, points, depth):
    """Gas and lung in the body; outside of it air, and sometimes the table."""
    size = voxels.shape[0]
    if rng.random() < 0.3:
        lung = (smooth_noise(rng, size, 4) > rng.uniform(0.4, 1.4)) & (depth < rng.uniform(-3, 0))
        voxels = np.where(lung, rng.uniform(AIR, -700), voxels)
    if rng.random() < 0.3:
        way = rng.uniform(0, 2 * np.pi)
        height = np.cos(way) * points[1] + np.sin(way) * points[2] + 0.003 * rng.uniform(0, 2) * points[1] * points[2]
        skin = size * rng.uniform(0.2, 0.5)
        outside = (height > skin) & (depth < -1)
        voxels = np.where(outside, AIR, voxels)
        if rng.random() < 0.4:
            table = np.abs(height - skin - rng.uniform(2, 8)) < rng.uniform(0.5, 2)
            voxels = np.where(outside & table, rng.uniform(-300, 300), voxels)
    return voxels


def _with_vessels(rng, voxels, depth, points):
    """Bright tubes that run along the bone, some touching it: the border that intensity alone cannot find."""
    near = np.argwhere((depth < 0) & (depth > -6))
    if not len(near):
        return voxels
    bright = rng.uniform(110, 450)
    for _ in range(int(rng.integers(1, 5))):
        start = _at(points, rng.choice(near))
        along = rng.standard_normal(3) * (2, 1, 1)
        along *= voxels.shape[0] * rng.uniform(0.1, 0.6) / np.linalg.norm(along)
        voxels = np.where(capsule(points, start - along, start + along, rng.uniform(1, 6)) < 0, bright, voxels)
    return voxels


def _at(points, voxel):
    """Coordinates of a voxel (k, j, i)."""
    return points[(slice(None), *voxel)]


def _bone(rng, tissue, depth):
    """Trabecular bone, in the old no denser than muscle, inside of a cortex that is thin and in places missing."""
    size = depth.shape[0]
    core = rng.uniform(-40, 160) if rng.random() < 0.6 else rng.uniform(100, 450)
    core = core + rng.uniform(5, 60) * smooth_noise(rng, size, 20) + rng.uniform(0, 50) * smooth_noise(rng, size, 48)
    uneven = smooth_noise(rng, size, int(rng.integers(6, 16)))
    thickness = rng.uniform(0.5, 1.6) * np.exp(rng.uniform(0, 0.5) * uneven)
    rim = rng.uniform(250, 1300) * (1 + rng.uniform(0, 0.4) * uneven).clip(0.1)
    bone = core + (rim - np.minimum(core, 0)) * np.exp(-((depth.clip(0) / thickness) ** 2))
    if rng.random() < 0.12:  # not bone but an organ: no rim, little contrast
        bone = core + rng.uniform(20, 150)
    elif rng.random() < 0.12:  # poor contrast everywhere
        bone = tissue + rng.uniform(0.3, 0.8) * (bone - tissue)
    return bone


def _with_metal(rng, voxels, labels, depth, points):
    """Screws in the bone or a nail through it, with bright and dark streaks around them on their slices (axis 0)."""
    size = voxels.shape[0]
    inside = np.argwhere(labels > 0)
    if not len(inside):
        return voxels
    nail = rng.random() < 0.4
    for _ in range(1 if nail else int(rng.integers(1, 4))):
        voxel = rng.choice(inside)
        if nail:  # it fills much of the bone where that is thick
            candidates = rng.choice(inside, 200)
            voxel = max(candidates, key=lambda candidate: depth[tuple(candidate)])
        start = _at(points, voxel)
        along = rng.standard_normal(3) * ((1, 0.3, 0.3) if nail else (0.3, 1, 1))
        along *= size * (rng.uniform(0.2, 0.6) if nail else rng.uniform(0.05, 0.2)) / np.linalg.norm(along)
        radius = rng.uniform(0.3, 0.8) * depth[tuple(voxel)] if nail else rng.uniform(0.8, 2.2)
        distance = capsule(points, start - along * (0.5 if nail else 0), start + along, radius)
        angle = np.arctan2(points[2] - start[2], points[1] - start[1])
        streaks = np.cos(int(rng.integers(2, 7)) * angle + rng.uniform(0, 6) + smooth_noise(rng, size, 8))
        voxels = voxels + rng.uniform(100, 900) * streaks / (1 + distance.clip(0))
        voxels[distance < 0] = METAL
    return voxels


def _noise(rng, shape):
    """Noise of 3 to 90 HU. Soft kernels make it coarse, sharp ones take its slow part away; some lies along a line."""
    noise = rng.standard_normal(shape).astype(np.float32)
    kind = rng.choice(("white", "soft", "sharp", "streaks"), p=(0.2, 0.45, 0.2, 0.15))
    if kind == "soft":
        in_plane = rng.uniform(0.4, 1.3)
        noise = ndimage.gaussian_filter(noise, (rng.uniform(0, 0.8), in_plane, in_plane))
    elif kind == "sharp":
        noise = ndimage.gaussian_filter(noise, (0.2, 0.5, 0.5))
        noise -= rng.uniform(0.6, 1.0) * ndimage.gaussian_filter(noise, 1.5)
    elif kind == "streaks":
        noise = noise + 4 * ndimage.gaussian_filter(noise, (0.2, 0.5, rng.uniform(3, 8)))
    return rng.uniform(3, 90) / noise.std() * noise
