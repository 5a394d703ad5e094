"""Following the CT, what is painted, and the views, whoever changes them."""

import slicer
import vtk

from SAM2VolumeSegLib.panel import choices as ch

SEGMENTATION_EVENTS = ("SegmentAdded", "SegmentRemoved", "SegmentModified", "SourceRepresentationModified")


class NodesSection:
    """Part of SAM2VolumeSegWidget.

    What is followed is held in one place, so that nothing is twice or left behind. It is not observed through Slicer's
    mixin, which keeps every node it was ever told of: the voxels of a deleted CT would stay in memory.
    """

    def showInEditor(self, segmentation, volume):
        """Put a segmentation into the editor; the CT stays chosen.

        The editor would choose the one that the segmentation was made for, or none where it names none, as one that was
        loaded from a file.
        """
        self.editor.setSegmentationNode(segmentation)
        if volume is not None and self.editor.sourceVolumeNode() is not volume:
            self.editor.setSourceVolumeNode(volume)

    def seenEditor(self):
        """The editor whose Undo the user presses: Slicer's own one when the module was left for it during a run."""
        standard = getattr(slicer.modules, "SegmentEditorWidget", None)
        if standard is not None and standard.parent.isEntered and not self.parent.isEntered:
            return standard.editor
        return self.editor

    def followNodes(self):
        """Follow voxels, segments, names, transforms and display of the CT and of what is painted, views and editor."""
        p = self._parameterNode
        node, volume = (p.segmentation, p.volume) if p else (None, None)
        segmentation = node.GetSegmentation() if node else None
        modified = vtk.vtkCommand.ModifiedEvent
        wanted = []
        if segmentation:
            events = [getattr(slicer.vtkSegmentation, name) for name in SEGMENTATION_EVENTS]
            wanted += [(segmentation, event, self.onNodesChanged) for event in events]
        if node:
            events = (modified, node.TransformModifiedEvent, node.SegmentationChangedEvent)
            wanted += [(node, event, self.onNodesChanged) for event in events]
        if volume:
            events = (modified, volume.TransformModifiedEvent, volume.ImageDataModifiedEvent)
            wanted += [(volume, event, self.onNodesChanged) for event in events]
            wanted.append((volume, volume.DisplayModifiedEvent, self.onDisplayChanged))
            wanted += [(view, modified, self.onViewChanged) for view in self.sliceNodes()]
        if p and p.result:
            wanted.append((p.result, modified, self.onNodesChanged))
        if p and self.editor.mrmlSegmentEditorNode() is not None:
            wanted.append((self.editor.mrmlSegmentEditorNode(), modified, self.onEditorModified))
        for followed in [one for one in self._followed if one not in wanted]:
            followed[0].RemoveObserver(self._followed.pop(followed))
        for one in wanted:
            if one not in self._followed:
                followed, event, handler = one
                self._followed[one] = followed.AddObserver(event, handler)

    def onNodesChanged(self, caller=None, event=None):
        """Something was painted, or a script or another module changed something: look when that is over."""
        self.followNodes()  # the segments may be held by another object now
        self._seedTimer.start()

    def onEditorModified(self, caller=None, event=None):
        """Another segment may be selected: of one that is chosen by key or by a script the editor sends no signal."""
        if self._parameterNode and self.editor.currentSegmentID() != self._shownSegment:
            self.onSegmentChanged()

    def onDisplayChanged(self, caller=None, event=None):
        """The CT is displayed in another window, which may be the one that the model gets."""
        p = self._parameterNode
        if p and p.window is ch.WindowChoice.DISPLAY:
            self._seedTimer.start()

    def onNodeRemoved(self, caller=None, event=None):
        """A node was deleted; what was in use is let go of."""
        p = self._parameterNode
        if p and any(obj.IsA("vtkMRMLNode") and obj.GetScene() is None for obj, _event, _handler in self._followed):
            self.onNodesChanged()

    def onViewChanged(self, caller=None, event=None):
        """A view was moved or turned: does it still show slices of the CT? Asked when that is over."""
        self._viewsTimer.start()

    def sliceNodes(self):
        """The three views that can be chosen in the panel, where they exist."""
        names = [choice.value for choice in ch.ViewChoice]
        nodes = [slicer.mrmlScene.GetSingletonNode(name, "vtkMRMLSliceNode") for name in names]
        return [node for node in nodes if node is not None]
