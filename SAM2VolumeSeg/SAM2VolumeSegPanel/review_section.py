"""The section "Review": a line for each segment, and the self-check or the audit."""

import qt
from slicer.i18n import tr as _

from SAM2VolumeSegLib.panel import review_table as table
from SAM2VolumeSegLib.panel.estimate import duration, left_sentence, progress_sentence
from SAM2VolumeSegLib.panel.seed_table import place_text
from SAM2VolumeSegPanel.dialogs import errorsShown
from SAM2VolumeSegPanel.section import Section

BAR_WIDTH, BAR_HEIGHT = 80, 12  # pixels
GROUND, INTERVAL, EXPECTED = "#eceff1", "#64b5f6", "#0d47a1"
"""Colours of a bar: light grey, blue and dark blue, which nobody takes for one another."""


class ReviewSection(Section):
    """Says how good each segment is expected to be, and what that stands on."""

    WIDGETS = ("reviewCollapsibleButton", "reviewTable", "reviewLabel", "selfCheckButton")

    def __init__(self, state, logic, ui, reviewing):
        super().__init__(state, logic, ui)
        self.reviewing = reviewing
        self._filling, self._opened = False, False
        self._layOut(self.ui.reviewTable)
        self.ui.reviewTable.connect("currentCellChanged(int,int,int,int)", self.onRow)
        self.ui.selfCheckButton.connect("clicked(bool)", self.onSelfCheck)
        for signal in (reviewing.changed, state.workChanged, state.planChanged):
            signal.connect(self.update)
        self.update()

    def _layOut(self, widget):
        widget.verticalHeader().setVisible(False)
        for column in range(3):
            widget.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        widget.horizontalHeader().setStretchLastSection(True)

    # -------------------------------------------------------------------------------------------------------- showing

    def update(self):
        """Show the lines; the section opens by itself when there is the first result."""
        reviewing = self.reviewing
        hasReview = reviewing.review is not None
        if hasReview and not self._opened:
            self.ui.reviewCollapsibleButton.collapsed = False
        self._opened = hasReview
        self._fill(self.ui.reviewTable)
        self._say()

    def _fill(self, widget):
        p, review = self.state.parameters, self.reviewing.review
        lines = []
        if review is not None and p is not None:
            of = self.reviewing
            lines = table.segment_lines(review, of.suspects, p.suspectsDone, of.verdicts, of.propagated)
        column = table.EXPECTED if self.reviewing.propagated is None else table.AGREEMENT
        header = widget.horizontalHeaderItem(1)
        header.setText(column.title)
        header.setToolTip(column.tip)
        self._filling = True
        try:
            widget.setRowCount(len(lines))
            for row, line in enumerate(lines):
                for n, text in enumerate((line.name, line.dice, line.suspects, line.verdict)):
                    item = qt.QTableWidgetItem(text)
                    item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
                    if n == 1:
                        item.setToolTip(column.tip)
                    if n == 1 and line.bar is not None:
                        item.setData(qt.Qt.DecorationRole, picture(line.bar))
                    widget.setItem(row, n, item)
            names = [line.name for line in lines]
            widget.setCurrentCell(names.index(self.reviewing.name) if self.reviewing.name in names else -1, 0)
        finally:
            self._filling = False

    def _say(self):
        """What the figures stand on, how long a self-check takes, and what the button does."""
        state, reviewing, button = self.state, self.reviewing, self.ui.selfCheckButton
        button.text = _("Self-check") if state.checking is None else _("Cancel")
        finished = reviewing.finished
        isGoingOn = state.checking is not None
        button.enabled = isGoingOn or (state.propagation is None and finished is not None)
        if isGoingOn:
            self.ui.reviewLabel.text = _("Looking where the result is likely wrong...")
            return
        if finished is None:
            text = _("After a run, this says where its result is likely wrong, how wrong, and which slice to correct.")
            self.ui.reviewLabel.text = reviewing.kept.problem or text
            return
        lines = []
        if reviewing.segment is not None:
            if reviewing.comparison is not None:
                lines.append(table.beside_reference(reviewing.comparison, reviewing.name))
            if reviewing.propagated is not None:
                lines += table.of_audit(reviewing.propagated, reviewing.name)
            lines += table.sentences(reviewing.review, reviewing.name, reviewing.propagated is not None)
        if reviewing.check is None and (seconds := reviewing.seconds()) is not None:
            lines.append(_("It takes up to {time}.").format(time=duration(seconds)))
        self.ui.reviewLabel.text = " ".join(lines)

    def _showStep(self, step):
        """Which slice is left out, and how long it still takes."""
        text = _("{name}: without the {plane} slice at {position}, {done} of {total}. {left}")
        self.ui.reviewLabel.text = text.format(
            name=step.segment,
            plane=step.plane.value,
            position=place_text(self.reviewing.volume, step.plane, step.index),
            done=step.done + 1,
            total=step.total,
            left=left_sentence(step),
        )

    def _showRun(self, progress):
        """Where the run of an audit is; before, its slices are taken from one segment after the other."""
        if isinstance(progress, str):
            return
        where = progress.plane and place_text(self.state.found.volume, progress.plane, progress.index)
        self.ui.reviewLabel.text = progress_sentence(progress, where, progress.segment)

    # ------------------------------------------------------------------------------------------------------- the user

    def audit(self, then):
        """Judge a segmentation of any origin by what its own slices lead to. Nothing is changed before that is known.

        Args:
            then: is called when it is known; makes the segmentation the result that is worked on.
        """
        self.ui.reviewCollapsibleButton.collapsed = False
        self.reviewing.audit(self._showRun, then)

    def onRow(self, row, column, previousRow, previousColumn):
        """Another segment was chosen."""
        review = self.reviewing.review
        if not self._filling and review is not None and 0 <= row < len(review.segments):
            self.reviewing.choose(list(review.segments)[row])

    def onSelfCheck(self, checked=False):
        """Begin a self-check, or stop what goes on."""
        if self.state.checking is not None:
            self.reviewing.work.stop()
        elif self.state.propagation is None and self.reviewing.finished is not None:
            with errorsShown():
                self.reviewing.checkItself(self._showStep)


def picture(bar):
    """A Dice on a bar from 0.5 to 1, in its interval.

    Args:
        bar: lower end, value and upper end, 0..1 of the bar.
    """
    lower, dice, upper = (round(value * (BAR_WIDTH - 2)) for value in bar)
    pixmap = qt.QPixmap(BAR_WIDTH, BAR_HEIGHT)
    pixmap.fill(qt.QColor(GROUND))
    painter = qt.QPainter(pixmap)
    painter.fillRect(lower, 2, upper - lower + 2, BAR_HEIGHT - 4, qt.QColor(INTERVAL))
    painter.fillRect(dice, 0, 2, BAR_HEIGHT, qt.QColor(EXPECTED))
    painter.end()
    return pixmap
