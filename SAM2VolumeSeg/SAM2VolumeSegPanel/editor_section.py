"""The Segment Editor inside of the panel, and its ties to the one of Slicer."""

import slicer
import vtk

from SAM2VolumeSegPanel.section import Section


class EditorSection(Section):
    """Both editors work on one node, so that they show the same work; one of them at a time takes the mouse."""

    WIDGETS = ("segmentEditorWidget",)

    def __init__(self, state, logic, ui, isEntered):
        super().__init__(state, logic, ui)
        self.widget = self.ui.segmentEditorWidget
        self.isEntered = isEntered  # whether the module is shown
        self._shared = self._tag = None  # the editors' node and our observer of it
        self.widget.setMaximumNumberOfUndoStates(10)
        self.selectNode()  # before it gets the scene, so that what it selects by itself is kept in the node
        # Effects that are registered later than this panel is made, as when it is Slicer's first module.
        self._effectFactory = slicer.qSlicerSegmentEditorEffectFactory.instance()
        self._effectFactory.connect("effectRegistered(QString)", self.onEffectRegistered)

    def selectNode(self):
        """Take the node that the Segment Editor of Slicer uses."""
        node = self.logic.editorNode()
        if self.widget.mrmlSegmentEditorNode() is not node:
            self.widget.setMRMLSegmentEditorNode(node)
        if self._shared is not node:
            self.leaveNode()
            self._shared = node
            self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self.onNodeModified, -1.0)

    def leaveNode(self):
        """Follow the node no longer."""
        if self._shared is not None:
            self._shared.RemoveObserver(self._tag)
            self._shared = None

    def onNodeModified(self, caller=None, event=None):
        """An effect may have been chosen: let only the editor that the user sees take the mouse in the views.

        Every editor on the shared node makes that effect active and follows the views, hidden or not; the one that was
        made first gets the strokes, and they go into its history: Undo in the other one would not know of them.
        """
        standard = getattr(getattr(slicer.modules, "SegmentEditorWidget", None), "editor", None)
        hidden = standard if self.isEntered() else self.widget
        if hidden is not None:
            hidden.removeViewObservations()
        self.state.editorChanged.emit()

    def onEffectRegistered(self, name=""):
        """Offer an effect that has just been registered."""
        self.widget.updateEffectList()

    def enter(self):
        """The module is shown."""
        if slicer.util.mainWindow() is not None:
            self.widget.installKeyboardShortcuts()
        self.widget.setupViewObservations()
        self.widget.updateWidgetFromMRML()

    def exit(self):
        """Another module is shown."""
        self.widget.setActiveEffect(None)  # an active effect leaves timers behind
        self.widget.uninstallKeyboardShortcuts()  # those of two editors would block each other after a reload
        self.widget.removeViewObservations()

    def close(self):
        """Slicer closes, or the module is reloaded."""
        self._effectFactory.disconnect("effectRegistered(QString)", self.onEffectRegistered)
        self.leaveNode()

    def letGo(self):
        """The scene is about to be closed."""
        self.widget.setSegmentationNode(None)
        self.widget.removeViewObservations()

    def show(self, segmentation, volume):
        """Put a segmentation into the editor; the CT stays chosen.

        The editor would choose the one that the segmentation was made for, or none where it names none, as one that was
        loaded from a file.
        """
        self.widget.setSegmentationNode(segmentation)
        if volume is not None and self.widget.sourceVolumeNode() is not volume:
            self.widget.setSourceVolumeNode(volume)

    def saveForUndo(self, segmentation):
        """Make what follows a step of undo, where it is about what the editor shows."""
        if self.widget.segmentationNode() is segmentation:
            self.widget.saveStateForUndo()

    def showAndSaveForUndo(self, segmentation, volume):
        """Make what a run writes into the painted segments one step of the undo that the user presses.

        An editor's history is that of the segmentation that it shows; and when the module was left for Slicer's own
        editor during the run, it is that editor's.
        """
        if self.widget.segmentationNode() is not segmentation:
            self.show(segmentation, volume)
        standard = getattr(slicer.modules, "SegmentEditorWidget", None)
        left = standard is not None and standard.parent.isEntered and not self.isEntered()
        (standard.editor if left else self.widget).saveStateForUndo()
