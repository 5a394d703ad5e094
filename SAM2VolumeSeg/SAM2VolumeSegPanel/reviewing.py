"""What is reviewed, and what is known of it: shared by the sections of the review."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from SAM2VolumeSegLib.panel import estimate
from SAM2VolumeSegLib.panel import review_table as table
from SAM2VolumeSegLib.propagation import Sight
from SAM2VolumeSegPanel.dialogs import errorsShown
from SAM2VolumeSegPanel.state import Signal


@dataclass
class Work:
    """A piece of a review that goes on.

    Attributes:
        steps: computes a little at each step, and returns the answer.
        then: gets the answer.
        show: gets each step.
    """

    steps: Generator
    then: Callable
    show: Callable = lambda step: None


class Reviewing:
    """The review of the last run's result, as long as that is what is worked on.

    Attributes:
        review: a `review.Review`, or None.
        check: the self-check that it was calibrated with, or None.
        name: of the segment that is chosen; "": of none.
        changed: any of these, or what was seen and ticked off.
    """

    def __init__(self, state, logic, timers):
        self.state, self.logic = state, logic
        self.review = self.check = None
        self.name = ""
        self.changed = Signal()
        self._of = None  # the run that the review is of
        self._timer = timers.make(0, self.onStep)
        for signal in (state.sceneChanged, state.choicesChanged, state.workChanged):
            signal.connect(self.onChanged)

    # -------------------------------------------------------------------------------------------------------- asking

    @property
    def finished(self):
        """The run whose result is worked on, a `state.Finished`; None: there is none, or it is gone."""
        p, finished = self.state.parameters, self.state.finished
        if p is None or finished is None or finished.node.GetScene() is None or finished.volumeNode is not p.volume:
            return None
        return finished if finished.node in (p.result, p.segmentation) else None

    @property
    def segment(self):
        """The review of the chosen segment, or None."""
        return self.review.segments.get(self.name) if self.review is not None else None

    @property
    def node(self):
        """The segmentation that was reviewed."""
        return self._of.node

    @property
    def segmentIDs(self):
        """IDs of the reviewed segments, in what is painted and in the result, by their name."""
        return {name: ID for ID, name in self._of.request.names.items() if name in self.review.segments}

    @property
    def volume(self):
        """The CT that was reviewed, as the engine has it."""
        return self._of.request.volume

    @property
    def verdicts(self):
        """What was said of the reviewed segments, `review.Verdict`s by name."""
        from SAM2VolumeSegLib.scene import verdicts_of

        return verdicts_of(self.node, self.segmentIDs)

    def seconds(self):
        """How long a self-check takes at most; None where that was not measured. Raises InputError."""
        run, plan = self.finished.request, self.state.plan
        speed = self.logic.timings().speeds.get(plan.speedKey) if plan is not None and plan.isReady else None
        if speed is None:
            return None
        return speed.seconds(estimate.self_check_workload(Sight(run.volume, run.seeds, run.settings, plan.imageSize)))

    # ------------------------------------------------------------------------------------------------------ computing

    def onChanged(self):
        """A run is over, another result is worked on, or the scene is another one."""
        if self.state.propagation is not None:
            self.stop()  # the run needs the model, and the list is made anew after it
            if self.review is None:
                self._of = None  # after a run that is cancelled, it is begun again
            return
        finished = self.finished
        if finished is not self._of and self.state.parameters is not None:
            self.stop()
            self.review = self.check = None
            self._of = finished
            self.changed.emit()
            if finished is not None:
                self.lookAgain()

    def lookAgain(self):
        """Review what is in the result's segments now."""
        self.start(Work(self._reviewed(), self._onReviewed))

    def checkItself(self, show):
        """Leave each painted slice out in turn, then review with what that says.

        Args:
            show: gets a `Progress` for each step.
        """
        self.start(Work(self._checked(), self._onChecked, show))

    def _reviewed(self):
        from SAM2VolumeSegLib.review import Evidence, review_steps
        from SAM2VolumeSegLib.scene import masks_from_segments

        of, check = self._of, self.check
        volume = self.logic.volume(of.volumeNode)
        evidence = Evidence.of(of.request, of.result)
        yield ""
        masks = masks_from_segments(of.node, of.request.names, of.volumeNode)
        yield ""
        return (yield from review_steps(volume, evidence, check, masks))

    def _onReviewed(self, review):
        self.review = review
        p = self.state.parameters
        if self.name not in review.segments:
            self.name = next(iter(review.segments), "")
        if p is not None:
            p.suspectsSeen = table.still_there(p.suspectsSeen, review)
            p.suspectsDone = table.still_there(p.suspectsDone, review)
        self.changed.emit()

    def _checked(self):
        from SAM2VolumeSegLib.review import self_check

        of = self._of
        segmenter = self.logic.segmenter(of.choices)
        return (yield from self_check(of.request, of.result, segmenter.run))

    def _onChecked(self, check):
        self.check = check
        self.lookAgain()

    # -------------------------------------------------------------------------------------------------------- stepping

    def start(self, work):
        """Do a piece of work, step by step; one that goes on is let go of."""
        self.stop()
        self.state.checking = work
        self.state.workChanged.emit()
        self._timer.start()

    def onStep(self):
        """Compute a little; the event loop runs between two steps, so views and Cancel stay alive."""
        work = self.state.checking
        if work is None:
            return
        with errorsShown():
            try:
                work.show(next(work.steps))
            except StopIteration as end:
                self.stop()
                work.then(end.value)
                return
            except Exception:
                self.stop()
                raise
            self._timer.start()

    def stop(self):
        """Let go of what goes on; the review stays as it was."""
        work, self.state.checking = self.state.checking, None
        if work is not None:
            self._timer.stop()
            work.steps.close()
            self.state.workChanged.emit()

    def forget(self):
        """The scene is about to be closed."""
        self.stop()
        self.review = self.check = self._of = None
        self.name = ""
        self.changed.emit()

    # --------------------------------------------------------------------------------------------------------- choosing

    def choose(self, name):
        """Choose a segment."""
        if name != self.name:
            self.name = name
            self.changed.emit()

    def mark(self, key, *, seen=None, ticked=None):
        """Keep in the scene that a suspect was gone to, or that it is ticked off or not any more.

        Args:
            key: of the suspect, see `review_table.suspect_key`.
            seen: whether it was gone to; None: as it was.
            ticked: likewise, whether it is ticked off.
        """
        p = self.state.parameters
        for field, wanted in (("suspectsSeen", seen), ("suspectsDone", ticked)):
            keys = getattr(p, field)
            if wanted is not None and wanted != (key in keys):
                setattr(p, field, [*keys, key] if wanted else [other for other in keys if other != key])
        self.changed.emit()
