"""Numbers of a review in colour: over the CT in the slice views, and on the surface of segments in 3D."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import vtk
import vtk.util.numpy_support
from scipy import ndimage

from SAM2VolumeSegLib.scene.foreground import kept_out, put_in_front, remove_from_views, views_of
from SAM2VolumeSegLib.volume import Box, Volume

STEPS = 256
OPACITY = 0.6
ABOVE_MM = 0.4
"""How far the coloured surface lies above the segment's own, so that they do not flicker."""
_VALUES = "value"


@dataclass(frozen=True)
class Scale:
    """How numbers become colours.

    Attributes:
        title: of the scale, with the unit.
        colors: red, green and blue in 0..255, at even steps from `lower` to `upper`.
        lower: number with the first colour; so have smaller ones.
        upper: number with the last colour; so have larger ones.
        seen_from: in the slice views, smaller numbers are not coloured.
    """

    title: str
    colors: Sequence[tuple[int, int, int]]
    lower: float
    upper: float
    seen_from: float


class Overlay:
    """Shows numbers that belong to the voxels of a CT, with Slicer's own colour table and colour legend.

    All nodes are hidden and are not saved; the segmentation and the CT are left alone. `hide` puts everything back.
    """

    def __init__(self, scale: Scale):
        self._scale = scale
        self._volume_node = self._picture = self._surface = self._table = None
        self._known: set[str] = set()  # views that have it; what the user does with them since is theirs

    @property
    def is_shown(self) -> bool:
        """Whether there is anything to see."""
        return any(node is not None and node.GetScene() is not None for node in (self._picture, self._surface))

    def show_in_slices(
        self, volume_node: slicer.vtkMRMLScalarVolumeNode, volume: Volume, box: Box, values: np.ndarray
    ) -> None:
        """Show numbers over a CT, in the views that have it in the background.

        Args:
            volume_node: the CT.
            volume: the same, as the engine has it.
            box: its voxels.
            values: uint8 or float32 on the box.
        """
        if self._picture is not None:
            remove_from_views(self._picture)
        node, display = _new("ScalarVolumeNode"), _new("ScalarVolumeDisplayNode")
        node.SetName(self._scale.title)
        slicer.mrmlScene.AddNode(display)
        slicer.mrmlScene.AddNode(node)
        slicer.util.updateVolumeFromArray(node, values)
        offset = np.eye(4)
        offset[:3, 3] = box.lower[::-1]
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(volume.ijk_to_ras @ offset))
        node.SetAndObserveDisplayNodeID(display.GetID())
        display.SetAutoWindowLevel(0)
        display.SetWindowLevelMinMax(self._scale.lower, self._scale.upper)
        display.SetAutoThreshold(0)
        display.SetThreshold(self._scale.seen_from, float(np.finfo(np.float32).max))
        display.SetApplyThreshold(1)
        display.SetInterpolate(0)
        display.SetAndObserveColorNodeID(self._colors().GetID())
        self._add_legend(node, display).SetVisibility3D(False)
        self._picture, self._volume_node, self._known = node, volume_node, set()
        self.follow_views()

    def follow_views(self) -> None:
        """Show it in views that were not there before."""
        if self._picture is None or self._picture.GetScene() is None:
            return
        for _view, composite in views_of(self._volume_node):
            if composite.GetID() not in self._known:
                self._known.add(composite.GetID())
                put_in_front(self._picture, composite, OPACITY)

    def show_on_surface(
        self,
        segmentation_node: slicer.vtkMRMLSegmentationNode,
        parts: Sequence[tuple[str, Box, np.ndarray]],
        volume: Volume,
    ) -> None:
        """Show numbers on the surface of segments.

        Args:
            segmentation_node: that holds them.
            parts: ID of a segment, voxels of the CT, and uint8 or float32 on this box; beyond it is 0.
            volume: the CT.
        """
        self._remove_surface()
        append = vtk.vtkAppendPolyData()
        for segment_id, box, values in parts:
            surface = surface_of(segmentation_node, segment_id)
            if surface.GetNumberOfPoints():
                append.AddInputData(_with_values(_above(surface), volume, box, values))
        append.Update()
        data = append.GetOutput()
        if not data.GetNumberOfPoints():
            return
        node, display = _new("ModelNode"), _new("ModelDisplayNode")
        node.SetName(self._scale.title)
        slicer.mrmlScene.AddNode(display)
        slicer.mrmlScene.AddNode(node)
        node.SetAndObservePolyData(data)
        node.SetAndObserveDisplayNodeID(display.GetID())
        display.SetVisibility2D(False)
        display.SetAndObserveColorNodeID(self._colors().GetID())
        display.SetActiveScalar(_VALUES, vtk.vtkDataObject.POINT)
        display.SetScalarRangeFlag(display.UseManualScalarRange)
        display.SetScalarRange(self._scale.lower, self._scale.upper)
        display.SetScalarVisibility(True)
        self._add_legend(node, display).SetVisibility2D(False)
        self._surface = node

    def hide(self) -> None:
        """Put every view back, and remove what was made. May be called at any time, also while the scene is closed."""
        if self._picture is not None:
            remove_from_views(self._picture)
        self._remove_surface()
        if self._table is not None and self._table.GetScene() is not None:
            self._table.GetScene().RemoveNode(self._table)
        self._volume_node = self._picture = self._table = None
        self._known = set()

    def _remove_surface(self) -> None:
        if self._surface is not None:
            remove_from_views(self._surface)  # no view has it in the foreground
        self._surface = None

    def _colors(self) -> slicer.vtkMRMLColorTableNode:
        """The colour table, made once."""
        if self._table is None or self._table.GetScene() is None:
            table = self._table = _new("ColorTableNode")
            table.SetTypeToUser()
            table.SetName(self._scale.title)
            table.SetNumberOfColors(STEPS)
            at = np.linspace(0, len(self._scale.colors) - 1, STEPS)
            known = np.arange(len(self._scale.colors))
            channels = [np.interp(at, known, channel) / 255 for channel in zip(*self._scale.colors, strict=True)]
            values = np.linspace(self._scale.lower, self._scale.upper, STEPS)
            for n, color in enumerate(zip(*channels, strict=True)):
                table.SetColor(n, f"{values[n]:.3g}", *color, 1.0)
            slicer.mrmlScene.AddNode(table)
        return self._table

    def _add_legend(self, node, display) -> slicer.vtkMRMLColorLegendDisplayNode:
        """The scale beside what it is for."""
        legend = _new("ColorLegendDisplayNode")
        legend.SetTitleText(self._scale.title)
        legend.SetLabelFormat("%.0f")
        slicer.mrmlScene.AddNode(legend)
        node.AddAndObserveDisplayNodeID(legend.GetID())
        legend.SetAndObservePrimaryDisplayNode(display)
        legend.SetVisibility(True)
        return legend


