"""The overview picture of a run: seeds, result and reference on three planes and in 3-D."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.pictures.render import render_masks
from SAM2VolumeSegLib.seeds import SeedSlice, paint_seeds
from SAM2VolumeSegLib.volume import Plane, PlaneView, Volume
from SAM2VolumeSegLib.volume.intensity import Window
from SAM2VolumeSegLib.volume.target import PROGRAM, beside, move_together

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT, _DPI = 1600, 1000, 100
_BACKGROUND, _TEXT, _FAINT = "#14171c", "#e8eaed", "#aab0b6"
_SEED = (1.0, 0.8, 0.2)
_REFERENCE = {"colors": "white", "linewidths": 1.2, "linestyles": [(0, (3, 2))]}
_MARGIN_MM = 12.0
# Letters at the left, right, top and bottom edge of the radiological pictures that PlaneView.slice gives.
_EDGES = {Plane.AXIAL: "RLAP", Plane.CORONAL: "RLSI", Plane.SAGITTAL: "APSI"}


@dataclass(frozen=True)
class _Overview:
    """What is drawn. ``shown``, the union of all structures, decides which slices and which part of them are shown."""

    volume: Volume
    seeds: Mapping[str, Sequence[SeedSlice]]
    painted: Mapping[str, np.ndarray]
    results: Mapping[str, np.ndarray]
    references: Mapping[str, np.ndarray]
    colors: Mapping[str, tuple[float, float, float]]
    shown: np.ndarray


def draw_overview(
    path: str | Path,
    volume: Volume,
    seeds: Mapping[str, Sequence[SeedSlice]],
    results: Mapping[str, np.ndarray],
    references: Mapping[str, np.ndarray],
    colors: Mapping[str, tuple[float, float, float]],
    title: str,
    footer: str = "",
) -> None:
    """Write a PNG of 1600 x 1000 pixels with the CT in the bone window on three planes, outlines, and in 3-D.

    Seeds are filled amber, results are solid outlines in the colour of their structure, references dashed white
    outlines. The three planes have one scale. Each shows the slice with most of the structures, near their middle, that
    is not itself a seed: there the answer had to be found. No display is needed. Matplotlib is imported only here.

    Args:
        path: the PNG file; written beside it first and moved into place when whole. It names this program.
        volume: the CT.
        seeds: seed slices per structure name.
        results: bool masks [k, j, i] per structure name.
        references: the same, of any of the structures; may be empty.
        colors: (r, g, b) in 0..1 per structure name.
        title: one line above the picture.
        footer: lines below the legend, for example a Dice per structure; in a fixed-width font, for columns.

    Raises:
        InputError: there is no mask to show, or the file cannot be written.
    """
    painted = {name: paint_seeds(given, volume) for name, given in seeds.items()}
    shown = np.zeros(volume.voxels.shape, dtype=bool)
    for mask in (*painted.values(), *results.values(), *references.values()):
        shown |= mask
    if not shown.any():
        raise InputError("There is nothing to draw: no seed, result or reference holds a voxel.")
    figure = _figure(_Overview(volume, seeds, painted, results, references, colors, shown), title, footer)
    path = Path(path)
    with beside(path) as folder:
        figure.savefig(
            folder / path.name, format="png", dpi=_DPI, facecolor=_BACKGROUND, metadata={"Software": PROGRAM}
        )
        move_together([folder / path.name], path.parent)


def _figure(case: _Overview, title: str, footer: str) -> Figure:
    """Lay out axial, coronal / sagittal, legend on the left in one scale (pixels per mm), 3-D views on the right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH / _DPI, _HEIGHT / _DPI), facecolor=_BACKGROUND)
    FigureCanvasAgg(figure)

    def axes(left: float, top: float, width: float, height: float) -> Axes:
        """Add axes by their place in pixels from the top left corner."""
        return figure.add_axes(
            (left / _WIDTH, 1 - (top + height) / _HEIGHT, width / _WIDTH, height / _HEIGHT), facecolor=_BACKGROUND
        )

    edge, head, gap = 32, 106, 40
    figure.text(edge / _WIDTH, 1 - 44 / _HEIGHT, title, color=_TEXT, fontsize=22, fontweight="bold", va="center")
    crops = {plane: _crop_mm(case, case.volume.view(plane)) for plane in Plane}
    sizes = {plane: (crop[1] - crop[0], crop[2] - crop[3]) for plane, crop in crops.items()}
    (axial_w, axial_h), (coronal_w, coronal_h), (sagittal_w, sagittal_h) = sizes.values()
    left_mm, upper_mm = max(axial_w, sagittal_w), max(axial_h, coronal_h)
    scale = min(1000 / (left_mm + coronal_w), (_HEIGHT - head - gap - edge) / (upper_mm + sagittal_h))
    second, lower = edge + left_mm * scale + 24, head + upper_mm * scale + gap
    places = {Plane.AXIAL: (edge, head), Plane.CORONAL: (second, head), Plane.SAGITTAL: (edge, lower)}
    for plane, place in places.items():
        width, height = sizes[plane]
        _draw_slice(axes(*place, width * scale, height * scale), case, case.volume.view(plane), crops[plane])
    # The legend takes the free corner below the coronal picture.
    legend_top = head + coronal_h * scale + gap
    _draw_legend(axes(second, legend_top, 340, _HEIGHT - edge - legend_top), case, footer)
    third = second + max(coronal_w * scale, 340) + 24
    width = _WIDTH - edge - third
    masks = {"the result, from the patient's left and behind": case.results, "the reference": case.references}
    masks = {heading: shown for heading, shown in masks.items() if shown}
    height = (_HEIGHT - head - edge - gap * (len(masks) - 1)) / max(1, len(masks))
    for number, (heading, shown) in enumerate(masks.items()):
        view_3d = axes(third, head + number * (height + gap), width, height)
        _draw_3d(view_3d, case, shown, case.painted if shown is case.results else None)
        _heading(view_3d, heading)
    return figure


