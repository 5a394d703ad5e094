"""The section "Check the painted slices": table, advice and marks."""

import qt
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel.advice import advise
from SAM2VolumeSegLib.panel.seed_table import seed_rows, toggle_absent
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegPanel.dialogs import errorsShown
from SAM2VolumeSegPanel.section import Section


class SeedsSection(Section):
    """Shows the painted slices of the selected segment, and which one would help most next.

    Attributes:
        rows: the lines of the table, `SeedRow`s.
        advice: an `Advice`, or None.
    """

    WIDGETS = ("seedsLabel", "seedsTable", "adviceLabel", "nextSliceButton", "absentButton")

    def __init__(self, state, logic, ui, views):
        super().__init__(state, logic, ui)
        self.views = views
        self.rows, self.advice = [], None
        self._filling = False  # the table is being filled: its signals are not the user's
        table = self.ui.seedsTable
        table.connect("cellClicked(int,int)", self.onClicked)
        table.connect("currentCellChanged(int,int,int,int)", self.onRow)
        table.connect("itemChanged(QTableWidgetItem*)", self.onChecked)
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setStretchLastSection(True)
        self.ui.nextSliceButton.connect("clicked(bool)", self.onNextSlice)
        self.ui.absentButton.connect("clicked(bool)", self.onAbsent)
        for signal in (state.segmentChanged, state.choicesChanged, state.seedsChanged):
            signal.connect(self.update)

    def update(self):
        """Show table, advice and buttons for the selected segment."""
        problem = self._judge()
        segment = self.state.segment
        title = _("Painted slices of \u201c{name}\u201d:").format(name=segment.name)
        self.ui.seedsLabel.text = problem or title
        self._fill(self.ui.seedsTable)
        advice = self.advice
        self.ui.adviceLabel.text = "" if advice is None else f"{advice.sentence} {advice.reason}".strip()
        self.ui.nextSliceButton.enabled = advice is not None and advice.next is not None
        self.ui.absentButton.enabled = self.state.found.volume is not None and bool(segment.ID)

    def _judge(self):
        """Make rows and advice; returns a sentence where there are none."""
        self.rows, self.advice = [], None
        found, segment, marks = self.state.found, self.state.segment, self.state.marks
        if found.volume is None or not segment.ID:
            return found.problem or _("Add a segment above, and paint it on a few slices.")
        try:
            seeds = self.state.usedSeeds(segment.ID)
            places = [store.get(segment.ID, ()) for store in (marks.absent, marks.skipped)]
            self.rows = seed_rows(found.seeds.get(segment.ID, ()), found.volume, *places)
            axes = [plane for plane in Plane if getattr(self.state.parameters, plane.value)]
            self.advice = advise(seeds, found.volume, axes)
        except InputError as error:  # something was painted on a slice that is marked absent
            return str(error)
        return ""

    def _fill(self, table):
        """One line for each seed; the box of a marked slice can be cleared as well."""
        self._filling = True
        try:
            table.setRowCount(len(self.rows))
            for n, row in enumerate(self.rows):
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
        finally:
            self._filling = False

    def onClicked(self, row, column):
        """Go to the slice of a line."""
        self.onRow(row, column, -1, -1)

    def onRow(self, row, column, previousRow, previousColumn):
        """A line was reached by mouse or keyboard: move the views to its slice."""
        if not self._filling and 0 <= row < len(self.rows):
            self.views.goTo(self.rows[row].plane, self.rows[row].index)

    def onChecked(self, item):
        """A box was set or cleared. The table is filled anew, and must not be while it tells of a change."""
        if self._filling or item.column() != 0:
            return
        row, used = self.rows[item.row()], item.checkState() == qt.Qt.Checked
        p, segmentID = self.state.parameters, self.state.segment.ID
        qt.QTimer.singleShot(0, lambda: self.switch(p, segmentID, (row.plane, row.index), used))

    def switch(self, p, segmentID, place, used):
        """Use a painted slice, or leave it out; unless the scene was closed or the module left meanwhile."""
        if p is not None and p is self.state.parameters:
            self.state.setMarks(self.state.marks.switched(segmentID, place, used))

    def onNextSlice(self, checked=False):
        """Go to the slice that would help most."""
        if self.advice is not None and self.advice.next is not None:
            self.views.goTo(*self.advice.next)

    def onAbsent(self, checked=False):
        """Mark the shown slice as empty of the selected segment, or take the mark back."""
        found, segmentID, marks = self.state.found, self.state.segment.ID, self.state.marks
        with errorsShown():
            seeds = found.seeds.get(segmentID, ())
            self.state.setMarks(toggle_absent(marks, segmentID, self.views.shownSlice(), seeds, found.volume))
