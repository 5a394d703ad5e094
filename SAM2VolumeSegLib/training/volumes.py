"""Synthetic CT volumes: bone-like solids with a known reference, made from signed distances.

They train the demonstration model and serve as phantoms in tests and tutorials. Nothing here comes from a real scan.
Lengths are in voxels; signed distances are negative inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

KINDS = ("column", "solids", "tubes", "shells", "branches", "ribs")


@dataclass(frozen=True, eq=False)
class SyntheticVolume:
    """HU voxels [k, j, i] int16 and labels [k, j, i] uint8 (0 is background, every other value one object)."""

    voxels: np.ndarray
    labels: np.ndarray


def make_volume(rng: np.random.Generator, size: int = 96, kind: str | None = None) -> SyntheticVolume:
    """Make a cube of `size` voxels with several objects that may touch, branch, end or leave the volume.

    kind: one of KINDS; drawn at random when None (half of the volumes are columns of touching, vertebra-like objects).
    """
    kind = kind or rng.choice(KINDS, p=(0.5, 0.14, 0.08, 0.08, 0.12, 0.08))
    points = _warped_grid(rng, size)
    distances = _OBJECTS[kind](rng, points, size)
    labels, depth = _assemble(rng, distances)
    voxels = _intensities(rng, labels, depth, kind)
    # The model must not learn which way the processes of a column point.
    axes = rng.permutation(3)
    flips = tuple(np.flatnonzero(rng.random(3) < 0.5))
    return SyntheticVolume(
        np.ascontiguousarray(np.flip(voxels.transpose(axes), flips)),
        np.ascontiguousarray(np.flip(labels.transpose(axes), flips)),
    )


# ---------------------------------------------------------------------------------------------------- coordinates


def _smooth_noise(rng, size, nodes):
    """Noise of unit scale that varies over `size / nodes` voxels, [size, size, size] float32."""
    spline = ndimage.zoom(np.eye(nodes), (size / nodes, 1), order=3, mode="nearest", grid_mode=True).astype(np.float32)
    noise = rng.standard_normal((nodes, nodes, nodes)).astype(np.float32)
    for _ in range(3):  # separable: one axis at a time is thirty times faster than one 3-D zoom
        noise = np.tensordot(noise, spline, axes=(0, 1))
    return noise


def _warped_grid(rng, size):
    """Voxel coordinates centred on the volume, rotated a little and bent by smooth noise: (3, size, size, size)."""
    axis = np.arange(size, dtype=np.float32) - (size - 1) / 2
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))
    tilt = _rotation(rng, 0.45)
    grid = np.einsum("ab,bkji->akji", tilt, grid).astype(np.float32)
    amplitude = size * rng.uniform(0.01, 0.05)
    for component in grid:
        component += amplitude * _smooth_noise(rng, size, int(rng.integers(3, 7)))
    return grid


def _rotation(rng, max_radians):
    axis = rng.standard_normal(3)
    axis /= np.linalg.norm(axis)
    angle = rng.uniform(-max_radians, max_radians)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


# ------------------------------------------------------------------------------------------------ signed distances


def _ellipsoid(p, centre, radii):
    radii = np.asarray(radii, dtype=np.float32)
    q = np.sqrt(sum(((p[a] - centre[a]) / radii[a]) ** 2 for a in range(3)))
    return (q - 1) * radii.min()


def _capsule(p, start, end, radius_start, radius_end=None):
    start, end = np.asarray(start, dtype=np.float32), np.asarray(end, dtype=np.float32)
    along = end - start
    offset = [p[a] - start[a] for a in range(3)]
    t = np.clip(sum(offset[a] * along[a] for a in range(3)) / max(float(along @ along), 1e-6), 0, 1)
    gap = np.sqrt(sum((offset[a] - t * along[a]) ** 2 for a in range(3)))
    return gap - (radius_start + t * ((radius_end or radius_start) - radius_start))


def _cylinder(p, centre, half_height, radius_j, radius_i, waist):
    """A barrel along axis 0, narrower at half height by `waist` voxels, with rounded edges."""
    z, y, x = (p[a] - centre[a] for a in range(3))
    radius = min(radius_j, radius_i)
    side = (np.sqrt((y / radius_j) ** 2 + (x / radius_i) ** 2) - 1) * radius
    side = side + waist * (1 - (z / half_height) ** 2).clip(0)
    top = np.abs(z) - half_height
    return np.minimum(np.maximum(side, top), 0) + np.sqrt(side.clip(0) ** 2 + top.clip(0) ** 2)


def _union(distances, smooth):
    """Smooth union (polynomial): the joint between the parts is rounded over `smooth` voxels."""
    result = distances[0]
    for distance in distances[1:]:
        blend = (0.5 + 0.5 * (distance - result) / smooth).clip(0, 1)
        result = distance * (1 - blend) + result * blend - smooth * blend * (1 - blend)
    return result


def _column(rng, p, size):
    """Touching vertebra-like objects one above the other: body, arch around a canal, processes."""
    height = size * rng.uniform(0.2, 0.42)
    body_half = height * rng.uniform(0.36, 0.47)
    radius_i = height * rng.uniform(0.5, 0.95)
    radius_j = radius_i * rng.uniform(0.6, 0.95)
    canal = radius_i * rng.uniform(0.35, 0.6)
    thickness = height * rng.uniform(0.06, 0.16)
    shape = rng.uniform(0.6, 1.4, 6)
    shift = rng.uniform(-0.5, 0.5) * height
    centre_j = -size * rng.uniform(0.02, 0.2)
    objects = []
    for n in range(-2, 3):
        z = n * height + shift
        if abs(z) > 0.5 * size + height:
            continue
        jitter = 1 + 0.12 * rng.standard_normal(4)
        body = _cylinder(p, (z, centre_j, 0), body_half, radius_j * jitter[0], radius_i * jitter[1], 0.1 * radius_i)
        arch_j = centre_j + radius_j + 0.7 * canal
        ring = np.sqrt((p[1] - arch_j) ** 2 + p[2] ** 2) - canal - thickness
        arch_z = z - 0.1 * height
        arch = np.sqrt(ring**2 + ((p[0] - arch_z) * thickness / (height * 0.25)) ** 2) - thickness
        back = arch_j + canal + thickness
        parts = [body, arch]
        spine = back + radius_i * shape[0] * jitter[2]
        parts.append(_capsule(p, (arch_z, back, 0), (arch_z - 0.4 * height * shape[1], spine, 0), 1.1 * thickness))
        for side in (-1, 1):
            root = (arch_z, arch_j + 0.3 * canal, side * (canal + thickness))
            tip = (arch_z - 0.1 * height, arch_j + canal * shape[2], side * (canal + radius_i * shape[3] * jitter[3]))
            parts.append(_capsule(p, root, tip, 1.1 * thickness, 0.7 * thickness))
            for up in (-1, 1):
                facet = (arch_z + up * 0.45 * height * shape[4], arch_j + 0.6 * canal, side * (canal + thickness))
                parts.append(_capsule(p, root, facet, 1.1 * thickness))
        objects.append(_union(parts, 2.0))
    return objects


def _solids(rng, p, size):
    objects = []
    for _ in range(int(rng.integers(3, 8))):
        centre = rng.uniform(-0.32, 0.32, 3) * size
        radii = rng.uniform(0.08, 0.3) * size * rng.uniform(0.6, 1.4, 3)
        parts = [_ellipsoid(p, centre, radii)]
        for _ in range(int(rng.integers(0, 3))):
            parts.append(_ellipsoid(p, centre + rng.uniform(-1, 1, 3) * radii, radii * rng.uniform(0.3, 0.7, 3)))
        distance = _union(parts, 3.0)
        if rng.random() < 0.3:  # a canal through it
            along = rng.standard_normal(3)
            along *= size / np.linalg.norm(along)
            bore = _capsule(p, centre - along, centre + along, radii.min() * rng.uniform(0.2, 0.45))
            distance = np.maximum(distance, -bore)
        objects.append(distance)
    return objects


def _tubes(rng, p, size):
    """Long bones: a shaft with thicker ends, some leaving the volume, some ending in it."""
    objects = []
    for _ in range(int(rng.integers(1, 4))):
        along = rng.standard_normal(3) * (1.5, 0.7, 0.7)
        along /= np.linalg.norm(along)
        middle = rng.uniform(-0.25, 0.25, 3) * size
        radius = size * rng.uniform(0.05, 0.14)
        start, end = middle - along * size * rng.uniform(0.2, 0.7), middle + along * size * rng.uniform(0.2, 0.7)
        parts = [_capsule(p, start, end, radius, radius * rng.uniform(0.7, 1.3))]
        for tip in (start, end):
            knobs = rng.uniform(-1, 1, (2, 3)) * radius * 0.9
            parts += [_ellipsoid(p, tip + knob, radius * rng.uniform(0.9, 1.6, 3)) for knob in knobs]
        objects.append(_union(parts, radius))
    return objects


def _shells(rng, p, size):
    """Thin curved plates (skull, scapula, wing of the hip)."""
    objects = []
    for _ in range(int(rng.integers(1, 4))):
        radii = size * rng.uniform(0.25, 0.5) * rng.uniform(0.7, 1.3, 3)
        centre = rng.uniform(-0.25, 0.25, 3) * size
        plate = np.abs(_ellipsoid(p, centre, radii)) - size * rng.uniform(0.02, 0.05)
        normal = rng.standard_normal(3)
        normal /= np.linalg.norm(normal)
        side = sum(normal[a] * (p[a] - centre[a]) for a in range(3)) - radii.min() * rng.uniform(-0.6, 0.6)
        objects.append(np.maximum(plate, side))
    return objects


def _branches(rng, p, size):
    """Arms of different length and thickness from one or two bodies."""
    objects = []
    for _ in range(int(rng.integers(1, 4))):
        centre = rng.uniform(-0.25, 0.25, 3) * size
        radius = size * rng.uniform(0.06, 0.16)
        parts = [_ellipsoid(p, centre, radius * rng.uniform(0.8, 1.8, 3))]
        for _ in range(int(rng.integers(2, 6))):
            tip = centre + rng.standard_normal(3) * size * 0.22
            parts.append(_capsule(p, centre, tip, radius * rng.uniform(0.3, 0.7), radius * rng.uniform(0.2, 0.6)))
        objects.append(_union(parts, 3.0))
    return objects


def _ribs(rng, p, size):
    """Parallel arcs that look alike, slice after slice."""
    gap = size * rng.uniform(0.14, 0.25)
    thickness = size * rng.uniform(0.025, 0.06)
    radii = size * rng.uniform(0.3, 0.5, 2)
    slope = rng.uniform(-0.6, 0.6)
    cut = rng.uniform(-0.6, 0.4) * radii[0]
    objects = []
    for n in range(-2, 3):
        z = p[0] - n * gap - slope * p[1]
        ring = (np.sqrt((p[1] / radii[0]) ** 2 + (p[2] / radii[1]) ** 2) - 1) * radii.min()
        objects.append(np.maximum(np.sqrt(ring**2 + (0.6 * z) ** 2) - thickness, cut - p[1]))
    return objects


_OBJECTS = {
    "column": _column,
    "solids": _solids,
    "tubes": _tubes,
    "shells": _shells,
    "branches": _branches,
    "ribs": _ribs,
}


# ----------------------------------------------------------------------------------------------------- intensities


def _assemble(rng, distances):
    """Give every voxel to the nearest object; leave a joint space of 0 to 2 voxels between neighbours."""
    stack = np.stack(distances).astype(np.float32)
    nearest = stack.argmin(axis=0)
    if len(stack) > 1:
        two = np.partition(stack, 1, axis=0)[:2]
        joint = (two[1] - two[0]) / 2  # half the way to the neighbour
        distance = np.maximum(two[0], rng.choice((0.0, 0.3, 0.8, 1.2)) - joint)
    else:
        distance = stack[0]
    labels = np.where(distance < 0, nearest + 1, 0).astype(np.uint8)
    return labels, -distance


def _intensities(rng, labels, depth, kind):
    size = labels.shape[0]
    body = _smooth_noise(rng, size, 6)
    voxels = np.where(body > rng.uniform(-0.5, 1.5), -90.0, 45.0) + 15 * _smooth_noise(rng, size, 12)
    if rng.random() < 0.3:  # contrast-filled or dense soft tissue next to the bone
        voxels = np.where(_smooth_noise(rng, size, 5) > 1.0, rng.uniform(100, 300), voxels)
    if rng.random() < 0.35:  # air: outside the body, lung, gas
        voxels = np.where(_smooth_noise(rng, size, 4) > rng.uniform(0.5, 1.5), -950.0, voxels)
    inside = labels > 0
    # Marrow of old patients is no brighter than muscle: then only rim and texture tell bone from its surroundings.
    faint = rng.random() < 0.6
    core = rng.uniform(-20, 140) if faint else rng.uniform(100, 450)
    core = core + rng.uniform(10, 80) * _smooth_noise(rng, size, 24)
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
