"""A synthetic CT with touching, vertebra-like bones, a known reference and prepared seeds: for trying and teaching."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from SAM2VolumeSegLib.seeds import SeedSlice, simulate_seeds
from SAM2VolumeSegLib.synthetic.volumes import make_volume, touches_the_edge
from SAM2VolumeSegLib.volume import Plane, Volume

SIZE = 64
SPACING_MM = 1.5
COLORS = ((0.90, 0.62, 0.20), (0.30, 0.65, 0.90), (0.45, 0.78, 0.40), (0.80, 0.45, 0.70), (0.85, 0.35, 0.30))


def make_phantom(seed: int = 21) -> tuple[Volume, np.ndarray, dict[int, str], dict[int, list[SeedSlice]]]:
    """Make the phantom, the same on every call.

    A column of bones runs from inferior to superior. Those that lie wholly in the volume have labels, 1 is the
    uppermost; their neighbours, which it cuts off, have none. The seeds are the first, middle and last slice of each
    labelled bone on all three planes.

    Args:
        seed: of the random shapes. The default has two whole bones that touch.

    Returns:
        CT, reference labels uint8 [k, j, i] (0 is background), names by label, seeds by label.
    """
    made = make_volume(np.random.default_rng(seed), SIZE, "column")
    objects = [made.labels == value for value in np.unique(made.labels)[1:]]
    upright = _upright(objects)
    voxels = upright(made.voxels)
    objects = sorted((upright(mask) for mask in objects), key=lambda mask: -np.argwhere(mask)[:, 0].mean())
    whole = [mask for mask in objects if not touches_the_edge(mask)]
    labels = np.zeros(voxels.shape, dtype=np.uint8)
    for label, mask in enumerate(whole, 1):
        labels[mask] = label
    ijk_to_ras = np.diag([-SPACING_MM, -SPACING_MM, SPACING_MM, 1.0])  # stored to the left, to posterior, as CTs are
    ijk_to_ras[:3, 3] = np.array([1, 1, -1]) * SPACING_MM * (SIZE - 1) / 2
    volume = Volume(voxels, ijk_to_ras, "SAM2VolumeSeg phantom")
    names = {label: f"Bone {label}" for label in range(1, len(whole) + 1)}
    seeds = {label: simulate_seeds(labels == label, volume, "first-middle-last", tuple(Plane)) for label in names}
    return volume, labels, names, seeds


def _upright(objects: list[np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Return what turns a volume so that k runs along the column and j from the bodies to the processes.

    The generator turns its volumes at random.
    """
    centres = np.array([np.argwhere(mask).mean(axis=0) for mask in objects])
    along = int(np.argmax(np.ptp(centres, axis=0)))
    largest = max(objects, key=np.count_nonzero)
    depth = ndimage.distance_transform_edt(largest)
    # The body is where a bone is thick, so the whole bone's centre lies on the side of its processes.
    lean = np.argwhere(largest).mean(axis=0) - np.array(ndimage.center_of_mass(depth**3))
    back, side = sorted({0, 1, 2} - {along}, key=lambda axis: -abs(lean[axis]))
    step = -1 if lean[back] < 0 else 1
    return lambda array: np.ascontiguousarray(array.transpose(along, back, side)[:, ::step])
