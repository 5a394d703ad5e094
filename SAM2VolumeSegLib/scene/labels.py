"""Label volumes that come with a CT, as segmentations; and a finished segmentation as something to correct."""

from __future__ import annotations

import numpy as np
import slicer

from SAM2VolumeSegLib.scene.labelmaps import labelmap_of
from SAM2VolumeSegLib.scene.nodes import segment_names
from SAM2VolumeSegLib.scene.verdicts import forget_verdict

LEFT = "SAM2VolumeSeg.LeftAsItIs"
"""Attribute of a label volume that was taken, or that the user wants to leave as it is."""
MOST_LABELS = 64
_COLORS = ((0.90, 0.80, 0.60), (0.50, 0.70, 0.85), (0.70, 0.85, 0.55), (0.85, 0.60, 0.75), (0.95, 0.65, 0.40))


def is_label_volume(volume_node: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Say whether a volume holds labels and no intensities: Slicer's label maps, and masks that it took for a scan.

    A file with labels that is dropped into Slicer becomes a scalar volume: of whole numbers from 0 to at most 255, few
    of them, and most voxels 0.
    """
    if volume_node.IsA("vtkMRMLLabelMapVolumeNode"):
        return True
    image = volume_node.GetImageData()
    if image is None or image.GetNumberOfScalarComponents() != 1 or image.GetPointData().GetScalars() is None:
        return False
    lower, upper = image.GetScalarRange()
    voxels = slicer.util.arrayFromVolume(volume_node)
    if lower != 0 or not 0 < upper <= 255:
        return False
    some = voxels[tuple(slice(None, None, max(1, n // 64)) for n in voxels.shape)]  # a part tells labels from a scan
    return (some == np.round(some)).all() and (some == 0).mean() > 0.5 and len(np.unique(some)) <= MOST_LABELS


def label_volumes() -> list[slicer.vtkMRMLScalarVolumeNode]:
    """Return the label volumes of the scene that were not taken yet."""
    scene = slicer.mrmlScene
    count = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    nodes = [scene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode") for n in range(count)]
    mine = [node for node in nodes if not node.GetHideFromEditors() and node.GetAttribute(LEFT) is None]
    return [node for node in mine if is_label_volume(node)]


def segmentation_from_labels(label_node: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLSegmentationNode:
    """Return a new segmentation with a segment for each label; the volume stays, and is not offered again."""
    voxels = slicer.util.arrayFromVolume(label_node)
    display = label_node.GetDisplayNode()
    table = display.GetColorNode() if display is not None else None
    named = label_node.IsA("vtkMRMLLabelMapVolumeNode") and table is not None
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", label_node.GetName())
    node.CreateDefaultDisplayNodes()
    node.SetAndObserveTransformNodeID(label_node.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(label_node)
    for n, value in enumerate(int(value) for value in np.unique(voxels) if value):
        name = table.GetColorName(value) if named else ""
        node.AddSegmentFromBinaryLabelmapRepresentation(
            labelmap_of(voxels == value, label_node, node),
            name or str(value),
            _COLORS[n % len(_COLORS)],
            f"label_{value}",
        )
    label_node.SetAttribute(LEFT, "1")
    return node


def empty_like(
    segmentation_node: slicer.vtkMRMLSegmentationNode, volume_node: slicer.vtkMRMLScalarVolumeNode, name: str
) -> slicer.vtkMRMLSegmentationNode:
    """Return a new segmentation with the same segments and nothing painted in them, on the grid of a CT.

    A finished segmentation becomes the result to correct, and this one takes the slices that the user corrects.
    """
    segmentation = segmentation_node.GetSegmentation()
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", slicer.mrmlScene.GenerateUniqueName(name))
    node.CreateDefaultDisplayNodes()
    node.SetAndObserveTransformNodeID(segmentation_node.GetTransformNodeID())
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    node.SetSourceRepresentationToBinaryLabelmap()
    for segment_id in segment_names(segmentation_node):
        segment = slicer.vtkSegment()
        segment.DeepCopyMetadata(segmentation.GetSegment(segment_id))
        forget_verdict(segment)
        segment.SetLabelValue(1)
        node.GetSegmentation().AddSegment(segment, segment_id)
    return node
