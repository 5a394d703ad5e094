"""What is reviewed, and what is known of it: shared by the sections of the review."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

from slicer.i18n import tr as _

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import review_table as table
from SAM2VolumeSegLib.propagation import Request, Sight
from SAM2VolumeSegLib.propagation.workload import work_again
from SAM2VolumeSegPanel.dialogs import errorsShown
from SAM2VolumeSegPanel.state import Finished, Signal


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
        comparison: with the reference that the user has chosen, a `review.Comparison`, or None.
        propagated: of an audit, with what was propagated; or None.
        name: of the segment that is chosen; "": of none.
        changed: any of these, or what was seen and ticked off.
    """

    def __init__(self, state, logic, timers):
        self.state, self.logic = state, logic
        self.changed = Signal()
        self._letGo()
        self._timer = timers.make(0, self.onStep)
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
        if p is None or finished is None or not self._isThere(finished) or finished.volumeNode is not p.volume:
            return None
        return finished if finished.node in (p.result, p.segmentation) else None

    def _isThere(self, finished):
        return all(node.GetScene() is not None for node in (finished.node, finished.volumeNode))

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

    def along(self, plane):
        """Numbers of the chosen segment's slices, a `review.Along`."""
        from SAM2VolumeSegLib.review import Along, SegmentEvidence

        run = self._of
        evidence = SegmentEvidence.of(run.result.segments[self.name], run.request.named_seeds[self.name])
        return Along.of(self.volume, evidence, self.segment.errors.found, plane)

    @property
    def verdicts(self):
        """What was said of the reviewed segments, `review.Verdict`s by name."""
        from SAM2VolumeSegLib.scene import verdicts_of

        return verdicts_of(self.node, self.segmentIDs)

    def report(self):
        """What a report says, a `report.Report`; a generator, for its steps take their time. Raises InputError."""
        from SAM2VolumeSegLib.report import Report
        from SAM2VolumeSegLib.scene import provenance_of
        from SAM2VolumeSegLib.volume import Window

        of, p = self._of, self.state.parameters
        before, made = {}, provenance_of(of.node)
        if p.compared is not None and p.compared is not of.node and provenance_of(p.compared) is not None:
            before = yield from self._masks(p.compared, of.request.names, of.volumeNode)
        return Report(
            case=of.node.GetName(),
            volume=self.volume,
            window=Window(*of.result.provenance["window_hu"]),
            review=self.review,
            verdicts=self.verdicts,
            before=before,
            propagated=self.propagated,
            reference=self.comparison,
            done=table.what_was_done(self.review, self.propagated is not None),
            sources=self._sources(),
            provenance={"result": made, "review": of.result.provenance} if made else {"review": of.result.provenance},
        )

    def _sources(self):
        """What went in, by what it is."""
        nodes = {_("CT"): self._of.volumeNode, _("segmentation"): self._of.node, _("reference"): self._reference}
        return {what: node.GetName() for what, node in nodes.items() if node is not None and node.GetScene()}

    def seconds(self):
        """How long a self-check takes at most; None where that was not measured. Raises InputError."""
        from SAM2VolumeSegLib.review.self_check import SLAB_MM  # scipy takes a moment

        run, plan = self.finished.request, self.state.plan
        speed = self.logic.remembered.timings().speed(plan.speedKey) if plan is not None and plan.isReady else None
        if speed is None:
            return None
        return speed.seconds(work_again(Sight(run.volume, run.seeds, run.settings, plan.imageSize), SLAB_MM))

    # ------------------------------------------------------------------------------------------------------ computing

    def onChanged(self):
        """A run is over, another result is worked on, or the scene is another one."""
        if self.state.propagation is not None:
            self.stop()  # the run needs the model, and the list is made anew after it
            if self.review is None:
                self._of = None  # after a run that is cancelled, it is begun again
            return
        finished = self.finished
        if self.state.parameters is None:
            return
        if finished is None and self.state.finished is not None and not self._isThere(self.state.finished):
            self.state.finished = None  # with it, the voxels of a CT that was deleted
        if finished is not self._of:
            self.stop()
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
            self.start(Work(self._compared(reference), self._onCompared))

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
        from SAM2VolumeSegLib.review import Evidence, compare_steps, review_steps

        of, check = self._of, self.check
        volume = self.logic.volume(of.volumeNode)
        evidence = Evidence.of(of.request, of.result)
        yield ""
        masks = yield from self._masks(of.node, of.request.names, of.volumeNode)
        review = yield from review_steps(volume, evidence, check, masks)
        if not of.isAudit:
            return review, None
        found = {name: own.found for name, own in of.result.segments.items()}
        return review, (yield from compare_steps(volume, masks, found))

    def _masks(self, node, names, volumeNode):
        """Masks of segments by name, one after the other: of a whole spine that takes seconds."""
        from SAM2VolumeSegLib.scene import masks_from_segments

        masks = {}
        for ID, name in names.items():
            masks |= masks_from_segments(node, {ID: name}, volumeNode)
            yield name
        return masks

    def _onReviewed(self, answer):
        self.review, self.propagated = answer
        if self.name not in self.review.segments:
            self.name = next(iter(self.review.segments), "")
        self._forgetMarks()
        self.changed.emit()
        if self.state.parameters is not None:
            self.compare()

    def _compared(self, reference):
        from SAM2VolumeSegLib.review import compare_steps
        from SAM2VolumeSegLib.scene import segment_names

        of = self._of
        masks = yield from self._masks(of.node, of.request.names, of.volumeNode)
        references = yield from self._masks(reference, segment_names(reference), of.volumeNode)
        return (yield from compare_steps(self.logic.volume(of.volumeNode), masks, references))

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

        def steps():
            request = yield from self._auditRequest(node, volumeNode, choices)
            segmenter = self.logic.segmenter(choices)
            return request, (yield from segmenter.run(request))

        def finish(answer):
            now = self.state.parameters
            if now is None or now.segmentation is not node:
                return  # the module was left, or something else is worked on: the audit is not wanted any more
            then()
            self.state.finished = Finished(node, volumeNode, *answer, choices, isAudit=True)
            self.state.workChanged.emit()

        self.start(Work(steps(), finish, show))

    def _auditRequest(self, node, volumeNode, choices):
        from SAM2VolumeSegLib.review import audit_seeds
        from SAM2VolumeSegLib.scene import segment_names

        volume, names = self.logic.volume(volumeNode), segment_names(node)
        masks = yield from self._masks(node, {ID: ID for ID in names}, volumeNode)
        return Request.of(volume, audit_seeds(masks, volume), ch.settings_from(choices), names=names)

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
        self._letGo()
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
