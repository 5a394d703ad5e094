"""What is seen of several segmentations: filled, as an outline to compare with, or not at all; and 3D views on one."""

from __future__ import annotations

import numpy as np
import slicer

from SAM2VolumeSegLib.scene.nodes import segment_names

OUTLINE = (1.0, 1.0, 0.0)
"""Colour of an outline: one that no segment has by itself, so that it can be told from a fill below it."""
_OUTLINED = "SAM2VolumeSeg.Outlined"  # attribute of a display node that we have set to show outlines
_MARGIN = 1.2  # of the sphere around a segmentation that a 3D view shows


def show(segmentation_node: slicer.vtkMRMLSegmentationNode | None, visible: bool, *, outline: bool = False) -> None:
    """Show a segmentation, or hide it.

    Args:
        segmentation_node: None: there is none.
        visible: whether it is seen.
        outline: as a line of one colour in the slice views alone; otherwise as the user has set it.
    """
    if segmentation_node is None:
        return
    if segmentation_node.GetDisplayNode() is None:
        segmentation_node.CreateDefaultDisplayNodes()
    display = segmentation_node.GetDisplayNode()
    with slicer.util.NodeModify(display):
        if outline != (display.GetAttribute(_OUTLINED) is not None):
            _draw(display, list(segment_names(segmentation_node)), outline)
        display.SetVisibility(visible)


def _draw(display, segment_ids: list[str], outline: bool) -> None:
    """Draw lines, or fill again."""
    display.SetVisibility3D(not outline)
    display.SetVisibility2DFill(not outline)
    display.SetVisibility2DOutline(True)
    display.SetSliceIntersectionThickness(2 if outline else 1)
    for segment_id in segment_ids:
        if outline:
            display.SetSegmentOverrideColor(segment_id, *OUTLINE)
        else:
            display.UnsetSegmentOverrideColor(segment_id)
    if outline:
        display.SetAttribute(_OUTLINED, "1")
    else:
        display.RemoveAttribute(_OUTLINED)


def centre_3d(segmentation_node: slicer.vtkMRMLSegmentationNode) -> None:
    """Let every 3D view look at a segmentation, whole, from where it looks now. An empty one changes nothing."""
    bounds = [0.0] * 6
    segmentation_node.GetRASBounds(bounds)
    lower, upper = np.array(bounds[::2]), np.array(bounds[1::2])
    if not (upper > lower).all():
        return
    centre, radius = (lower + upper) / 2, np.linalg.norm(upper - lower) / 2
    scene = segmentation_node.GetScene()
    for n in range(scene.GetNumberOfNodesByClass("vtkMRMLCameraNode")):
        camera = scene.GetNthNodeByClass(n, "vtkMRMLCameraNode")
        direction = np.subtract(camera.GetPosition(), camera.GetFocalPoint())
        distance = _MARGIN * radius / np.sin(np.radians(camera.GetViewAngle()) / 2)
        with slicer.util.NodeModify(camera):
            camera.SetFocalPoint(*centre)
            camera.SetPosition(*(centre + direction / np.linalg.norm(direction) * distance))
        camera.ResetClippingRange()
