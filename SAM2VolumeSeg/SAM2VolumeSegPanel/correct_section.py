"""The section "Correct": looking at the result, and making a corrected slice of it a painted one."""

from slicer.i18n import tr as _

from SAM2VolumeSegLib.panel.seed_table import position_text
from SAM2VolumeSegPanel.dialogs import errorsShown, say
from SAM2VolumeSegPanel.section import Section


class CorrectSection(Section):
    """Copies slices of the result to the painted ones, and takes them back."""

    WIDGETS = ("editResultButton", "editSeedsButton", "useSliceButton", "takeBackButton")

    def __init__(self, state, logic, ui, editor, views):
        super().__init__(state, logic, ui)
        self.editor, self.views = editor, views
        self._copies = []  # slices that were copied, `scene.SliceCopy`s
        self.ui.editResultButton.connect("clicked(bool)", self.onEditResult)
        self.ui.editSeedsButton.connect("clicked(bool)", self.onEditSeeds)
        self.ui.useSliceButton.connect("clicked(bool)", self.onUseSlice)
        self.ui.takeBackButton.connect("clicked(bool)", self.onTakeBack)
        for signal in (state.choicesChanged, state.seedsChanged, state.workChanged):
            signal.connect(self.update)

    def update(self):
        """What can be pressed: there is a result beside the painted slices; a copied slice can be taken back."""
        p, idle = self.state.parameters, self.state.propagation is None
        separate = p is not None and p.result is not None and p.result is not p.segmentation
        for button in (self.ui.editResultButton, self.ui.editSeedsButton, self.ui.useSliceButton):
            button.enabled = separate and idle
        self._copies = [copy for copy in self._copies if copy.is_possible]
        last = self._copies[-1].seeds_node if self._copies else None
        self.ui.takeBackButton.enabled = p is not None and last is not None and last is p.segmentation and idle

    def forget(self):
        """The scene is about to be closed: nothing can be taken back any more."""
        self._copies = []

    def onEditResult(self, checked=False):
        """Put the result into the editor."""
        self.editor.show(self.state.parameters.result, self.state.parameters.volume)

    def onEditSeeds(self, checked=False):
        """Put the painted segmentation back into the editor."""
        self.editor.show(self.state.parameters.segmentation, self.state.parameters.volume)

    def onUseSlice(self, checked=False):
        """Copy the shown slice of the result to the painted slices."""
        from SAM2VolumeSegLib.scene import use_slice_as_seed

        state, p = self.state, self.state.parameters
        with errorsShown():
            showsResult = self.editor.widget.segmentationNode() is p.result
            segmentID = (state.selectedSegmentID() if showsResult else "") or state.segment.ID
            resultID, paintedID = self.logic.matchingSegments(p.result, p.segmentation, segmentID)
            plane, index = self.views.shownSlice()
            self.editor.saveForUndo(p.segmentation)
            copy = use_slice_as_seed(p.result, resultID, p.segmentation, paintedID, p.volume, plane, index)
            self._copies.append(copy)
            volume = state.found.volume
            where = index if volume is None else position_text(volume, plane, index)
            say(_("The {plane} slice at {where} is a seed now.").format(plane=plane.value, where=where))
            state.findSeeds()

    def onTakeBack(self, checked=False):
        """Take back the last slice that was copied, whichever segmentation the editor shows."""
        if not self._copies:
            return
        copy = self._copies.pop()
        with errorsShown():
            try:
                self.editor.saveForUndo(copy.seeds_node)
                copy.undo()
                say(_("The copied slice was taken back."))
            finally:
                self.state.findSeeds()
