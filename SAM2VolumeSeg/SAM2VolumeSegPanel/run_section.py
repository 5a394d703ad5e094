"""The section "Propagate": what a run will take, stepping it, and its end."""

import logging
import time
from contextlib import suppress

import qt
import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import estimate, readiness
from SAM2VolumeSegLib.panel.messages import in_panel
from SAM2VolumeSegLib.panel.seed_table import position_text
from SAM2VolumeSegLib.seeds import is_painted


class RunSection:
    """Part of SAM2VolumeSegWidget. A run is a generator that is stepped from the event loop: no thread."""

    def wantedSegments(self):
        """IDs of the segments that a run is for."""
        if self._parameterNode.scope is ch.Scope.ALL:
            return list(self._seeds)
        segmentID, _name = self.currentSegment()
        return [segmentID] if segmentID in self._seeds else []

    def seedsOfRun(self):
        """The seeds that a run takes, by segment ID; a segment whose painted slices are all switched off is none."""
        marks = self.marks()
        seeds = {segmentID: self.usedSeeds(segmentID, marks) for segmentID in self.wantedSegments()}
        return {segmentID: own for segmentID, own in seeds.items() if is_painted(own)}

    def updateEstimate(self):
        """How many slices, where, how long; and whether a run can start."""
        p = self._parameterNode
        self.updateWriting()
        if self._run is not None or not p:
            self.ui.propagateButton.enabled = False
            self.ui.cancelButton.enabled = self._run is not None
            self.ui.measureButton.setVisible(False)
            return
        ready, possible = readiness.is_ready(self._items), False
        try:
            seeds = self.seedsOfRun() if self._volume is not None else {}
            if not seeds:
                text = _("Paint at least one slice first.")
            else:
                work = self.logic.workload(seeds, self._volume, p)
                possible = ready and bool(work.predicted)
                if not ready:
                    text = _("Up to {n} slices. Finish \u201cSet up\u201d first.").format(n=work.predicted)
                elif not possible:
                    text = _("Nothing is painted on the axes that are switched on under Advanced.")
                else:
                    text = self.estimateText(work)
        except InputError as error:
            text, possible = str(error), False
        self.ui.estimateLabel.text = text
        self.ui.propagateButton.enabled = possible
        self.ui.cancelButton.enabled = self._measurement is not None
        self.offerMeasuring()

    def updateWriting(self):
        """Say before a run what the user may not expect of the result: where other segments give way, for one."""
        p, sentences = self._parameterNode, []
        if self._run is not None:
            return
        if p and self._volume is not None and p.segmentation is not None:
            from SAM2VolumeSegLib.scene import before_writing

            with suppress(InputError):  # said elsewhere in the panel
                sentences = before_writing(
                    p.segmentation,
                    p.volume,
                    self.wantedSegments(),
                    list(self._seeds),
                    target=p.target.value,
                    editor_node=self.editor.mrmlSegmentEditorNode(),
                )
        self.ui.writingLabel.text = " ".join(sentences)
        self.ui.writingLabel.setVisible(bool(sentences))

    def planFor(self, p):
        """The choices that decide about device and input size."""
        return p.model, p.ownCheckpoint, p.ownArchitecture, p.device, p.inputSize

    def estimateText(self, work):
        """The sentence before a run. The device is known once PyTorch is loaded, which is done after this event."""
        p = self._parameterNode
        if self._plan is None or self._plan[0] != self.planFor(p):
            qt.QTimer.singleShot(0, self.preparePlan)
            return _("Up to {n} slices. Looking at this computer...").format(n=work.predicted)
        if self._plan[1] is None:
            raise InputError(self._plan[2])
        speed = self.speed()
        seconds = None if speed is None else speed.seconds(work)
        measuring = self._measurement is not None
        return estimate.before_sentence(work.predicted, self._plan[1], seconds, measuring and speed is None)

    def preparePlan(self):
        """Load PyTorch, once in a session, and ask it for the device."""
        p = self._parameterNode
        if not p:
            return
        wanted = self.planFor(p)
        if self._plan is not None and self._plan[0] == wanted:
            return
        try:
            self._plan = (wanted, *self.logic.devicePlan(p))
        except InputError as error:
            self._plan = (wanted, None, in_panel(error))
        except Exception:  # PyTorch is there but does not start
            logging.exception("SAM2VolumeSeg")
            text = _("PyTorch is installed but does not start. Restart Slicer; if that does not help, reinstall it.")
            self._plan = (wanted, None, text)
        self.updateEstimate()
        self._previewTimer.start()  # the size of the pictures is known now

    def onPropagate(self, checked=False):
        """Start a run; before the first one with this model on this computer, see how fast it is."""
        if self._run is not None or self._starting or not self._parameterNode:
            return
        if self._measurement is not None:
            self._measurement.update(asked=True, andRun=True)
            self.ui.progressLabel.text = _("Measuring how fast this computer is...")
        elif self.canMeasure() and self._plan[3] not in self._notMeasurable:
            self.startMeasuring(andRun=True)
        else:
            self.startRun()

    def startRun(self):
        """Load the model and step the run."""
        p = self._parameterNode
        with self.errorsShown():
            self.ui.progressLabel.text = _("Loading the model...")
            self._starting = True  # a second press may be handled here
            try:
                slicer.app.processEvents()
            finally:
                self._starting = False
            if self._parameterNode is not p:  # the scene was closed, or the module left
                self.ui.progressLabel.text = ""
                return
            self.logic.updateWindow(p)  # "as the CT is displayed now" means now
            self.refreshSeeds()  # what was painted a moment ago counts too
            wanted = list(self.seedsOfRun()) or self.wantedSegments()
            self._run = self.logic.startRun(p.volume, p.segmentation, p, wanted, self.marks())
            # What the user changes during the run does not change how it ends.
            self._ending = {
                "target": p.target.value,
                "intensity_range": (p.rangeLower, p.rangeUpper) if p.limitToRange else None,
                "editor_node": self.logic.editorNode(),  # should it be removed, its masking still counts
            }
            self._show3D, self._ranWith, self._ranOn = p.show3D, p, p.segmentation
            self._started = time.monotonic()
            self.ui.progressBar.value = 0
            self.ui.progressBar.setVisible(True)
            self.onParametersChanged()
            self._stepTimer.start()
        if self._run is None:
            self.ui.progressLabel.text = ""

    def onStep(self):
        """Compute one slice; the event loop runs between two of them, so views and Cancel stay alive."""
        if self._run is None:
            return
        with self.errorsShown():
            try:
                progress = self._run.step()
                if progress is not None:
                    self.showProgress(progress)
                    self._stepTimer.start()
                    return
                self.finishRun()
                return
            except Exception:
                written = self._run is not None and self._run.state == "written"
                text = _("The result was written.") if written else _("The run ended early. Nothing was written.")
                self.endRun(text)
                raise

    def showProgress(self, progress):
        """Plane, slice, time left."""
        self.ui.progressBar.value = round(100 * progress.done / max(progress.total, 1))
        where = progress.plane and position_text(self._run.request.volume, progress.plane, progress.index)
        self.ui.progressLabel.text = estimate.progress_sentence(progress, where, progress.segment)

    def finishRun(self):
        """Write the result: one undo step, in the editor's history."""
        run, seconds = self._run, time.monotonic() - self._started
        same = self._ending["target"] == ch.Target.SAME.value
        if same:
            if self.editor.segmentationNode() is not self._ranOn:  # its history would be that of another segmentation
                self.showInEditor(self._ranOn, self._ranWith.volume)
            self.seenEditor().saveStateForUndo()
        node = run.finish(**self._ending)
        self.logic.remember(seconds)
        if not same:
            self._ranWith.result = node  # also when the module was left meanwhile
        if self._show3D:
            node.CreateClosedSurfaceRepresentation()
        where = _("the painted segments") if same else f"\u201c{node.GetName()}\u201d"
        text = _("Done in {time}. The result is in {where}. Look through it, slice by slice.")
        self.endRun(text.format(time=estimate.duration(seconds), where=where))

    def onCancel(self, checked=False):
        """Stop the run, or the measurement before it."""
        self.stopMeasuring(_("Cancelled. Nothing was written."))
        self.endRun(_("Cancelled. Nothing was written."))

    def endRun(self, message=""):
        """Let go of a run that is over, was cancelled or failed."""
        if self._run is None:
            return
        run, self._run = self._run, None
        if run.state != "written":
            run.cancel()
        self.ui.progressBar.setVisible(False)
        self.ui.progressLabel.text = message
        self.onParametersChanged()
        self.updateEstimate()
