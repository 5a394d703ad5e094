"""The section "Propagate": what a run will take, stepping it, and its end."""

from contextlib import suppress
from typing import NamedTuple

import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import estimate
from SAM2VolumeSegLib.panel.seed_table import place_text
from SAM2VolumeSegPanel.dialogs import errorsShown, tell
from SAM2VolumeSegPanel.propagation import Propagation
from SAM2VolumeSegPanel.section import Section
from SAM2VolumeSegPanel.work_ahead import WorkAhead


class Outlook(NamedTuple):
    """What a run would take, in a sentence, and whether it can start."""

    sentence: str
    isPossible: bool


class RunSection(Section):
    """Steps a run. It is a generator that is driven from the event loop: no thread."""

    WIDGETS = (
        "estimateLabel",
        "writingLabel",
        "resultNoteLabel",
        "propagateButton",
        "cancelButton",
        "progressBar",
        "progressLabel",
    )

    def __init__(self, state, logic, ui, editor, measure, timers):
        super().__init__(state, logic, ui)
        self.editor, self.measure = editor, measure
        self._timer = timers.make(0, self.onStep)
        self._planTimer = timers.make(0, state.makePlan)
        self._ahead = WorkAhead(logic, timers, self.update)
        self._showBar(False)
        self.showText(self.ui.resultNoteLabel, "")
        self.ui.propagateButton.connect("clicked(bool)", self.onPropagate)
        self.ui.cancelButton.connect("clicked(bool)", self.onCancel)
        for signal in (
            state.segmentChanged, state.choicesChanged, state.seedsChanged, state.readinessChanged, state.planChanged,
            state.workChanged,
        ):  # fmt: skip
            signal.connect(self.update)
        state.editorChanged.connect(self.updateWriting)  # masking and overwrite mode count

    # -------------------------------------------------------------------------------------------------- before a run

    def update(self):
        """Say how many slices, where, how long; and whether a run can start."""
        isRunning = self.state.propagation is not None
        self.updateWriting()
        outlook = Outlook("", False)
        if self.state.parameters is None or isRunning:
            self._ahead.stop()
        else:
            try:
                outlook = self._outlook()
            except InputError as error:
                outlook = Outlook(str(error), False)
            self.ui.estimateLabel.text = outlook.sentence
        self.ui.propagateButton.enabled = outlook.isPossible
        self.ui.estimateLabel.setVisible(not isRunning)
        self.ui.cancelButton.enabled = isRunning or self.state.measurement is not None
        self.measure.offer(outlook.isPossible)

    def _outlook(self):
        """What a run would take. Raises InputError where there can be none."""
        found = self.state.found
        seeds = self.state.seedsOfRun() if found.volume is not None else {}
        if not seeds:
            return Outlook(_("Paint at least one slice first."), False)
        if self.state.plan is None and not self.logic.isTorchLoaded:
            self.state.recallPlan()
        plan, speed = self.state.plan, self.measure.speed
        batchSize = 1 if plan is None else plan.batchSize
        work, isKnown = self._ahead.of(seeds, found.volume, self.state.parameters, batchSize)
        if self.state.requirements is None or not self.state.requirements.are_met:
            text = _("Up to {n} slices. First put right what is said at the top.")
            return Outlook(text.format(n=work.slices), False)
        if not work.slices:
            return Outlook(_("Nothing is painted on the axes that are switched on under Advanced."), False)
        if plan is None and self.logic.isTorchLoaded:  # asked for the device after this event
            self._planTimer.start()
            text = _("Up to {n} slices. Looking at this computer...")
            return Outlook(text.format(n=work.slices), True)
        if plan is None:
            text = _("Up to {n} slices. How long that takes has not been measured on this computer yet.")
            return Outlook(text.format(n=work.slices), True)
        if not plan.isReady:
            return Outlook(plan.problem, False)
        if not isKnown:
            text = _("Up to {n} slices. Looking up what is known already...")
            return Outlook(text.format(n=work.slices), True)
        seconds = None if speed is None else speed.seconds(work.whole)
        measuring = self.state.measurement is not None and speed is None
        return Outlook(estimate.before_sentence(work, plan.device, seconds, measuring), True)

    def updateWriting(self):
        """Say before a run what the user may not expect of the result: where other segments give way, for one."""
        if self.state.propagation is not None:
            return
        p, found, sentences = self.state.parameters, self.state.found, []
        if p is not None and found.volume is not None and p.segmentation is not None:
            from SAM2VolumeSegLib.scene import before_writing

            with suppress(InputError):  # said elsewhere in the panel
                sentences = before_writing(
                    p.segmentation,
                    p.volume,
                    self.state.wantedSegments(),
                    list(found.seeds),
                    target=p.target.value,
                    editor_node=self.editor.widget.mrmlSegmentEditorNode(),
                )
        self.showText(self.ui.writingLabel, " ".join(sentences))

    # ----------------------------------------------------------------------------------------------------------- run

    def onPropagate(self, checked=False):
        """Start a run; before the first one with this model on this computer, see how fast it is."""
        if self.state.propagation is None and self.state.parameters is not None and not self.measure.before(self.start):
            self.start()

    def start(self):
        """Load the model and step the run."""
        state, p = self.state, self.state.parameters
        propagation = state.propagation = Propagation(p)  # a second press does nothing from now on
        with errorsShown():
            try:
                self.ui.progressLabel.text = _("Loading the model...")
                self.showText(self.ui.resultNoteLabel, "")
                slicer.app.processEvents()
                if state.propagation is not propagation or state.parameters is not p:  # closed, or the module left
                    self.end()
                    return
                self.logic.updateWindow(p)  # "as the CT is displayed now" means now
                state.findSeeds()  # what was painted a moment ago counts too
                wanted = list(state.seedsOfRun()) or state.wantedSegments()
                propagation.start(self.logic, self.logic.editorNode(), wanted, state.marks)
            except Exception:
                self.end()
                raise
            self._showBar(True)
            state.workChanged.emit()
            self._timer.start()

    def onStep(self):
        """Compute one slice; the event loop runs between two of them, so views and Cancel stay alive."""
        propagation = self.state.propagation
        if propagation is None:
            return
        with errorsShown():
            try:
                progress = propagation.step()
                if progress is None:
                    self._finish(propagation)
                else:
                    self._showProgress(progress, propagation.run.request.volume)
                    self._timer.start()
            except Exception:
                early = _("The run ended early. Nothing was written.")
                self.end(_("The result was written.") if propagation.isWritten else early)
                raise

    def _showBar(self, isRunning):
        """The bar keeps its place, so that the buttons beside it never move; it is empty without a run."""
        self.ui.progressBar.value = 0
        self.ui.progressBar.textVisible = self.ui.progressBar.enabled = isRunning

    def _showProgress(self, progress, volume):
        """Plane, slice, time left; in the status bar as well while another module is shown."""
        percent = self.ui.progressBar.value = round(100 * progress.done / max(progress.total, 1))
        where = progress.plane and place_text(volume, progress.plane, progress.index)
        self.ui.progressLabel.text = estimate.progress_sentence(progress, where, progress.segment)
        if not self.editor.isEntered():
            text = _("SAM2 Volume Segmentation: {percent} %. {left}")
            slicer.util.showStatusMessage(text.format(percent=percent, left=estimate.left_sentence(progress)), 10000)

    def _finish(self, propagation):
        """Write the result: one undo step, in the editor's history."""
        wasCorrecting = self.state.isCorrecting
        node = propagation.finish(
            lambda: self.editor.showAndSaveForUndo(propagation.segmentation, propagation.parameters.volume)
        )
        if wasCorrecting and not propagation.intoPainted:  # correction goes on with the new result
            self.editor.show(node, propagation.parameters.volume)
        propagation.removeReplaced()
        self.state.finished = propagation.finished(node)
        self.end(propagation.summary(node))
        self.showText(self.ui.resultNoteLabel, " ".join(propagation.warnings))

    def onCancel(self, checked=False):
        """Stop the run, or the measurement before it."""
        self.measure.stop(_("Cancelled. Nothing was written."))
        self.end(_("Cancelled. Nothing was written."))

    def end(self, message=""):
        """Let go of a run that is over, was cancelled or failed."""
        propagation, self.state.propagation = self.state.propagation, None
        if propagation is None:
            return
        propagation.cancel()
        self._showBar(False)
        self.ui.progressLabel.text = message
        if not self.editor.isEntered():
            tell(message)
        self.state.workChanged.emit()

    def forget(self):
        """The scene is about to be closed: what is said about it goes."""
        self.state.finished = None
        self.ui.progressLabel.text = ""
        self.showText(self.ui.resultNoteLabel, "")
