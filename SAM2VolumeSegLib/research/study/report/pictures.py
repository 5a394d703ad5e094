"""Triplets of slices where baseline and IS + SPS differ most (paper, figure 5)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.structure import Structure
from SAM2VolumeSegLib.research.study.experiments import find_experiment
from SAM2VolumeSegLib.research.study.report.plotting import OURS, PAPER, SECOND, new_figure
from SAM2VolumeSegLib.research.study.report.rows import StudyModel, StudyResults
from SAM2VolumeSegLib.volume import Plane, Volume
from SAM2VolumeSegLib.volume.intensity import Window

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from SAM2VolumeSegLib.model.tracker import SliceTracker

METHODS = ("Baseline", "IS + SPS")
_SLICES = 3
_MARGIN_MM = 20.0


def most_different(results: StudyResults, model: StudyModel, case: str) -> Structure:
    """Return the structure of a case whose Dice differs most, up or down, between baseline and IS + SPS.

    Args:
        results: of all folders.
        model: that was run.
        case: name of the CT.

    Raises:
        InputError: the case has no result of both.
    """
    rows = {row.name: row.figures("dice") for row in results.rows(find_experiment("final"), model)}
    base, best = (rows[name] for name in METHODS)
    gains = {
        sample: abs(best[sample] - base[sample])
        for sample in best
        if sample in base and results.structures[sample].case == case
    }
    if not gains:
        cases = sorted({results.structures[sample].case for sample in best if sample in base})
        raise InputError(
            f'No picture can be made of "{case}": it has no results of {" and ".join(METHODS)} with the model {model}. '
            f"Cases that have: {', '.join(cases) or 'none'}."
        )
    return results.structures[max(gains, key=gains.get)]


def load_tracker(model: StudyModel, device: str = "auto") -> SliceTracker:
    """Load the model that made the results.

    Args:
        model: as it was run.
        device: "auto", "cpu", "cuda"...

    Raises:
        InputError: it is not here, or is another one by now.
    """
    from SAM2VolumeSegLib.model import checkpoints
    from SAM2VolumeSegLib.model.tracker import SliceTracker

    known = checkpoints.find(model.name)
    if checkpoints.verify(known) != model.sha256:
        raise InputError(
            f"The results were made with another checkpoint of the model '{model.name}' ({model.sha256[:8]}) than the "
            "one on this machine, so no picture can be made. Run the study again, or leave --pictures-of away."
        )
    return SliceTracker.load(known, device, model.image_size)


def triplets(structure: Structure, data: Path, tracker: SliceTracker) -> Figure:
    """Segment a structure with both methods again, and draw the axial slices where the two differ most.

    Prompted slices are not shown: there all agree.

    Args:
        structure: which.
        data: the folder that its files are below, or "tptbox".
        tracker: the model.

    Raises:
        InputError: the files are missing, unreadable, or have changed since the split was drawn.
    """
    from SAM2VolumeSegLib.research.data.layouts import data_folder
    from SAM2VolumeSegLib.research.study.case import CaseFiles
    from SAM2VolumeSegLib.research.study.task import predict

    volume, reference = CaseFiles(data_folder(data)).load(structure)
    rows = {row.name: row for row in find_experiment("final").configurations}
    found = {name: predict(volume, reference, rows[name], tracker) for name in METHODS}
    masks = {name: one.mask for name, one in found.items()}
    prompted = {seed.index for one in found.values() for seed in one.seeds}
    view = volume.view(Plane.AXIAL)
    base, best = masks.values()
    apart = [view.slice(base ^ best, index).sum() for index in range(view.count)]
    return _figure(structure, volume, {**masks, "reference": reference}, _choose(apart, prompted, reference, view))


def _choose(apart, prompted, reference, view) -> list[int]:
    """Return the slices with the largest difference in order, no two of them closer than a tenth of the structure."""
    filled = [index for index in range(view.count) if view.slice(reference, index).any()]
    gap = max(2, len(filled) // 10)
    chosen: list[int] = []
    for index in sorted(filled, key=lambda index: -apart[index]):
        if index not in prompted and all(abs(index - other) >= gap for other in chosen):
            chosen.append(index)
    return sorted(chosen[:_SLICES])


def _figure(structure: Structure, volume: Volume, masks: dict[str, np.ndarray], indices: list[int]) -> Figure:
    view = volume.view(Plane.AXIAL)
    shown = np.any([view.slice(mask, index) for mask in masks.values() for index in indices], axis=0)
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    left, right = columns[0] * view.col_mm - _MARGIN_MM, (columns[-1] + 1) * view.col_mm + _MARGIN_MM
    top, bottom = rows[0] * view.row_mm - _MARGIN_MM, (rows[-1] + 1) * view.row_mm + _MARGIN_MM
    left, top = max(0.0, left), max(0.0, top)
    right, bottom = min(view.shape[1] * view.col_mm, right), min(view.shape[0] * view.row_mm, bottom)
    side = 2.3
    height = side * len(indices) * (bottom - top) / (right - left)
    figure, grid = new_figure(len(indices), 3, width=3 * side + 0.7, height=height + 0.6, squeeze=False)
    bone = Window.named("bone")
    extent = (0, view.shape[1] * view.col_mm, view.shape[0] * view.row_mm, 0)
    # Pixel centres, with a rim of one pixel that closes outlines at the border of the volume.
    x = (np.arange(-1, view.shape[1] + 1) + 0.5) * view.col_mm
    y = (np.arange(-1, view.shape[0] + 1) + 0.5) * view.row_mm
    for index, line in zip(indices, grid, strict=True):
        ct = view.slice(volume.voxels, index)
        for (name, mask), color, axes in zip(masks.items(), (SECOND, OURS, PAPER), line, strict=True):
            axes.imshow(ct, cmap="gray", vmin=bone.lower, vmax=bone.upper, interpolation="bicubic", extent=extent)
            if (part := view.slice(mask, index)).any():
                padded = np.pad(part, 1).astype(float)
                axes.contourf(x, y, padded, levels=[0.5, 1.5], colors=[color], alpha=0.35)
                axes.contour(x, y, padded, levels=[0.5], colors=[color], linewidths=1.8)
            axes.set_xlim(left, right)
            axes.set_ylim(bottom, top)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(False)
            axes.spines[:].set_visible(False)
            if index == indices[0]:
                axes.set_title(name)
        line[0].set_ylabel(f"axial slice {index}")
    figure.suptitle(f"{structure.case}, {structure.name}", fontsize=11)
    return figure
