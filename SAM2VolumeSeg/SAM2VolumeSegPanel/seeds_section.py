"""The section "Check the painted slices": table, advice, marks, and the slice views."""

import qt
import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel.advice import advise
from SAM2VolumeSegLib.panel.seed_table import position_text, seed_rows, toggle_absent
from SAM2VolumeSegLib.seeds.choose import Marks
from SAM2VolumeSegLib.volume.planes import Plane


class SeedsSection:
    """Part of SAM2VolumeSegWidget."""

    def refreshSeeds(self):
        """Find the painted slices, and show them."""
        p = self._parameterNode
        self._seedProblem = ""
        self._volume, self._volumeOf, self._seeds = None, None, {}
        if not p or not p.volume or not p.segmentation:
            self._seedProblem = _("Choose a segmentation and a CT above.")
            self.logic.forget()
        else:
            try:
                self._volume, self._seeds = self.logic.findSeeds(p.segmentation, p.volume)
                self._volumeOf = p.volume
            except InputError as error:
                self._seedProblem = str(error)
        if p:
            self.logic.updateWindow(p)
        self.updateViews()
        self.updateCorrecting()
        self.showSeeds()
        self.updateEstimate()
        self._previewTimer.start()

    def marks(self):
        """What the user switched off or marked absent, unless it was for other nodes."""
        p = self._parameterNode
        if not p or p.marksVolume is not p.volume or p.marksSegmentation is not p.segmentation:
            return Marks()
        return Marks.from_strings(p.absent, p.skipped)

    def setMarks(self, marks):
        """Keep marks in the scene."""
        p = self._parameterNode
        absent, skipped = marks.strings()
        with slicer.util.NodeModify(p):
            p.marksVolume, p.marksSegmentation = p.volume, p.segmentation
            p.absent, p.skipped = absent, skipped

    def currentSegment(self):
        """ID and name of the painted segment that is selected in the editor; ("", "") for none."""
        p, segmentID = self._parameterNode, self.editor.currentSegmentID()
        segmentation = p.segmentation.GetSegmentation() if p and p.segmentation else None
        segment = segmentation.GetSegment(segmentID) if segmentation and segmentID else None
        if segment is None and segmentation and segmentation.GetNumberOfSegments():
            segmentID = segmentation.GetNthSegmentID(0)
            segment = segmentation.GetSegment(segmentID)
        return (segmentID, segment.GetName()) if segment else ("", "")

    def usedSeeds(self, segmentID, marks):
        """The seeds of a segment that a run takes."""
        return marks.applied(segmentID, self._seeds.get(segmentID, []), self._volume)

    def showSeeds(self):
        """Table, advice and buttons for the selected segment."""
        segmentID, name = self.currentSegment()
        self._shownSegment = self.editor.currentSegmentID()
        self._rows, self._advice = [], None
        problem = self._seedProblem
        if self._volume is not None and segmentID:
            marks = self.marks()
            try:
                seeds = self.usedSeeds(segmentID, marks)
                places = [store.get(segmentID, []) for store in (marks.absent, marks.skipped)]
                self._rows = seed_rows(self._seeds.get(segmentID, []), self._volume, *places)
                axes = [plane for plane in Plane if getattr(self._parameterNode, plane.value)]
                self._advice = advise(seeds, self._volume, axes)
            except InputError as error:  # something was painted on a slice that is marked absent
                problem = str(error)
        elif not problem:
            problem = _("Add a segment above, and paint it on a few slices.")
        title = _("Painted slices of \u201c{name}\u201d:").format(name=name)
        self.ui.seedsLabel.text = problem or title
        self._filling = True
        try:
            self.fillSeeds(self.ui.seedsTable)
        finally:
            self._filling = False
        more = self._advice is not None and self._advice.next is not None
        advice = self._advice
        self.ui.adviceLabel.text = "" if advice is None else f"{advice.sentence} {advice.reason}".strip()
        self.ui.nextSliceButton.enabled = more
        self.ui.absentButton.enabled = self._volume is not None and bool(segmentID)

    def fillSeeds(self, table):
        """One line for each seed; the box of a marked slice can be cleared as well."""
        table.setRowCount(len(self._rows))
        for n, row in enumerate(self._rows):
            for column, text in enumerate(("", row.plane.value, row.position, row.area)):
                item = qt.QTableWidgetItem(text)
                flags = qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable
                if column == 0:
                    item.setFlags(flags | qt.Qt.ItemIsUserCheckable)
                    item.setCheckState(qt.Qt.Checked if row.used else qt.Qt.Unchecked)
                else:
                    item.setFlags(flags)
                table.setItem(n, column, item)
        table.resizeColumnsToContents()

    def onSeedClicked(self, row, column):
        """Go to the slice of a line."""
        self.onSeedRow(row, column, -1, -1)

    def onSeedRow(self, row, column, previousRow, previousColumn):
        """A line was reached by mouse or keyboard: move the views to its slice."""
        if not self._filling and 0 <= row < len(self._rows):
            self.goTo(self._rows[row].plane, self._rows[row].index)

    def goTo(self, plane, index):
        """Move the views to a slice of the CT."""
        from SAM2VolumeSegLib.scene import jump_to_slice

        with self.errorsShown():
            if not jump_to_slice(self._parameterNode.volume, plane, index):
                text = _("No view shows {plane} slices of this CT. Press \u201cTurn the views to the CT\u201d first.")
                raise InputError(text.format(plane=plane.value))

    def onSeedChecked(self, item):
        """A box was set or cleared. The table is filled anew, and must not be while it tells of a change."""
        if self._filling or item.column() != 0:
            return
        row, used = self._rows[item.row()], item.checkState() == qt.Qt.Checked
        p, segmentID = self._parameterNode, self.currentSegment()[0]
        qt.QTimer.singleShot(0, lambda: self.switchSeed(p, segmentID, (row.plane, row.index), used))

    def switchSeed(self, p, segmentID, place, used):
        """Use a painted slice, or leave it out; unless the scene was closed or the module left meanwhile."""
        if p is not None and p is self._parameterNode:
            self.setMarks(self.marks().switched(segmentID, place, used))

    def onNextSlice(self, checked=False):
        """Go to the slice that would help most."""
        if self._advice is not None and self._advice.next is not None:
            self.goTo(*self._advice.next)

    def shownSlice(self):
        """Plane and index of the slice in the chosen view. Raises InputError where it is no slice of the CT."""
        from SAM2VolumeSegLib.scene import view_slice

        p = self._parameterNode
        node = slicer.mrmlScene.GetSingletonNode(p.view.value, "vtkMRMLSliceNode")
        if node is None or p.volume is None:
            raise InputError(_("There is no such slice view, or no CT in it. Choose another view and a CT."))
        return view_slice(node, p.volume)

    def onAbsent(self, checked=False):
        """Mark the shown slice as empty of the selected segment, or take the mark back."""
        segmentID, _name = self.currentSegment()
        with self.errorsShown():
            seeds = self._seeds.get(segmentID, [])
            self.setMarks(toggle_absent(self.marks(), segmentID, self.shownSlice(), seeds, self._volume))

    def updateViews(self):
        """Say when the views lie at an angle to the CT, because what is painted there is no slice of it."""
        p, problem = self._parameterNode, ""
        if p and p.volume:
            from SAM2VolumeSegLib.scene import view_slice

            for node in self.sliceNodes():
                try:
                    view_slice(node, p.volume)
                except InputError as error:
                    problem = str(error)
        self.ui.viewsLabel.text = problem
        self.ui.viewsLabel.setVisible(bool(problem))
        self.ui.rotateViewsButton.setVisible(bool(problem))

    def onRotateViews(self, checked=False):
        """Turn the views to the CT's planes."""
        from SAM2VolumeSegLib.scene import rotate_views_to_volume

        with self.errorsShown():
            rotate_views_to_volume(self._parameterNode.volume)
            self.updateViews()

    def onEditResult(self, checked=False):
        """Put the result into the editor."""
        self.showInEditor(self._parameterNode.result, self._parameterNode.volume)

    def onEditSeeds(self, checked=False):
        """Put the painted segmentation back into the editor."""
        self.showInEditor(self._parameterNode.segmentation, self._parameterNode.volume)

    def onUseSlice(self, checked=False):
        """Copy the shown slice of the result to the painted slices."""
        from SAM2VolumeSegLib.scene import use_slice_as_seed

        p = self._parameterNode
        with self.errorsShown():
            segmentID = self.editor.currentSegmentID() if self.editor.segmentationNode() is p.result else ""
            pair = self.logic.matchingSegments(p.result, p.segmentation, segmentID or self.currentSegment()[0])
            plane, index = self.shownSlice()
            self.saveForUndo(p.segmentation)
            copy = use_slice_as_seed(p.result, pair[0], p.segmentation, pair[1], p.volume, plane, index)
            self._copies.append(copy)
            where = position_text(self._volume, plane, index) if self._volume else index
            self.say(_("The {plane} slice at {where} is a seed now.").format(plane=plane.value, where=where))
            self.refreshSeeds()

    def onTakeBack(self, checked=False):
        """Take back the last slice that was copied, whichever segmentation the editor shows."""
        if not self._copies:
            return
        copy = self._copies.pop()
        with self.errorsShown():
            try:
                self.saveForUndo(copy.seeds_node)
                copy.undo()
                self.say(_("The copied slice was taken back."))
            finally:
                self.refreshSeeds()

    def saveForUndo(self, segmentation):
        """Make what follows a step of the editor's undo, where it is about what the editor shows."""
        if self.editor.segmentationNode() is segmentation:
            self.editor.saveStateForUndo()

    def updateCorrecting(self):
        """What can be pressed: there is a result beside the painted slices; a copied slice can be taken back."""
        p, idle = self._parameterNode, self._run is None
        separate = p is not None and p.result is not None and p.result is not p.segmentation
        for button in (self.ui.editResultButton, self.ui.editSeedsButton, self.ui.useSliceButton):
            button.enabled = separate and idle
        self._copies = [copy for copy in self._copies if copy.is_possible]
        last = self._copies[-1].seeds_node if self._copies else None
        self.ui.takeBackButton.enabled = p is not None and last is not None and last is p.segmentation and idle
