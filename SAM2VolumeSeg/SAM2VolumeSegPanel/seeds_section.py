"""The painted slices: a table, what is said about them, and marks."""

import qt
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel.advice import Quality, advise
from SAM2VolumeSegLib.panel.seed_table import place_text, seed_rows, toggle_absent
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegPanel.dialogs import errorsShown, tell
from SAM2VolumeSegPanel.section import Section

ROW = 20  # pixels
MOST_ROWS = 8


class SeedsSection(Section):
    """Shows the painted slices of the selected segment, and which one would help most next.

    Attributes:
        rows: the lines of the table, `SeedRow`s.
        advice: an `Advice`, or None.
    """

    WIDGETS = (
        "seedsCollapsibleButton", "seedsTable", "seedsLight", "adviceLabel", "nextSliceButton", "absentButton",
    )  # fmt: skip

    def __init__(self, state, logic, ui, views, reviewing):
        super().__init__(state, logic, ui)
        self.views, self.reviewing = views, reviewing
        self.rows, self.advice = [], None
        self._filling = False  # the table is being filled: its signals are not the user's
        table = self.ui.seedsTable
        table.connect("cellClicked(int,int)", self.onClicked)
        table.connect("currentCellChanged(int,int,int,int)", self.onRow)
        table.connect("itemChanged(QTableWidgetItem*)", self.onChecked)
        self._layOut(table)
        self.ui.nextSliceButton.connect("clicked(bool)", self.onNextSlice)
        self.ui.absentButton.connect("clicked(bool)", self.onAbsent)
        for signal in (state.segmentChanged, state.choicesChanged, state.seedsChanged):
            signal.connect(self.update)
        reviewing.changed.connect(self.onViewChanged)
        state.viewChanged.connect(self.onViewChanged)

    def _layOut(self, table):
        """Low rows; columns as wide as what is in them, and the last one to the edge."""
        table.verticalHeader().setVisible(False)
        table.verticalHeader().setMinimumSectionSize(ROW)
        table.verticalHeader().setDefaultSectionSize(ROW)
        for column in range(3):
            table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setStretchLastSection(True)

    # ------------------------------------------------------------------------------------------------------- showing

    def update(self):
        """Show table, advice and buttons for the selected segment."""
        problem = self._judge()
        segment = self.state.segment
        title = _("Painted slices of \u201c{name}\u201d").format(name=segment.name)
        self.ui.seedsCollapsibleButton.text = title if segment.ID else _("Painted slices")
        self._fill(self.ui.seedsTable)
        self._say(problem)
        self.ui.absentButton.enabled = self.state.found.volume is not None and bool(segment.ID)

    def onViewChanged(self):
        """Another view or slice, or a review: the slice in sight is marked, and the next one may be another."""
        if self.state.parameters is not None:
            self._say(self._judge())
            self._mark()

    def _judge(self):
        """Make rows and advice; returns a sentence where there are none."""
        self.rows, self.advice = [], None
        found, segment, marks = self.state.found, self.state.segment, self.state.marks
        if found.volume is None or not segment.ID:
            return found.problem or self._toBegin()
        try:
            seeds = self.state.usedSeeds(segment.ID)
            places = [store.get(segment.ID, ()) for store in (marks.absent, marks.skipped)]
            self.rows = seed_rows(found.seeds.get(segment.ID, ()), found.volume, *places)
            axes = [plane for plane in Plane if getattr(self.state.parameters, plane.value)]
            inSight = next((plane for plane, _n in self.views.shown()), None)
            self.advice = advise(seeds, found.volume, axes, inSight, self.reviewing.toMend(segment.ID))
        except InputError as error:  # something was painted on a slice that is marked absent
            return str(error)
        return ""

    def _toBegin(self):
        """What comes first in an empty scene."""
        p = self.state.parameters
        if p is None or p.volume is None:
            return _("Load a CT, or take the sample in the module Sample Data.")
        return _("Press Add, and paint the structure on a few slices.")

    def _say(self, problem):
        """One line in words and colour: how good what is painted is, and what comes next."""
        advice = self.advice
        lines = [problem] if advice is None else [advice.sentence, advice.then]
        self.ui.adviceLabel.text = "\n".join(line for line in lines if line)
        self.ui.adviceLabel.toolTip = "" if advice is None else advice.reason
        self.setColour(self.ui.seedsLight, (Quality.NOTHING if advice is None else advice.quality).value)
        self.ui.nextSliceButton.enabled = advice is not None and advice.next is not None

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
            table.setFixedHeight(ROW * (min(len(self.rows), MOST_ROWS) + 1) + 8)  # a header, and a frame
        finally:
            self._filling = False
        self._mark()

    def _mark(self):
        """Mark the line of the slice that is in sight; of several, that in the current view."""
        places = [(row.plane, row.index) for row in self.rows]
        line = next((places.index(place) for place in self.views.shown() if place in places), -1)
        if line != self.ui.seedsTable.currentRow():
            self._filling = True
            try:
                if line < 0:
                    self.ui.seedsTable.clearSelection()
                self.ui.seedsTable.setCurrentCell(line, 1 if line >= 0 else -1)
            finally:
                self._filling = False

    # ----------------------------------------------------------------------------------------------------- the user

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
        """Mark the slice in the current view as empty of the selected segment, or take the mark back."""
        found, segment, marks = self.state.found, self.state.segment, self.state.marks
        with errorsShown():
            place = self.views.shownSlice()
            seeds = found.seeds.get(segment.ID, ())
            self.state.setMarks(toggle_absent(marks, segment.ID, place, seeds, found.volume))
            text = _("The {plane} slice at {place}: \u201c{name}\u201d is marked as absent.")
            if place in marks.absent.get(segment.ID, ()):
                text = _("The {plane} slice at {place}: the mark of \u201c{name}\u201d was taken back.")
            tell(text.format(plane=place[0].value, place=place_text(found.volume, *place), name=segment.name))
