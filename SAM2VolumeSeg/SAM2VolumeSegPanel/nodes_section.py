"""Following the CT, what is painted, and the views, whoever changes them."""

import slicer
import vtk

from SAM2VolumeSegLib.panel import choices as ch

SEGMENTATION_EVENTS = ("SegmentAdded", "SegmentRemoved", "SegmentModified", "SourceRepresentationModified")
DELAY = 400  # ms after the last stroke
VIEW_DELAY = 100  # ms after the last move of a view


class NodesSection:
    """Lets panel and editor agree on their nodes, and looks for painted slices when something was changed.

    What is followed is held in one place, so that nothing is twice or left behind. It is not observed through Slicer's
    mixin, which keeps every node it was ever told of: the voxels of a deleted CT would stay in memory.
    """

    def __init__(self, state, editor, views, timers):
        self.state, self.editor, self.views = state, editor, views
        self._followed = {}  # (object, event, handler): tag
        self._segmentID = ""  # that was selected when the editor spoke last
        self._seedTimer = timers.make(DELAY, state.findSeeds)
        self._viewsTimer = timers.make(VIEW_DELAY, state.viewChanged.emit)
        self._loadedTimer = timers.make(DELAY, self.onLoaded)
        self._mayCreate = False
        editor.widget.connect("segmentationNodeChanged(vtkMRMLSegmentationNode*)", self.onEditorNodesChanged)
        editor.widget.connect("sourceVolumeNodeChanged(vtkMRMLVolumeNode*)", self.onEditorNodesChanged)
        editor.widget.connect("currentSegmentIDChanged(QString)", self.onSegmentChanged)
        state.sceneChanged.connect(self.onSceneChanged)
        state.editorChanged.connect(self.onEditorChanged)

    def agree(self, mayCreate):
        """Let panel and editor work on the same nodes: those of the scene's choices, else the editor's, else the first.

        Args:
            mayCreate: whether a CT without a segmentation gets one.
        """
        p, scene = self.state.parameters, slicer.mrmlScene
        self._mayCreate = mayCreate
        segmentation = p.segmentation or self.editor.widget.segmentationNode()
        volume = p.volume or self.editor.widget.sourceVolumeNode() or self.firstVolume()
        if segmentation is None:
            segmentation = scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
        if segmentation is None and volume is not None and mayCreate:
            segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
            segmentation.CreateDefaultDisplayNodes()
        if segmentation is not None and self.editor.widget.segmentationNode() is None:
            self.editor.widget.setSegmentationNode(segmentation)
        if volume is not None and self.editor.widget.sourceVolumeNode() is None:
            self.editor.widget.setSourceVolumeNode(volume)
        self.onEditorNodesChanged()

    def firstVolume(self):
        """A CT to begin with; not a volume of labels, nor one that Slicer or a module keeps to itself."""
        from SAM2VolumeSegLib.scene import is_label_volume

        scene = slicer.mrmlScene
        count = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
        nodes = [scene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode") for n in range(count)]
        return next((node for node in nodes if not node.GetHideFromEditors() and not is_label_volume(node)), None)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def onNodeAdded(self, caller, event, node):
        """Something was loaded: where no CT is chosen yet, it may be one. Asked when that is over."""
        if self.state.parameters is not None and node.IsA("vtkMRMLScalarVolumeNode") and not node.GetHideFromEditors():
            self._loadedTimer.start()

    def onLoaded(self):
        """A CT or a label volume was loaded."""
        p = self.state.parameters
        if p is not None and p.volume is None:
            self.agree(self._mayCreate)
        self._seedTimer.start()

    def onEditorNodesChanged(self, node=None):
        """Another segmentation or CT was chosen in the editor. A result that is being corrected is not painted on."""
        p = self.state.parameters
        if p is None:
            return
        segmentation, volume = self.editor.widget.segmentationNode(), self.editor.widget.sourceVolumeNode()
        if segmentation is None and self.state.isCorrecting and p.segmentation is not None:  # the result was deleted
            self.state.isCorrecting = False
            self.editor.show(p.segmentation, p.volume)  # calls us again
            return
        showsResult = segmentation is not None and segmentation is p.result and p.segmentation is not None
        self.state.isCorrecting = showsResult and p.segmentation is not p.result
        if not self.state.isCorrecting:
            p.segmentation = segmentation
        if volume is None or volume.IsA("vtkMRMLScalarVolumeNode"):
            p.volume = volume
        self.follow()
        self.state.onChoicesChanged()
        self._seedTimer.start()

    def onSegmentChanged(self, segmentID=""):
        """Another segment was selected in the editor."""
        self._segmentID = self.editor.widget.currentSegmentID()
        self.state.segmentChanged.emit()

    def onEditorChanged(self):
        """Another segment may be selected: of one that is chosen by key or by a script the editor sends no signal."""
        if self.state.parameters is not None and self.editor.widget.currentSegmentID() != self._segmentID:
            self.onSegmentChanged()

    def onSceneChanged(self):
        """Follow the nodes of a scene, or those of none."""
        self.follow()
        if self.state.parameters is None:
            self._seedTimer.stop()
            self._loadedTimer.stop()

    def follow(self):
        """Follow voxels, segments, names, transforms and display of the CT and of what is painted, and the views."""
        p = self.state.parameters
        node, volume = (p.segmentation, p.volume) if p is not None else (None, None)
        segmentation = node.GetSegmentation() if node else None
        modified = vtk.vtkCommand.ModifiedEvent
        wanted = [] if p is None else self._viewEvents()
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
        if p is not None and p.result:
            wanted.append((p.result, modified, self.onNodesChanged))
        for one in [one for one in self._followed if one not in wanted]:
            followed, _event, _handler = one
            followed.RemoveObserver(self._followed.pop(one))
        for one in wanted:
            if one not in self._followed:
                followed, event, handler = one
                self._followed[one] = followed.AddObserver(event, handler)

    def _viewEvents(self):
        """What tells of slice views: their slices, the layout, and where the mouse is."""
        from SAM2VolumeSegLib.scene.views import slice_nodes

        wanted = [(view, vtk.vtkCommand.ModifiedEvent, self.onViewChanged) for view in slice_nodes()]
        layout, crosshair = (
            slicer.mrmlScene.GetFirstNodeByClass(f"vtkMRML{kind}Node") for kind in ("Layout", "Crosshair")
        )
        if layout is not None:
            wanted.append((layout, vtk.vtkCommand.ModifiedEvent, self.onLayoutChanged))
        if crosshair is not None:
            wanted.append((crosshair, crosshair.CursorPositionModifiedEvent, self.views.onCursor))
        return wanted

    def onNodesChanged(self, caller=None, event=None):
        """Something was painted, or a script or another module changed something: look when that is over."""
        self.follow()  # the segments may be held by another object now
        self._seedTimer.start()

    def onDisplayChanged(self, caller=None, event=None):
        """The CT is displayed in another window, which may be the one that the model gets."""
        p = self.state.parameters
        if p is not None and p.window is ch.WindowChoice.DISPLAY:
            self._seedTimer.start()

    def onNodeRemoved(self, caller=None, event=None):
        """A node was deleted; what was in use is let go of."""
        gone = [obj for obj, _event, _handler in self._followed if obj.IsA("vtkMRMLNode") and obj.GetScene() is None]
        if self.state.parameters is not None and gone:
            self.onNodesChanged()

    def onLayoutChanged(self, caller=None, event=None):
        """Other views are shown, and some of them may be new."""
        self.follow()
        self._viewsTimer.start()

    def onViewChanged(self, caller=None, event=None):
        """A view was moved or turned: does it still show slices of the CT? Asked when that is over."""
        self._viewsTimer.start()
