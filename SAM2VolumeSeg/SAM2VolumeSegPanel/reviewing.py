"""What is reviewed, and what is known of it: shared by the sections of the review."""

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import review_table as table
from SAM2VolumeSegPanel import review_steps as steps
from SAM2VolumeSegPanel.kept import Kept
from SAM2VolumeSegPanel.review_work import Stepping, Work
from SAM2VolumeSegPanel.state import Signal


class Reviewing:
    """The review of the last run's result, as long as that is what is worked on; else of one that the scene kept.

    Attributes:
        review: a `review.Review`, or None.
        check: the self-check that it was calibrated with, or None.
        comparison: with the reference that the user has chosen, a `review.Comparison`, or None.
        propagated: of an audit, with what was propagated; or None.
        name: of the segment that is chosen; "": of none.
        kept: what the scene keeps of runs.
        changed: any of these, or what was seen and ticked off.
        work: steps what is computed.
    """

    def __init__(self, state, logic, timers):
        self.state, self.logic = state, logic
        self.changed = Signal()
        self._letGo()
        self.kept = Kept(logic)
        self.work = Stepping(state, timers)
        for signal in (state.sceneChanged, state.choicesChanged, state.workChanged):
            signal.connect(self.onChanged)

    def _letGo(self):
        self.review = self.check = self.comparison = self.propagated = None
        self.name = ""
        self._of = None  # the run that the review is of
        self._reference = None  # the node that the comparison is with

    # -------------------------------------------------------------------------------------------------------- asking

    @property
    def finished(self):
        """The run whose result is worked on, a `state.Finished`; None: there is none, or it is gone."""
        p, finished = self.state.parameters, self.state.finished
        if p is None or finished is None or not isThere(finished) or finished.volumeNode is not p.volume:
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
    def suspects(self):
        """Those that are listed, by segment: where it differs from the reference; without one, what is likely wrong."""
        beside = self.comparison.segments if self.comparison is not None else {}
        return {name: beside.get(name, own).suspects for name, own in self.review.segments.items()}

    @property
    def verdicts(self):
        """What was said of the reviewed segments, `review.Verdict`s by name."""
        from SAM2VolumeSegLib.scene import verdicts_of

        return verdicts_of(self.node, self.segmentIDs)

    def toMend(self, segmentID):
        """Slices of what is painted under an ID on which correcting the result saves most, the best first.

        None where the review is about something else than what is worked on: another CT or one that was changed since,
        or another structure, which may have the same ID in another segmentation, or after one was deleted.
        """
        from SAM2VolumeSegLib.review.suspects import LEAST_MM3

        if self.review is None or self._of.isAudit:  # of an audit, nothing was painted
            return []
        if not steps.isStillPainted(segmentID, self.state.found, self._of.request):
            return []
        segment = self.review.segments.get(self._of.request.names[segmentID])
        return [] if segment is None else [(one.plane, one.index) for one in segment.to_mend if one.mm3 >= LEAST_MM3]

    def along(self, plane):
        """Numbers of the chosen segment's slices, a `review.Along`."""
        return steps.along(self._of, self.segment, plane)

    def report(self):
        """What a report says, a `report.Report`; a generator. Raises InputError."""
        return steps.report(self, self._of, self._reference)

    def seconds(self):
        """How long a self-check takes at most; None where that was not measured. Raises InputError."""
        return steps.seconds(self.logic, self.finished, self.state.plan)

    # ------------------------------------------------------------------------------------------------------ computing

    def onChanged(self):
        """A run is over, another result is worked on, or the scene is another one."""
        if self.state.propagation is not None:
            self.work.stop()  # the run needs the model, and the list is made anew after it
            if self.review is None:
                self._of = None  # after a run that is cancelled, it is begun again
            return
        finished = self.finished
        if self.state.parameters is None:
            return
        if finished is None and self.state.finished is not None and not isThere(self.state.finished):
            self.state.finished = None  # with it, the voxels of a CT that was deleted
        if finished is None:
            problem = self.kept.problem
            finished = self.kept.restored(self.state.parameters)
            self.state.finished = finished or self.state.finished
            if self.kept.problem != problem:
                self.changed.emit()
        self.kept.keep(finished, self.state.parameters)
        if finished is not self._of:
            self.work.stop()
            name = self.name
            self._letGo()
            self._of, self.name = finished, name
            self.changed.emit()
            if finished is not None:
                self.lookAgain()
        elif self.review is not None and self.state.checking is None:
            self.compare()

    def compare(self):
        """Compare with the reference that is chosen, if that is another one than before."""
        reference = self.state.parameters.reference
        if reference is self._reference:
            return
        self._reference, self.comparison = reference, None
        if reference is None:
            self._onCompared(None)
        else:
            self.work.start(Work(steps.compared(self.logic, self._of, reference), self._onCompared))

    def lookAgain(self):
        """Review what is in the result's segments now."""
        self.work.start(Work(steps.reviewed(self.logic, self._of, self.check), self._onReviewed))

    def checkItself(self, show):
        """Leave each painted slice out in turn, then review with what that says.

        Args:
            show: gets a `Progress` for each step.
        """
        self.work.start(Work(steps.checked(self.logic, self._of), self._onChecked, show))

    def _onReviewed(self, answer):
        self.review, self.propagated = answer
        if self.name not in self.review.segments:
            self.name = next(iter(self.review.segments), "")
        self._forgetMarks()
        self.changed.emit()
        if self.state.parameters is not None:
            self.compare()

    def _onCompared(self, comparison):
        self.comparison = comparison
        self._forgetMarks()
        self.changed.emit()

    def _forgetMarks(self):
        """What was seen and ticked off is kept as long as it is listed."""
        p = self.state.parameters
        if p is not None:
            for field in ("suspectsSeen", "suspectsDone"):
                kept = table.still_there(getattr(p, field), self.suspects)
                if kept != getattr(p, field):
                    setattr(p, field, kept)

    def audit(self, show, then):
        """Propagate slices of the chosen segmentation itself, and judge it by what comes out. Raises InputError.

        Args:
            show: gets a `Progress` for each step.
            then: is called when that is done, before the result is reviewed.
        """
        p = self.state.parameters
        node, volumeNode, choices = p.segmentation, p.volume, ch.copy_of(p)

        def finish(finished):
            now = self.state.parameters
            if now is None or now.segmentation is not node:
                return  # the module was left, or something else is worked on: the audit is not wanted any more
            then()
            self.state.finished = finished
            self.state.workChanged.emit()

        self.work.start(Work(steps.audited(self.logic, node, volumeNode, choices), finish, show))

    def _onChecked(self, check):
        self.check = check
        self.lookAgain()

    def forget(self):
        """The scene is about to be closed."""
        self.work.stop()
        self._letGo()
        self.kept.forget()
        self.state.finished = None
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


def isThere(finished):
    """Whether what a run was on is still in the scene."""
    return all(node.GetScene() is not None for node in (finished.node, finished.volumeNode))
