"""The phantom as nodes, for Sample Data and tests."""

from __future__ import annotations

import numpy as np
import slicer

from SAM2VolumeSegLib.scene.labelmaps import labelmap_of
from SAM2VolumeSegLib.seeds import paint_seeds
from SAM2VolumeSegLib.synthetic.phantom import COLORS, make_phantom
from SAM2VolumeSegLib.volume.terminology import BONE


def load_phantom_into_scene():
    """Add the phantom to the scene; return the CT and two segmentation nodes: the seeds, and the reference (hidden).

    Segment IDs are "bone_1", "bone_2" and so on in both.
    """
    volume, labels, names, seeds = make_phantom()
    volume_node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", volume.name)
    volume_node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(volume.ijk_to_ras))
    slicer.util.updateVolumeFromArray(volume_node, volume.voxels)
    volume_node.CreateDefaultDisplayNodes()
    volume_node.GetDisplayNode().AutoWindowLevelOff()
    volume_node.GetDisplayNode().SetWindowLevel(1800, 400)
    painted = {label: paint_seeds(own, volume) for label, own in seeds.items()}
    reference = {label: labels == label for label in names}
    seeds_node = _segmentation_node("Phantom seeds", painted, names, volume_node)
    reference_node = _segmentation_node("Phantom reference", reference, names, volume_node)
    reference_node.SetDisplayVisibility(False)
    return volume_node, seeds_node, reference_node


def _segmentation_node(title: str, masks: dict[int, np.ndarray], names: dict[int, str], volume_node):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", title)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)
    for label, mask in masks.items():
        node.AddSegmentFromBinaryLabelmapRepresentation(
            labelmap_of(mask, volume_node, node), names[label], COLORS[(label - 1) % len(COLORS)], f"bone_{label}"
        )
        segment = node.GetSegmentation().GetSegment(f"bone_{label}")
        segment.SetTag(segment.GetTerminologyEntryTagName(), BONE)
    return node