def surface_of(segmentation_node: slicer.vtkMRMLSegmentationNode, segment_id: str) -> vtk.vtkPolyData:
    """Return the closed surface of a segment as Slicer makes it, in RAS; the node is left as it is."""
    surface, segmentation = vtk.vtkPolyData(), segmentation_node.GetSegmentation()
    node = segmentation_node
    kind = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    if not segmentation.ContainsRepresentation(kind):
        node = slicer.vtkMRMLSegmentationNode()  # a copy: Slicer would keep the surface that it makes
        copy = node.GetSegmentation()
        copy.CopyConversionParameters(segmentation)
        copy.SetSourceRepresentationName(segmentation.GetSourceRepresentationName())
        copy.CopySegmentFromSegmentation(segmentation, segment_id)
        node.CreateClosedSurfaceRepresentation()
    node.GetClosedSurfaceRepresentation(segment_id, surface)
    matrix = vtk.vtkMatrix4x4()
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(segmentation_node.GetParentTransformNode(), None, matrix)
    to_world = vtk.vtkTransform()
    to_world.SetMatrix(matrix)
    mover = vtk.vtkTransformPolyDataFilter()
    mover.SetInputData(surface)
    mover.SetTransform(to_world)
    mover.Update()
    return mover.GetOutput()


def _above(data: vtk.vtkPolyData) -> vtk.vtkPolyData:
    """A surface a little further out, with normals."""
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputData(data)
    normals.SplittingOff()
    normals.AutoOrientNormalsOn()
    warp = vtk.vtkWarpVector()
    warp.SetInputConnection(normals.GetOutputPort())
    warp.SetInputArrayToProcess(0, 0, 0, vtk.vtkDataObject.FIELD_ASSOCIATION_POINTS, "Normals")
    warp.SetScaleFactor(ABOVE_MM)
    warp.Update()
    return warp.GetOutput()


def _with_values(data: vtk.vtkPolyData, volume: Volume, box: Box, values: np.ndarray) -> vtk.vtkPolyData:
    """A surface with a number at each of its points."""
    points = vtk.util.numpy_support.vtk_to_numpy(data.GetPoints().GetData())
    scalars = vtk.util.numpy_support.numpy_to_vtk(_at(points, volume, box, values), deep=True)
    scalars.SetName(_VALUES)
    data.GetPointData().SetScalars(scalars)
    return data


def _at(points: np.ndarray, volume: Volume, box: Box, values: np.ndarray) -> np.ndarray:
    """Numbers at points in RAS, float32 [n], linear between voxels."""
    to_ijk = np.linalg.inv(volume.ijk_to_ras)
    ijk = points @ to_ijk[:3, :3].T + to_ijk[:3, 3]
    at = ijk[:, ::-1] - np.array(box.lower)
    found = ndimage.map_coordinates(values.astype(np.float32), at.T, order=1, mode="constant")
    return np.ascontiguousarray(found, dtype=np.float32)


def _new(kind: str) -> slicer.vtkMRMLNode:
    """A node of ours that is not in the scene yet."""
    return kept_out(getattr(slicer, f"vtkMRML{kind}")())
