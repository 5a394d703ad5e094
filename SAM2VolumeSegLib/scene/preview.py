"""The pictures that the model gets, shown in the slice views over the CT. The CT and its display are left alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.propagation import Sight
from SAM2VolumeSegLib.propagation.pictures import AIR, PlanePictures
from SAM2VolumeSegLib.scene.foreground import kept_out, put_in_front, remove_from_views, views_of
from SAM2VolumeSegLib.scene.nodes import grid_of
from SAM2VolumeSegLib.scene.views import view_slice
from SAM2VolumeSegLib.volume import Plane, SquareWindow, Volume

NAME = _("What the model sees")
MAX_PIXELS = 3072
"""Side of the picture with its dark frame: what lies outside of the crop is covered too, unless that takes too much
memory."""


@dataclass(eq=False)
class _Shown:
    """What a view shows.

    Attributes:
        node: holds the picture.
        key: of the pictures that it is one of.
        index: of the slice.
        frame: dark pixels above and left of it.
    """

    node: slicer.vtkMRMLScalarVolumeNode
    key: str = ""
    index: int = -1
    frame: tuple[int, int] = (0, 0)


class ModelPreview:
    """Shows in every slice view of a CT what the model will see there: window, CLAHE, crop and resolution.

    It is the engine's own `Sight`, on a node of its own for each view, which is hidden and not saved and lies over the
    CT as the view's foreground; outside of the crop it is black. Views are followed: another slice, another picture.
    `hide` puts everything back.

    Attributes:
        problems: why views that show the CT have no picture: sentences.
    """

    def __init__(self):
        self._volume_node = None
        self._sight: Sight | None = None
        self._pictures: dict[Plane, PlanePictures] = {}
        self._shown: dict[str, _Shown] = {}  # by the ID of the slice node
        self._observed: list[tuple[slicer.vtkMRMLNode, int]] = []
        self._busy = False
        self.problems: list[str] = []

    @property
    def is_shown(self) -> bool:
        """Whether there is a picture in any view."""
        return bool(self._shown)

    def needs_equalising(self, sight: Sight) -> bool:
        """Whether `show` would have to compute CLAHE on the whole CT first, which takes its time."""
        return sight.settings.clahe and not sight.has_intensities_of(self._sight)

    def show(self, volume_node: slicer.vtkMRMLScalarVolumeNode, sight: Sight, segment: str) -> None:
        """Show the pictures of a CT, or others than before. What has not changed is not computed again.

        Args:
            volume_node: the CT in the views.
            sight: what the model sees of it (of the same `volume_from_node`).
            segment: whose crop is shown.

        Raises:
            InputError: as `Sight.crop`.
        """
        if self._sight is not None and sight.has_intensities_of(self._sight):
            sight.share_intensities(self._sight)
        self._pictures = {plane: sight.pictures(segment, plane) for plane in Plane}
        self._volume_node, self._sight = volume_node, sight
        self.update()

    def update(self, caller=None, event=None) -> None:
        """Follow the views; called by them."""
        if self._busy or self._volume_node is None:
            return
        self._busy = True  # what is changed here calls us again
        try:
            self._update_views()
        finally:
            self._busy = False

    def hide(self) -> None:
        """Put every view back, and remove what was made. May be called at any time, also while the scene is closed."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        self._observed = []
        for shown in self._shown.values():
            remove_from_views(shown.node)
        self._shown, self._pictures, self._volume_node, self._sight = {}, {}, None, None
        self.problems = []

    def _update_views(self) -> None:
        self.problems = []
        views = {node.GetID(): (node, composite) for node, composite in views_of(self._volume_node)}
        for view in [view for view in self._shown if view not in views]:
            remove_from_views(self._shown.pop(view).node)
        for view, (slice_node, composite) in views.items():
            self._observe(slice_node, composite)
            try:
                plane, index = view_slice(slice_node, self._volume_node)
                if not self._fits():
                    raise InputError("")  # the CT has just been changed; `show` is called with the new one
            except InputError as error:
                self.problems += [str(error)] if str(error) else []
                if view in self._shown:
                    remove_from_views(self._shown.pop(view).node)
                continue
            shown = self._shown.get(view)
            if shown is None or shown.node.GetScene() is None:  # deleted by somebody
                shown = self._shown[view] = _Shown(_new_node(f"{NAME} ({slice_node.GetName()})"))
            self._draw(shown, plane, index)
            put_in_front(shown.node, composite)

    def _fits(self) -> bool:
        """Whether the pictures are those of the CT as it is now."""
        volume, (shape, matrix) = self._sight.volume, grid_of(self._volume_node)
        return volume.voxels.shape == shape and np.array_equal(volume.ijk_to_ras, matrix)

    def _draw(self, shown: _Shown, plane: Plane, index: int) -> None:
        pictures = self._pictures[plane]
        if (shown.key, shown.index) == (pictures.key, index):
            return
        picture = pictures.picture(index)
        size = len(picture)
        window = SquareWindow.of(pictures.view, pictures.box, size)
        if shown.key != pictures.key:
            (above, below), (left, right) = _frames(window)
            voxels = np.full((1, above + size + below, left + size + right), AIR, dtype=np.float32)
            slicer.util.updateVolumeFromArray(shown.node, voxels)
            shown.frame = above, left
        above, left = shown.frame
        slicer.util.arrayFromVolume(shown.node)[0, above : above + size, left : left + size] = picture
        with slicer.util.NodeModify(shown.node):
            matrix = _pixels_to_ras(self._sight.volume, plane, index, window, shown.frame)
            shown.node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
            slicer.util.arrayFromVolumeModified(shown.node)
        shown.key, shown.index = pictures.key, index

    def _observe(self, *nodes) -> None:
        known = [node for node, _tag in self._observed]
        for node in nodes:
            if node not in known:
                self._observed.append((node, node.AddObserver("ModifiedEvent", self.update)))


