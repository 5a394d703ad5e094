"""Training clips: pictures of one synthetic object, cut, zoomed and windowed as the engine does with a CT."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

from .volumes import SyntheticVolume


def draw_clip(rng, volume: SyntheticVolume, prompts_before: int, run: int, prompts_after: int, size: int):
    """Cut slices of one object along one axis.

    The clip is `prompts_before` slices, then `run` consecutive slices, then `prompts_after` slices, in the order of
    propagation. The run may pass the object's end; prompts lie on the object (rarely just beside it).

    Returns pictures [T, size, size] in 0..1, masks [T, size, size] bool, slice numbers [T] ascending.
    """
    boxes = [(label, box) for label, box in enumerate(ndimage.find_objects(volume.labels), 1) if box]
    # Slivers at the volume's edge teach little: larger objects are drawn more often.
    sizes = np.array([np.prod([side.stop - side.start for side in box]) for _, box in boxes]) ** 0.5
    label, box = boxes[rng.choice(len(boxes), p=sizes / sizes.sum())]
    axis = int(rng.integers(3))
    voxels, labels = np.moveaxis(volume.voxels, axis, 0), np.moveaxis(volume.labels, axis, 0)
    extent = box[axis]
    first, last = extent.start, extent.stop - 1
    if rng.random() < 0.5:  # backward propagation is forward propagation through the mirrored stack
        voxels, labels = voxels[::-1], labels[::-1]
        first, last = len(voxels) - 1 - last, len(voxels) - 1 - first
    step = int(rng.choice((1, 1, 2, 3)))
    reach = (run - 1) * step
    if last - first < reach // 2 + 2:
        return None
    start = int(rng.integers(first, max(first + 1, last - reach // 2)))
    if prompts_before and rng.random() < 0.4:  # right behind a prompt, as every propagation begins
        before = [start - step]
        start_of_prompts = start - step
    else:
        before, start_of_prompts = [], start
    stop = start + reach
    if stop >= len(voxels) or start_of_prompts < 0:
        return None
    candidates = np.arange(max(first - 1, 0), start_of_prompts)
    missing = prompts_before - len(before)
    if missing > len(candidates):
        return None
    before = sorted([*rng.choice(candidates, missing, replace=False), *before]) if missing else before
    candidates = np.arange(stop + 1, min(last + 2, len(voxels)))
    if prompts_after > len(candidates):
        return None
    after = sorted(rng.choice(candidates, prompts_after, replace=False)) if prompts_after else []
    slices = np.array([*before, *range(start, stop + 1, step), *after], dtype=int)

    footprint = [side for n, side in enumerate(box) if n != axis]
    pictures, masks = _zoom(rng, voxels[slices], labels[slices] == label, footprint, size)
    if rng.random() < 0.5:  # about the bone window
        lower, upper = rng.uniform(-170, -30), rng.uniform(750, 1050)
    else:
        lower = rng.uniform(-900, 50)
        upper = max(rng.uniform(500, 2000), lower + 300)
    pictures = ((pictures - lower) / (upper - lower)).clamp(0, 1)
    return pictures, masks, slices


def _zoom(rng, pictures, masks, footprint, size):
    """Resample a square around the object's footprint to `size` pixels, through a coarser grid as in a real CT."""
    extent = max(side.stop - side.start for side in footprint)
    side = extent * rng.uniform(1.1, 1.9 if rng.random() < 0.6 else 3.5) + 4
    # One crop for several structures: any of them may be small and far from its middle.
    middle = np.array([side.start + side.stop for side in footprint]) / 2
    centre = middle + rng.uniform(-0.5, 0.5, 2) * (side - extent)
    angle = rng.uniform(-0.35, 0.35)
    turn = side / 2 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        turn = turn[:, ::-1].copy()
    height, width = pictures.shape[1:]
    # grid_sample wants x, y in units of half the picture
    affine = np.array(
        [
            [turn[0, 0] * 2 / width, turn[0, 1] * 2 / width, centre[1] * 2 / width - 1],
            [turn[1, 0] * 2 / height, turn[1, 1] * 2 / height, centre[0] * 2 / height - 1],
        ]
    )
    coarse = int(np.clip(side * rng.uniform(0.5, 1.2), 24, size))
    count = len(pictures)
    grid = F.affine_grid(torch.tensor(affine, dtype=torch.float32)[None], (1, 1, coarse, coarse), align_corners=False)
    stack = torch.from_numpy(np.stack([pictures.astype(np.float32) + 1000, masks.astype(np.float32) * 1000], axis=1))
    cut = F.grid_sample(stack, grid.expand(count, -1, -1, -1), align_corners=False)
    cut[:, 1] = (cut[:, 1] >= 500).float()
    cut = F.interpolate(cut, size=(size, size), mode="bilinear", align_corners=False)
    return cut[:, 0] - 1000, cut[:, 1] >= 0.5
