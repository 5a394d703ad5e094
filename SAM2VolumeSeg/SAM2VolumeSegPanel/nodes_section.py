"""Following the CT, what is painted, and the views, whoever changes them."""

import slicer
import vtk

from SAM2VolumeSegLib.interactive import choices as ch

SEGMENTATION_EVENTS = ("SegmentAdded", "SegmentRemoved", "SegmentModified", "SourceRepresentationModified")


class NodesSection:
    """Part of SAM2VolumeSegWidget. What is followed is held in one list, so that nothing is twice or left behind."""

    def followNodes(self):
        """Follow voxels, segments, names, transforms and display of the CT and of what is painted, and the views."""
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
        for followed in self._followed:
            if followed not in wanted:
                self.removeObserver(*followed)
        for one in wanted:
            if one not in self._followed:
                self.addObserver(*one)
        self._followed = wanted

    def onNodesChanged(self, caller=None, event=None):
        """Something was painted, or a script or another module changed something: look when that is over."""
        self.followNodes()  # the segments may be held by another object now
        self._seedTimer.start()

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