def _crop_mm(case: _Overview, view: PlaneView) -> tuple[float, float, float, float]:
    """Return left, right, bottom, top in mm of the part of a plane's pictures that holds structures and a margin."""
    flat = np.any([view.slice(case.shown, index) for index in range(view.count)], axis=0)
    rows, cols = np.flatnonzero(flat.any(axis=1)), np.flatnonzero(flat.any(axis=0))
    width, height = view.shape[1] * view.col_mm, view.shape[0] * view.row_mm
    return (
        max(0.0, cols[0] * view.col_mm - _MARGIN_MM),
        min(width, (cols[-1] + 1) * view.col_mm + _MARGIN_MM),
        min(height, (rows[-1] + 1) * view.row_mm + _MARGIN_MM),
        max(0.0, rows[0] * view.row_mm - _MARGIN_MM),
    )


def _telling_slice(case: _Overview, view: PlaneView) -> int:
    """Return the slice of the structures' middle third that holds most of them and is no seed, if there is one."""
    filled = case.shown.sum(axis=tuple({0, 1, 2} - {view.axis}))
    extent = np.flatnonzero(filled)
    third = len(extent) // 3
    middle = extent[third : len(extent) - third]
    seeded = [seed.index for given in case.seeds.values() for seed in given if seed.plane == view.plane]
    unseeded = np.setdiff1d(middle, seeded)
    candidates = unseeded if unseeded.size else middle
    return int(candidates[np.argmax(filled[candidates])])


