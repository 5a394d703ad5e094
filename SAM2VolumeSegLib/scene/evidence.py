"""What a run kept for a review, in the scene: a hidden node that the result refers to.

Its class has no file: Slicer's dialog "Save" writes none of a hidden node, and what lay in one would be lost.
An attribute of the result would need no node, but the Data module shows attributes, and these are megabytes.
"""

from __future__ import annotations

import base64
import binascii

import slicer

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.review import Evidence, from_bytes, run_identity, to_bytes
from SAM2VolumeSegLib.scene.writing import provenance_of

EVIDENCE = "SAM2VolumeSeg.Evidence"
"""Reference role of a segmentation node, and attribute and only parameter of the node that it refers to."""
_CLASS = "vtkMRMLScriptedModuleNode"


def keep_evidence(segmentation_node: slicer.vtkMRMLSegmentationNode, evidence: Evidence) -> None:
    """Keep what a run knows of a result with it, in place of what was kept before; it is saved with the scene."""
    scene = segmentation_node.GetScene()
    node = scene.CreateNodeByClass(_CLASS)
    node.UnRegister(None)
    node.SetName(f"{segmentation_node.GetName()} evidence")
    node.SetAttribute(EVIDENCE, "1")
    node.SetHideFromEditors(True)
    node.SetParameter(EVIDENCE, base64.urlsafe_b64encode(to_bytes(evidence)).decode())
    scene.AddNode(node)
    segmentation_node.SetNodeReferenceID(EVIDENCE, node.GetID())
    remove_unused_evidence(scene)


def forget_evidence(segmentation_node: slicer.vtkMRMLSegmentationNode) -> None:
    """Let go of what was kept with a result."""
    segmentation_node.SetNodeReferenceID(EVIDENCE, None)
    remove_unused_evidence(segmentation_node.GetScene())


def evidence_stamp(segmentation_node: slicer.vtkMRMLSegmentationNode) -> tuple[str, int] | None:
    """Return what changes with what is kept: cheap, to be asked often. None: nothing is kept."""
    node = segmentation_node.GetNodeReference(EVIDENCE)
    return None if node is None else (node.GetID(), node.GetMTime())


def evidence_of(segmentation_node: slicer.vtkMRMLSegmentationNode) -> Evidence | None:
    """Return what is kept with a result; None where nothing is.

    Raises:
        InputError: it is damaged, or of another run than the one that made the result.
    """
    node = segmentation_node.GetNodeReference(EVIDENCE)
    if node is None:
        return None
    try:
        data = base64.b64decode(node.GetParameter(EVIDENCE) or "", altchars=b"-_", validate=True)
    except binascii.Error:
        data = b""  # is damaged
    evidence = from_bytes(data)
    made = dict(provenance_of(segmentation_node) or {})
    made.pop("segment_ids", None)  # are added where a result is written
    if evidence.run != run_identity(made):
        raise InputError(
            _(
                'What is kept with "{result}" for a review was not used: the result does not say that it was made by '
                "the same run. Propagate again to review."
            ).format(result=segmentation_node.GetName())
        )
    return evidence


def remove_unused_evidence(scene: slicer.vtkMRMLScene) -> None:
    """Remove what was kept with results that are gone."""
    count = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    segmentations = [scene.GetNthNodeByClass(n, "vtkMRMLSegmentationNode") for n in range(count)]
    used = {segmentation.GetNodeReferenceID(EVIDENCE) for segmentation in segmentations}
    kept = [scene.GetNthNodeByClass(n, _CLASS) for n in range(scene.GetNumberOfNodesByClass(_CLASS))]
    for node in kept:
        if node.GetAttribute(EVIDENCE) is not None and node.GetID() not in used:
            scene.RemoveNode(node)
