"""The suspects of the chosen segment: going from one to the next, ticking them off, and correcting."""

import qt
from slicer.i18n import tr as _

from SAM2VolumeSegLib.panel import review_table as table
from SAM2VolumeSegPanel.dialogs import errorsShown, tell
from SAM2VolumeSegPanel.section import Section

CLOSEST, AROUND = 50.0, 2.5
"""What is seen of a slice around a suspect: mm at least, and by how much more than the suspect."""


class SuspectsSection(Section):
    """A list that is gone through with the mouse, or with N and P.

    Attributes:
        lines: `review_table.SuspectLine`s.
    """

    WIDGETS = ("suspectsTable", "fixButton")

    def __init__(self, state, logic, ui, reviewing, views, correct):
        super().__init__(state, logic, ui)
        self.reviewing, self.views, self.correct = reviewing, views, correct
        self.lines, self._filling = [], False
        widget = self.ui.suspectsTable
        widget.verticalHeader().setVisible(False)
        for column in range(3):
            widget.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        widget.horizontalHeader().setStretchLastSection(True)
        widget.connect("cellClicked(int,int)", self.onClicked)
        widget.connect("currentCellChanged(int,int,int,int)", self.onRow)
        widget.connect("itemChanged(QTableWidgetItem*)", self.onChecked)
        self.ui.fixButton.connect("clicked(bool)", self.onFix)
        for signal in (reviewing.changed, state.workChanged):
            signal.connect(self.update)
        self.update()

    @property
    def suspects(self):
        """Those of the chosen segment."""
        reviewing = self.reviewing
        isOne = reviewing.segment is not None and self.state.parameters is not None
        return reviewing.suspects[reviewing.name] if isOne else ()

    # -------------------------------------------------------------------------------------------------------- showing

    def update(self):
        """Show the list; the line that was current stays so, as long as its suspect is in it."""
        widget, row = self.ui.suspectsTable, self.ui.suspectsTable.currentRow()
        before = self.lines[row].key if 0 <= row < len(self.lines) else ""
        p, volume = self.state.parameters, self.reviewing.volume if self.suspects else None
        self.lines = table.suspect_lines(self.suspects, volume, p.suspectsSeen, p.suspectsDone) if self.suspects else []
        keys = [line.key for line in self.lines]
        self._filling = True
        try:
            widget.setRowCount(len(self.lines))
            for n, line in enumerate(self.lines):
                for column, text in enumerate(("" if line.seen else _("new"), line.slice, line.size, line.why)):
                    item = qt.QTableWidgetItem(text)
                    flags = qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable
                    item.setFlags(flags | qt.Qt.ItemIsUserCheckable if column == 0 else flags)
                    if column == 0:
                        item.setCheckState(qt.Qt.Checked if line.ticked else qt.Qt.Unchecked)
                    item.setToolTip(line.tip)
                    widget.setItem(n, column, item)
            widget.setCurrentCell(keys.index(before) if before in keys else -1, 0)
        finally:
            self._filling = False
        self._offer()

    def _offer(self):
        isOne = 0 <= self.ui.suspectsTable.currentRow() < len(self.lines)
        self.ui.fixButton.enabled = isOne and self.state.propagation is None

    # ------------------------------------------------------------------------------------------------------- the user

    def onClicked(self, row, column):
        """Go to the suspect of a line; a click on its box only ticks it off."""
        if column != 0:
            self.goTo(row)

    def onRow(self, row, column, previousRow, previousColumn):
        """A line was reached by mouse or keyboard."""
        if not self._filling:
            self.goTo(row)

    def goTo(self, row):
        """Move all views and the crosshair to a suspect, zoom in, and mark it as seen."""
        from SAM2VolumeSegLib.scene import look_at

        if not 0 <= row < len(self.lines):
            return
        suspect = self.suspects[row]
        extent = max(
            n * mm for n, mm in zip(suspect.region.box.shape, self.reviewing.volume.spacing[::-1], strict=True)
        )
        look_at(suspect.centre, max(CLOSEST, AROUND * extent))
        self.state.viewChanged.emit()
        self.reviewing.mark(self.lines[row].key, seen=True)

    def onChecked(self, item):
        """A box was set or cleared. The list is filled anew, and must not be while it tells of a change."""
        if not self._filling and item.column() == 0:
            key, ticked = self.lines[item.row()].key, item.checkState() == qt.Qt.Checked
            qt.QTimer.singleShot(0, lambda: self.tick(key, ticked))

    def tick(self, key, ticked):
        """Tick a suspect off, or not any more; unless the scene was closed or the module left meanwhile."""
        if self.state.parameters is not None:
            self.reviewing.mark(key, ticked=ticked)

    def onNext(self):
        """Go to the next line."""
        self._step(1)

    def onPrevious(self):
        """Go to the line before."""
        self._step(-1)

    def _step(self, by):
        row = self.ui.suspectsTable.currentRow() + by
        if 0 <= row < len(self.lines):
            self.ui.suspectsTable.setCurrentCell(row, 0)

    def onTick(self):
        """Tick the current suspect off, or take that back."""
        row = self.ui.suspectsTable.currentRow()
        if 0 <= row < len(self.lines):
            self.tick(self.lines[row].key, not self.lines[row].ticked)

    def onFix(self, checked=False):
        """Open Paint on the slice that helps most, with what the result has there to begin with."""
        row = self.ui.suspectsTable.currentRow()
        if not 0 <= row < len(self.lines):
            return
        suspect, line = self.suspects[row], self.lines[row]
        with errorsShown():
            self.correct.fixAt(self.reviewing.segmentIDs[suspect.segment], suspect.plane, suspect.index)
            self.views.goTo(suspect.plane, suspect.index)
            tell(_("Correct the {slice} slice with Paint and Erase, then press Propagate.").format(slice=line.slice))