def _new_node(name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """A volume node that no list shows and no scene file holds; black is 0, white is 1, a pixel is a square."""
    scene = slicer.mrmlScene
    node, display = (scene.CreateNodeByClass(f"vtkMRMLScalarVolume{kind}Node") for kind in ("", "Display"))
    for made in (display, node):
        made.UnRegister(None)
        kept_out(made)
    node.SetName(name)
    display.SetAutoWindowLevel(0)
    display.SetWindowLevelMinMax(0.0, 1.0)
    display.SetInterpolate(0)
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    scene.AddNode(display)
    scene.AddNode(node)
    node.SetAndObserveDisplayNodeID(display.GetID())
    return node


def _frames(window: SquareWindow) -> tuple[tuple[int, int], tuple[int, int]]:
    """Pixels above, below, left and right of the window that cover the rest of the slice."""
    room = max(0, MAX_PIXELS - window.size_px) // 2
    side = window.size_px * window.mm_per_px
    frames = []
    for start, count, voxel in (
        (window.top_mm, window.shape[0], window.row_mm),
        (window.left_mm, window.shape[1], window.col_mm),
    ):
        outside = start + 0.5 * voxel, (count - 0.5) * voxel - start - side
        frames.append(tuple(min(room, max(0, int(np.ceil(mm / window.mm_per_px - 1e-6)))) for mm in outside))
    return tuple(frames)


def _pixels_to_ras(volume: Volume, plane: Plane, index: int, window: SquareWindow, frame: tuple[int, int]):
    """The 4x4 matrix from (column, row, 0) of a framed picture to RAS in mm."""
    view, shape = volume.view(plane), volume.voxels.shape
    axes = [np.arange(count).reshape([-1 if n == axis else 1 for n in range(3)]) for axis, count in enumerate(shape)]
    # Which voxel each pixel of the slice is, so that the picture's orientation is asked for and not repeated here.
    i, j, k = (view.slice(np.broadcast_to(axis, shape), index) for axis in reversed(axes))
    corner, below, right = (np.array([i[at], j[at], k[at]], dtype=float) for at in ((0, 0), (1, 0), (0, 1)))
    row, column = (below - corner) / view.row_mm, (right - corner) / view.col_mm  # voxels for a mm
    pixel = window.mm_per_px
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1] = column * pixel, row * pixel
    matrix[:3, 2] = np.eye(3)[2 - view.axis]
    top, left = (start + (0.5 - n) * pixel for start, n in zip((window.top_mm, window.left_mm), frame, strict=True))
    matrix[:3, 3] = corner + row * top + column * left
    return volume.ijk_to_ras @ matrix