def _draw_slice(axes: Axes, case: _Overview, view: PlaneView, crop: tuple[float, float, float, float]) -> None:
    """Draw one slice with outlines; axes are in mm from the picture's top left corner."""
    index = _telling_slice(case, view)
    bone = Window.named("bone")
    look = {"extent": (0, view.shape[1] * view.col_mm, view.shape[0] * view.row_mm, 0), "aspect": "auto"}
    picture = view.slice(case.volume.voxels, index)
    axes.imshow(picture, cmap="gray", vmin=bone.lower, vmax=bone.upper, interpolation="bicubic", **look)
    # Pixel centres, with a rim of one pixel that closes outlines at the border of the volume.
    x = (np.arange(-1, view.shape[1] + 1) + 0.5) * view.col_mm
    y = (np.arange(-1, view.shape[0] + 1) + 0.5) * view.row_mm

    def outline(mask: np.ndarray, **style: object) -> None:
        if (picture := view.slice(mask, index)).any():
            axes.contour(x, y, np.pad(picture, 1).astype(float), levels=[0.5], **style)

    for mask in case.painted.values():
        tint = np.zeros((*view.shape, 4))
        tint[view.slice(mask, index)] = (*_SEED, 0.6)
        axes.imshow(tint, interpolation="nearest", **look)
    for name, mask in case.results.items():
        outline(mask, colors=[case.colors[name]], linewidths=2.4)
    for mask in case.references.values():
        outline(mask, **_REFERENCE)
    axes.set_xlim(crop[0], crop[1])
    axes.set_ylim(crop[2], crop[3])
    axes.set_axis_off()
    _heading(axes, f"{view.plane.value} slice {index}")
    _letters_and_scale(axes, view.plane)


def _heading(axes: Axes, text: str) -> None:
    axes.set_title(text, color=_TEXT, fontsize=13, loc="left", pad=6)


def _letters_and_scale(axes: Axes, plane: Plane) -> None:
    """Write the four patient directions and a bar of 20 mm, readable on bone as well."""
    from matplotlib.patheffects import withStroke

    ink = {"color": _TEXT, "fontsize": 12, "path_effects": [withStroke(linewidth=3, foreground=_BACKGROUND)]}
    places = [(0.015, 0.5, "left", "center"), (0.985, 0.5, "right", "center")]
    places += [(0.5, 0.985, "center", "top"), (0.5, 0.015, "center", "bottom")]
    for letter, (across, up, ha, va) in zip(_EDGES[plane], places, strict=True):
        axes.text(across, up, letter, ha=ha, va=va, transform=axes.transAxes, **ink)
    right, bottom = axes.get_xlim()[1] - 3, axes.get_ylim()[0] - 4
    bar = {"linewidth": 3, "solid_capstyle": "butt", "color": _TEXT, "path_effects": ink["path_effects"]}
    axes.plot([right - 20, right], [bottom, bottom], **bar)
    axes.text(right - 10, bottom - 1.5, "20 mm", ha="center", va="bottom", **ink)


def _draw_legend(axes: Axes, case: _Overview, footer: str) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    axes.set_axis_off()
    handles = [Patch(facecolor=(*_SEED, 0.75), label="painted seed slices")]
    handles += [Line2D([], [], color=case.colors[name], linewidth=3, label=f"result {name}") for name in case.results]
    if case.references:
        handles.append(Line2D([], [], color="white", linewidth=1.5, linestyle=(0, (3, 2)), label="reference"))
    legend = axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 1),
        frameon=False,
        fontsize=14,
        labelcolor=_TEXT,
        handlelength=2,
        borderpad=0,
        borderaxespad=0,
    )
    bottom = legend.get_window_extent(axes.figure.canvas.get_renderer()).transformed(axes.transAxes.inverted()).y0
    axes.text(0, bottom - 0.06, footer, color=_FAINT, fontsize=12.5, family="monospace", va="top", linespacing=1.5)


def _draw_3d(
    axes: Axes, case: _Overview, masks: Mapping[str, np.ndarray], marks: Mapping[str, np.ndarray] | None
) -> None:
    picture = render_masks(masks, case.volume, case.colors, marks=marks, mark_color=_SEED)
    axes.imshow(picture, interpolation="antialiased", aspect="equal")
    axes.set_anchor("NW")
    axes.set_axis_off()
