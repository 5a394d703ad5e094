"""Pictures of ours in the foreground of slice views, and giving the views their own one back."""

from __future__ import annotations

import slicer

from SAM2VolumeSegLib.scene.views import slice_nodes

OWN_FOREGROUND = "SAM2VolumeSeg.Foreground"
"""Reference role and attribute of a view (its composite node): its foreground, opacity and compositing before ours.
They are kept in the scene, so that one that is saved meanwhile can be put right when it is loaded."""


def kept_out(node: slicer.vtkMRMLNode) -> slicer.vtkMRMLNode:
    """Keep a node of ours out of lists, out of the Data tree and out of saved scenes; return it."""
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    node.SetSelectable(False)
    node.SetAttribute("SubjectHierarchy.ExcludeFromTree", "1")
    return node


def views_of(volume_node) -> list[tuple[slicer.vtkMRMLSliceNode, slicer.vtkMRMLSliceCompositeNode]]:
    """Return the slice views that show a CT in their background."""
    if volume_node.GetScene() is None:
        return []
    composites = {node.GetLayoutName(): node for node in _composites(volume_node.GetScene())}
    views = [(node, composites.get(node.GetLayoutName())) for node in slice_nodes()]
    return [(node, c) for node, c in views if c is not None and c.GetBackgroundVolumeID() == volume_node.GetID()]


def put_in_front(node: slicer.vtkMRMLVolumeNode, composite, opacity: float = 1.0) -> None:
    """Show a volume of ours in the foreground of a view."""
    if composite.GetForegroundVolumeID() == node.GetID():
        return
    with slicer.util.NodeModify(composite):
        if composite.GetAttribute(OWN_FOREGROUND) is None:
            own = f"{composite.GetForegroundOpacity()} {composite.GetCompositing()}"
            composite.SetAttribute(OWN_FOREGROUND, own)
            composite.SetNodeReferenceID(OWN_FOREGROUND, composite.GetForegroundVolumeID())
        composite.SetForegroundVolumeID(node.GetID())
        composite.SetForegroundOpacity(opacity)
        composite.SetCompositing(composite.Alpha)


def remove_from_views(node: slicer.vtkMRMLVolumeNode) -> None:
    """Remove one of our volumes, and put back the views that show it."""
    scene = node.GetScene()
    if scene is None:
        return
    for composite in _composites(scene):
        if composite.GetForegroundVolumeID() == node.GetID():
            _put_back(composite, node)
    displays = [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]
    scene.RemoveNode(node)
    for display in displays:
        if display.GetScene() is not None:  # the application removes it with the volume
            scene.RemoveNode(display)


def restore_views(scene: slicer.vtkMRMLScene) -> None:
    """Put back the foreground of views whose scene was saved while a picture of ours was shown."""
    for composite in _composites(scene):
        _put_back(composite, None)


def _put_back(composite, node) -> None:
    """Give a view its own foreground again, unless the user has chosen another one over our `node` meanwhile."""
    values, own = composite.GetAttribute(OWN_FOREGROUND), composite.GetNodeReferenceID(OWN_FOREGROUND)
    if values is None:
        return
    opacity, compositing = values.split()
    shown = composite.GetForegroundVolumeID()
    with slicer.util.NodeModify(composite):
        if not shown or slicer.mrmlScene.GetNodeByID(shown) in (None, node):
            composite.SetForegroundVolumeID(own)
            composite.SetForegroundOpacity(float(opacity))
            composite.SetCompositing(int(compositing))
        composite.RemoveAttribute(OWN_FOREGROUND)
        composite.SetNodeReferenceID(OWN_FOREGROUND, None)


def _composites(scene) -> list:
    kind = "vtkMRMLSliceCompositeNode"
    return [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]
