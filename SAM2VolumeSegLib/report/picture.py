"""A slice of a CT with outlines, as SVG: drawn without a library, sharp at any size, and its lines can be hidden."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.report.colors import CHANCE_COLORS
from SAM2VolumeSegLib.review import LikelyErrors
from SAM2VolumeSegLib.seeds import position_text
from SAM2VolumeSegLib.volume import Box, BoxMask, Plane, PlaneView, Volume, Window, to_unit
from SAM2VolumeSegLib.volume.planes import Rectangle

MARGIN_MM = 10.0
SMALLEST_MM = 50.0
SHOWN_FROM = 0.1
"""A chance of an error below this is not drawn."""
_EDGES = {Plane.AXIAL: tuple("RLAP"), Plane.CORONAL: tuple("RLSI"), Plane.SAGITTAL: tuple("APSI")}
"""Directions of the patient at the left, right, top and bottom edge."""


@dataclass(frozen=True, eq=False)
class Outline:
    """A mask that is drawn as a line.

    Attributes:
        kind: "judged" (solid), "other" (dashed), "reference" (dashes and dots) or "before" (dotted): the class of its
            line in report.css.
        mask: on the volume's grid.
    """

    kind: str
    mask: BoxMask


@dataclass(frozen=True, eq=False)
class SlicePicture:
    """What is to be seen of a slice.

    Attributes:
        volume: the CT.
        window: in which it is shown.
        plane: of the slice.
        index: of the slice in the volume's array.
        region: what the picture is about; it is framed.
        outlines: the last one on top.
        errors: drawn as a tint; None: none is.
        seen: masks that the picture holds wherever they are on the slice, whether they are outlined or not.
    """

    volume: Volume
    window: Window
    plane: Plane
    index: int
    region: BoxMask
    outlines: Sequence[Outline]
    errors: LikelyErrors | None = None
    seen: Sequence[BoxMask] = ()

    @property
    def view(self) -> PlaneView:
        """How the slice lies."""
        return self.volume.view(self.plane)

    def svg(self, label: str) -> str:
        """Draw it, in mm.

        Args:
            label: what is to be seen, in words, for those who do not see it.
        """
        view, part = self.view, self._part()
        top, bottom, left, right = part
        width, height = (right - left) * view.col_mm, (bottom - top) * view.row_mm
        place = f'width="{width:.2f}" height="{height:.2f}" preserveAspectRatio="none"'
        ct = to_unit(view.slice(self.volume.voxels, self.index)[top:bottom, left:right], self.window)
        layers = [f'<image {place} href="{png_address(np.rint(ct * 255).astype(np.uint8))}"/>']
        if self.errors is not None and (tint := self._tint(part)) is not None:
            layers.append(f'<image class="errors" {place} href="{png_address(tint)}"/>')
        # Lines are in voxels from the corner of the picture; CSS keeps them equally wide both ways.
        lines = [
            f'<path class="{outline.kind}{under}" d="{path}"/>'
            for outline in self.outlines
            if (path := outline_path(self._shown(outline.mask, part)))
            for under in (" under", "")
        ]
        lines.append(self._frame(part))
        scale = f"scale({view.col_mm:.6g} {view.row_mm:.6g})"
        layers.append(f'<g class="lines" transform="{scale}">{"".join(lines)}</g>')
        layers += _letters(self.plane, width, height)
        return (
            f'<svg viewBox="0 0 {width:.2f} {height:.2f}" role="img" aria-label="{escape(label)}">'
            f"{''.join(layers)}</svg>"
        )

    def caption(self) -> str:
        """Which slice it is: "axial S 12.5 mm (slice 34)"."""
        position = position_text(self.volume, self.plane, self.index)
        return _("{plane} {position} (slice {index})").format(
            plane=self.plane.value, position=position, index=self.index
        )

    def _shown(self, mask: BoxMask, part: Rectangle) -> np.ndarray:
        """A mask on the part of the slice that is seen."""
        box = Box(*self.view.corners(self.index, self.index, part))
        return _as_picture(self.view, mask.on(box), box)

    def _tint(self, part: Rectangle) -> np.ndarray | None:
        """The chance of an error as colours, uint8 [rows, columns, 4]; None where it is small everywhere."""
        assert self.errors is not None
        box = Box(*self.view.corners(self.index, self.index, part))
        chance = np.zeros(box.shape, dtype=np.float32)
        meet = box.meet(self.errors.box)
        if not meet.is_empty:
            chance[box.index_of(meet)] = self.errors.chance[self.errors.box.index_of(meet)]
        picture = _as_picture(self.view, chance, box)
        if picture.max(initial=0) < SHOWN_FROM:
            return None
        tint = np.zeros((*picture.shape, 4), dtype=np.uint8)
        steps = np.linspace(0, 1, len(CHANCE_COLORS))
        for channel in range(3):
            tint[..., channel] = np.interp(picture, steps, [color[channel] for color in CHANCE_COLORS])
        tint[..., 3] = np.where(picture < SHOWN_FROM, 0, 150)
        return tint

    def _frame(self, part: Rectangle) -> str:
        used = self.region.trimmed().box
        top, bottom, left, right = self.view.bounds(used.lower, used.upper)
        return (
            f'<rect class="frame" x="{left - part[2] - 1}" y="{top - part[0] - 1}" '
            f'width="{right - left + 2}" height="{bottom - top + 2}"/>'
        )

    def _part(self) -> Rectangle:
        """The part of the slice that shows the region, and the masks on the slice, with some surroundings."""
        view = self.view
        bounds = [view.bounds(used.lower, used.upper) for used in (self.region.trimmed().box,) if not used.is_empty]
        for mask in (*self.seen, *(outline.mask for outline in self.outlines)):
            rows, columns = np.nonzero(self._shown(mask, (0, view.shape[0], 0, view.shape[1])))
            if len(rows):
                bounds.append((rows.min(), rows.max() + 1, columns.min(), columns.max() + 1))
        top, bottom, left, right = zip(*bounds, strict=True)
        first, end = _widened(min(top), max(bottom), view.row_mm, view.shape[0])
        return (first, end, *_widened(min(left), max(right), view.col_mm, view.shape[1]))


def png_address(pixels: np.ndarray) -> str:
    """Return a picture as the address of an image in a page.

    Args:
        pixels: uint8 [rows, columns], grey, or [rows, columns, 4], red, green, blue and opacity.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "picture.png")
        sitk.WriteImage(
            sitk.GetImageFromArray(np.ascontiguousarray(pixels), isVector=pixels.ndim == 3), str(file), True
        )
        return "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()


