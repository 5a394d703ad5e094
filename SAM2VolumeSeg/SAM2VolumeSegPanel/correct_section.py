"""Correction: a mode of the editor, shown by a bar above it; and making a corrected slice a painted one."""

import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib.panel.seed_table import place_text
from SAM2VolumeSegPanel.dialogs import errorsShown, tell
from SAM2VolumeSegPanel.section import Section

PAINTED, RESULT = "#bbdefb", "#ffcc80"
"""Colours of the bar: light blue while painted slices are edited, orange while the result is."""


class CorrectSection(Section):
    """Says what is edited, copies slices of the result to the painted ones, and takes them back."""

    WIDGETS = ("editingBar", "editSeedsButton", "editResultButton", "useSliceButton", "takeBackButton")

    def __init__(self, state, logic, ui, editor, views):
        super().__init__(state, logic, ui)
        self.editor, self.views = editor, views
        self._copies = []  # slices that were copied, `scene.SliceCopy`s
        self.ui.editResultButton.connect("clicked(bool)", self.onEditResult)
        self.ui.editSeedsButton.connect("clicked(bool)", self.onEditSeeds)
        self.ui.useSliceButton.connect("clicked(bool)", self.onUseSlice)
        self.ui.takeBackButton.connect("clicked(bool)", self.onTakeBack)
        for signal in (state.sceneChanged, state.choicesChanged, state.seedsChanged, state.workChanged):
            signal.connect(self.update)

    def update(self):
        """Show the bar where there is a result beside the painted slices; a copied slice can be taken back."""
        p, idle, isCorrecting = self.state.parameters, self.state.propagation is None, self.state.isCorrecting
        separate = self.state.hasResult
        self.ui.editingBar.setVisible(separate)
        self.setColour(self.ui.editingBar, RESULT if isCorrecting else PAINTED)
        self.ui.editResultButton.checked = separate and isCorrecting
        self.ui.editSeedsButton.checked = separate and not isCorrecting
        for button in (self.ui.editResultButton, self.ui.editSeedsButton, self.ui.useSliceButton):
            button.enabled = separate and idle
        self._copies = [copy for copy in self._copies if copy.is_possible]
        last = self._copies[-1].seeds_node if self._copies else None
        self.ui.takeBackButton.enabled = p is not None and last is not None and last is p.segmentation and idle

    def forget(self):
        """The scene is about to be closed: nothing can be taken back any more."""
        self._copies = []

    def onEditResult(self, checked=False):
        """Put the result into the editor, and show it alone."""
        self._edit(self.state.parameters.result)

    def onEditSeeds(self, checked=False):
        """Put the painted segmentation back into the editor, and show it alone."""
        self._edit(self.state.parameters.segmentation)

    def _edit(self, node):
        p = self.state.parameters
        with slicer.util.NodeModify(p):
            p.showResult, p.showPainted = node is p.result, node is p.segmentation
        self.editor.show(node, p.volume)
        self.update()  # a press has changed the button; the mode may be the same

    def correctFinished(self):
        """Take a finished segmentation as the result to correct; the corrected slices go into a new one."""
        from SAM2VolumeSegLib.scene import empty_like

        p = self.state.parameters
        finished = p.segmentation
        corrected = empty_like(finished, p.volume, _("{name} corrections").format(name=finished.GetName()))
        self.state.isCorrecting = True
        with slicer.util.NodeModify(p):
            p.result, p.segmentation = finished, corrected
            p.showResult, p.showPainted = True, False
        self.editor.show(finished, p.volume)
        self.state.findSeeds()

    def onUseSlice(self, checked=False):
        """Copy the slice of the result that is in the current view to the painted slices."""
        state, p = self.state, self.state.parameters
        with errorsShown():
            showsResult = self.editor.widget.segmentationNode() is p.result
            segmentID = (state.selectedSegmentID() if showsResult else "") or state.segment.ID
            resultID, paintedID = self.logic.matchingSegments(p.result, p.segmentation, segmentID)
            plane, index = self.views.shownSlice()
            self._copy(resultID, paintedID, plane, index)
            volume = state.found.volume
            where = index if volume is None else place_text(volume, plane, index)
            tell(_("The {plane} slice at {where} is a seed now.").format(plane=plane.value, where=where))
            state.findSeeds()

    def _copy(self, resultID, paintedID, plane, index):
        """Copy a slice of the result to the painted ones, so that it can be taken back."""
        from SAM2VolumeSegLib.scene import use_slice_as_seed

        p = self.state.parameters
        self.editor.saveForUndo(p.segmentation)
        self._copies.append(use_slice_as_seed(p.result, resultID, p.segmentation, paintedID, p.volume, plane, index))

    def fixAt(self, segmentID, plane, index):
        """Open Paint on a slice of what is painted, with what the result has there to begin with: a seed from now on.

        Raises:
            InputError: the segment or the slice is gone.
        """
        from SAM2VolumeSegLib.scene import is_on_slice

        p = self.state.parameters
        paintedID = segmentID
        if self.state.hasResult:
            resultID, paintedID = self.logic.matchingSegments(p.result, p.segmentation, segmentID)
            self._edit(p.segmentation)
            isPainted = is_on_slice(p.segmentation, paintedID, p.volume, plane, index)
            if not isPainted and is_on_slice(p.result, resultID, p.volume, plane, index):
                self._copy(resultID, paintedID, plane, index)
        self.editor.widget.setCurrentSegmentID(paintedID)
        self.editor.widget.setActiveEffectByName("Paint")
        self.state.findSeeds()

    def onTakeBack(self, checked=False):
        """Take back the last slice that was copied, whichever segmentation the editor shows."""
        if not self._copies:
            return
        copy = self._copies.pop()
        with errorsShown():
            try:
                self.editor.saveForUndo(copy.seeds_node)
                copy.undo()
                tell(_("The copied slice was taken back."))
            finally:
                self.state.findSeeds()
