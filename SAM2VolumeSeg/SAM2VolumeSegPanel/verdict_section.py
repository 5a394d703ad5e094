"""What the user says of the chosen segment."""

from datetime import datetime, timezone

import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.panel import review_table as table
from SAM2VolumeSegPanel.dialogs import errorsShown
from SAM2VolumeSegPanel.section import Section


class VerdictSection(Section):
    """Keeps accept, fix or reject, stars and a comment on the segment itself, with who said it, when and with what."""

    WIDGETS = ("verdictComboBox", "starsComboBox", "commentLineEdit", "verdictLabel")

    def __init__(self, state, logic, ui, reviewing):
        super().__init__(state, logic, ui)
        self.reviewing = reviewing
        self._isFilled = False
        self.ui.verdictComboBox.connect("activated(int)", self.onSaid)
        self.ui.starsComboBox.connect("activated(int)", self.onSaid)
        self.ui.commentLineEdit.connect("editingFinished()", self.onSaid)
        for signal in (reviewing.changed, state.sceneChanged):
            signal.connect(self.update)
        self.update()

    def update(self):
        """Show the verdict on the chosen segment."""
        verdict = self._verdict()
        for widget in (self.ui.verdictComboBox, self.ui.starsComboBox, self.ui.commentLineEdit):
            widget.enabled = verdict is not None
        self.showText(self.ui.verdictLabel, "" if verdict is None else table.verdict_note(verdict))
        if verdict is None:
            return
        self._fill()
        self.ui.verdictComboBox.currentIndex = self.ui.verdictComboBox.findData(verdict.decision)
        self.ui.starsComboBox.currentIndex = verdict.stars
        self.ui.commentLineEdit.text = verdict.comment

    def _fill(self):
        """The lists; the engine's words are imported when there is a review."""
        from SAM2VolumeSegLib.review import DECISIONS, STARS

        if not self._isFilled:
            self._isFilled = True
            for decision, text in {"": _("not given"), **DECISIONS}.items():
                self.ui.verdictComboBox.addItem(text, decision)
            for stars in range(STARS + 1):
                self.ui.starsComboBox.addItem("\u2605" * stars or "-", stars)

    def _verdict(self):
        """That of the chosen segment; None: none is chosen."""
        reviewing = self.reviewing
        if self.state.parameters is None or reviewing.segment is None:
            return None
        return reviewing.verdicts.get(reviewing.name)

    def onSaid(self, index=0):
        """Something was chosen, or a comment was written."""
        from SAM2VolumeSegLib.review import Verdict
        from SAM2VolumeSegLib.scene import set_verdict

        before = self._verdict()
        if before is None:
            return
        said = Verdict(
            decision=self.ui.verdictComboBox.itemData(self.ui.verdictComboBox.currentIndex),
            stars=self.ui.starsComboBox.currentIndex,
            comment=self.ui.commentLineEdit.text.strip(),
            reviewer=self._reviewer(),
            time=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            program=f"SAM2VolumeSeg {__version__}, Slicer {slicer.app.majorVersion}.{slicer.app.minorVersion}",
        )
        if (said.decision, said.stars, said.comment) != (before.decision, before.stars, before.comment):
            with errorsShown():
                set_verdict(self.reviewing.node, self.reviewing.segmentIDs[self.reviewing.name], said)
            self.reviewing.changed.emit()

    def _reviewer(self):
        """Who works here, by Slicer's settings, else by the computer's."""
        person = slicer.app.applicationLogic().GetUserInformation()
        return person.GetName() or person.GetLogin() or ""