def outline_path(mask: np.ndarray) -> str:
    """Return the edges between pixels of a mask and others as the path of an SVG, in pixels; "" where there are none.

    Args:
        mask: bool [rows, columns]; what lies beyond is taken as the pixels at its border.
    """
    parts = [f"M{start} {line}h{length}" for line, start, length in _edges(mask)]
    parts += [f"M{line} {start}v{length}" for line, start, length in _edges(mask.T)]
    return "".join(parts)


def _edges(mask: np.ndarray) -> Iterator[tuple[int, int, int]]:
    """Runs of edges between a row and the next: number of the row below, first column, length."""
    changes = mask[1:] != mask[:-1]
    ends = np.diff(np.pad(changes, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    for (row, start), (_row, end) in zip(np.argwhere(ends > 0), np.argwhere(ends < 0), strict=True):
        yield int(row) + 1, int(start), int(end - start)


def _as_picture(view: PlaneView, values: np.ndarray, box: Box) -> np.ndarray:
    """Values on a box that is one slice thick, as the slice is seen."""
    assert box.shape[view.axis] == 1
    return view.slice(values, 0)


def _widened(first: int, end: int, mm: float, count: int) -> tuple[int, int]:
    """A range of pixels with a margin, within those that there are."""
    margin = max(MARGIN_MM, (SMALLEST_MM - (end - first) * mm) / 2) / mm
    return max(0, int(first - margin)), min(count, int(np.ceil(end + margin)))


def _letters(plane: Plane, width: float, height: float) -> Iterable[str]:
    """The directions of the patient, and a bar of 10 mm."""
    size = max(width, height) / 22
    left, right, top, bottom = _EDGES[plane]
    for letter, x, y in (
        (left, 0.6 * size, height / 2),
        (right, width - 0.6 * size, height / 2),
        (top, width / 2, size),
        (bottom, width / 2, height - 0.4 * size),
    ):
        yield f'<text x="{x:.2f}" y="{y:.2f}" font-size="{size:.2f}">{letter}</text>'
    x, y = width - size - 10, height - size
    yield f'<path class="bar" d="M{x:.2f} {y:.2f}h10"/>'
    yield f'<text x="{x + 5:.2f}" y="{y - 0.4 * size:.2f}" font-size="{size:.2f}">10 mm</text>'
