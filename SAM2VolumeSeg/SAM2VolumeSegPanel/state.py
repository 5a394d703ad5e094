"""What the panel works on, and who wants to know when it changes. Plain Python: no Qt, and of Slicer only words."""

import logging
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import readiness
from SAM2VolumeSegLib.panel.messages import in_panel
from SAM2VolumeSegLib.seeds import is_painted
from SAM2VolumeSegPanel.marks import keepMarks, marksOf


class Signal:
    """Tells that something has changed. Handlers get no values: they look at the state."""

    def __init__(self):
        self._handlers = []

    def connect(self, handler):
        """Call a handler without arguments from now on."""
        self._handlers.append(handler)

    def emit(self):
        """Call the handlers, in the order in which they were connected."""
        for handler in self._handlers:
            handler()


class Segment(NamedTuple):
    """A painted segment; both empty: there is none."""

    ID: str = ""
    name: str = ""


@dataclass(frozen=True)
class Found:
    """What is painted.

    Attributes:
        node: the CT's node.
        volume: the CT as the engine has it; None: there is none, or it cannot be used.
        seeds: what is painted on it, by segment ID.
        problem: a sentence that says why what is painted cannot be used.
        remedy: what can put that right where a button can, as in `InputError`.
    """

    node: Any = None
    volume: Any = None
    seeds: dict = field(default_factory=dict)
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Finished:
    """A run that is over, as long as its result can be reviewed; it may have been in another session.

    Attributes:
        node: the segmentation that holds the result.
        volumeNode: the CT that it was made from.
        request: of the run, for the engine.
        evidence: what the run kept, a `review.Evidence`.
        provenance: how it was made.
        choices: with which it was started; another model may be chosen since.
        isAudit: whether its seeds were taken from the segmentation itself, which is what is judged.
    """

    node: Any
    volumeNode: Any
    request: Any
    evidence: Any
    provenance: Any
    choices: Any
    isAudit: bool = False


@dataclass(frozen=True)
class Plan:
    """Where a run would compute: ready, or blocked with a sentence.

    Attributes:
        choices: what it is for (see `planChoices`).
        device: such as "cuda:0".
        imageSize: side of the model's input in pixels.
        speedKey: the name under which the speed of such runs is kept.
        batchSize: slices that the network predicts at once.
        problem: why there can be no run; empty: the plan is ready.
    """

    choices: tuple
    device: str = ""
    imageSize: int = 0
    speedKey: str = ""
    batchSize: int = 1
    problem: str = ""

    @property
    def isReady(self):
        """Whether a run could start."""
        return not self.problem


def planChoices(choices):
    """The choices that decide about device and input size."""
    return choices.model, choices.ownCheckpoint, choices.ownArchitecture, choices.device, choices.inputSize


class PanelState:
    """What the sections of the panel share.

    Attributes:
        parameters: the scene's parameter node; None while the module is not shown, or a scene is being closed.
        found: what is painted, a `Found`.
        facts, requirements: what is on this computer, and what that means for a run (see `readiness`).
        propagation: the run that goes on (see `propagation.Propagation`), or None.
        finished: the last run that was written, a `Finished`, or None.
        checking: the review that goes on (see `review_work.Work`), or None.
        measurement: the measurement that goes on (see `measure_section.Measurement`), or None.
        download: the download that goes on, a generator, or None.
        isCorrecting: whether the editor shows the result and not what was painted.
        sceneChanged: `parameters` is that of another scene, or None now.
        choicesChanged: a choice was changed, here, by a script or by a loaded scene.
        segmentChanged: another segment was selected in the editor.
        seedsChanged: `found` is new.
        readinessChanged: `requirements` are new.
        planChanged: the plan is made.
        workChanged: a run, a review or a measurement begins or is over.
        editorChanged: something of the Segment Editor is set anew: its effect, its masking, its segment.
        viewChanged: another slice view is the current one, or views, their slices or the layout have changed.
    """

    def __init__(self, logic, selectedSegmentID=lambda: ""):
        self.logic = logic
        self.selectedSegmentID = selectedSegmentID  # asks the editor: it does not always say when that changes
        self.parameters = None
        self.found = Found()
        self.facts = self.requirements = None
        self.propagation = self.finished = self.checking = self.measurement = self.download = None
        self.isCorrecting = False
        self._plan = None
        self.sceneChanged, self.choicesChanged, self.segmentChanged, self.seedsChanged = (Signal() for n in range(4))
        self.readinessChanged, self.planChanged, self.workChanged, self.editorChanged = (Signal() for n in range(4))
        self.viewChanged = Signal()

    # ------------------------------------------------------------------------------------------------------- changing

    def setParameters(self, parameters):
        """Take up the choices and nodes of a scene; None lets go of them."""
        self.parameters = parameters
        if parameters is None:
            self.found = Found()
        self.sceneChanged.emit()
        self.onChoicesChanged()

    def onChoicesChanged(self, caller=None, event=None):
        """The parameter node was modified."""
        if self.parameters is not None:
            self.logic.updateWindow(self.parameters)
            self.choicesChanged.emit()

    def findSeeds(self):
        """Look for painted slices."""
        p = self.parameters
        if p is None or p.volume is None or p.segmentation is None:
            self.found = Found()
            self.logic.forget()
        else:
            try:
                volume, seeds = self.logic.findSeeds(p.segmentation, p.volume)
                self.found = Found(p.volume, volume, seeds)
            except InputError as error:
                self.found = Found(problem=str(error), remedy=error.remedy)
        if p is not None:
            self.logic.updateWindow(p)
        self.seedsChanged.emit()

    def lookAtComputer(self):
        """See what is missing on this computer."""
        self.facts = self.logic.facts(self.parameters)
        self.requirements = readiness.check(self.facts)
        if self._plan is not None and not self._plan.isReady:
            self._plan = None  # what stood in the way may be gone
        self.readinessChanged.emit()

    def recallPlan(self):
        """Take the plan of an earlier session, where there is one; nobody waits for PyTorch."""
        known = self.logic.remembered.plan(self.parameters)
        if known is not None:
            self._plan = Plan(planChoices(self.parameters), *known)

    def makePlan(self):
        """Load PyTorch, once in a session, and ask it for the device."""
        if self.parameters is None or self.plan is not None:
            return
        choices = planChoices(self.parameters)
        try:
            self._plan = Plan(choices, *self.logic.devicePlan(self.parameters))
        except InputError as error:
            self._plan = Plan(choices, problem=in_panel(error))
        except Exception:  # PyTorch is there but does not start
            logging.exception("SAM2VolumeSeg")
            text = _("PyTorch is installed but does not start. Restart Slicer; if that does not help, reinstall it.")
            self._plan = Plan(choices, problem=text)
        self.planChanged.emit()

    def setMarks(self, marks):
        """Keep marks in the scene."""
        keepMarks(self.parameters, marks)

    # --------------------------------------------------------------------------------------------------------- asking

    @property
    def plan(self):
        """The plan for the choices as they are now; None: it is not made yet."""
        known = self._plan is not None and self.parameters is not None
        return self._plan if known and self._plan.choices == planChoices(self.parameters) else None

    @property
    def isBusy(self):
        """Whether something goes on that the user waits for."""
        return any(work is not None for work in (self.propagation, self.checking, self.measurement, self.download))

    @property
    def hasResult(self):
        """Whether there is a result beside what is painted."""
        p = self.parameters
        return p is not None and p.result is not None and p.result is not p.segmentation

    @property
    def marks(self):
        """What the user switched off or marked absent."""
        return marksOf(self.parameters)

    @property
    def segment(self):
        """The painted segment that is selected in the editor; else the first one."""
        p, segmentID = self.parameters, self.selectedSegmentID()
        segmentation = p.segmentation.GetSegmentation() if p is not None and p.segmentation is not None else None
        found = segmentation.GetSegment(segmentID) if segmentation and segmentID else None
        if found is None and segmentation and segmentation.GetNumberOfSegments():
            segmentID = segmentation.GetNthSegmentID(0)
            found = segmentation.GetSegment(segmentID)
        return Segment(segmentID, found.GetName()) if found else Segment()

    def usedSeeds(self, segmentID):
        """The seeds of a segment that a run takes.

        Raises:
            InputError: something was painted on a slice that is marked absent.
        """
        return self.marks.applied(segmentID, self.found.seeds.get(segmentID, ()), self.found.volume)

    def wantedSegments(self):
        """IDs of the segments that a run is for."""
        if self.parameters.scope is ch.Scope.ALL:
            return list(self.found.seeds)
        selected = self.segment.ID
        return [selected] if selected in self.found.seeds else []

    def seedsOfRun(self):
        """The seeds that a run takes, by segment ID; a segment whose painted slices are all switched off is left out.

        Raises:
            InputError: as `usedSeeds`.
        """
        seeds = {segmentID: self.usedSeeds(segmentID) for segmentID in self.wantedSegments()}
        return {segmentID: own for segmentID, own in seeds.items() if is_painted(own)}
