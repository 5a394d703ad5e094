"""Nodes in, nodes out."""

import sys
from dataclasses import asdict, replace

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from SAM2VolumeSegLib import __version__
from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel import estimate, facts
from SAM2VolumeSegLib.panel.best_model import best_model
from SAM2VolumeSegLib.panel.measure import measure
from SAM2VolumeSegLib.panel.preview import UNKNOWN_SIZE
from SAM2VolumeSegLib.propagation import Request, Sight
from SAM2VolumeSegLib.propagation.workload import rehearsal, workload
from SAM2VolumeSegPanel.parameters import HIGHEST, LOWEST, SAM2VolumeSegParameterNode
from SAM2VolumeSegPanel.remembered import Remembered


class SAM2VolumeSegLogic(ScriptedLoadableModuleLogic):
    """Nodes in, nodes out. Needs no main window; keeps the model and what it has computed between runs.

    Attributes:
        remembered: what is remembered of this computer from session to session.
    """

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self._tracker = None  # (what it was loaded for, the tracker)
        self._found = {}  # segment ID -> (stamp, seeds)
        self._volume = (None, None)  # (stamp, the CT as the engine has it)
        self.remembered = Remembered()
        self._running = None  # (key of its speed, segmenter) of the run that was started last

    def getParameterNode(self):
        """The choices of the scene. A new scene begins with the best model that is on this computer."""
        node = super().getParameterNode()
        isNew = not node.GetParameter("model")
        p = SAM2VolumeSegParameterNode(node)
        if isNew:
            p.model = best_model(facts.stored_models(), self.remembered.model())
        return p

    def editorNode(self):
        """The Segment Editor's node, shared by all editors of the application; made when there is none."""
        node = slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag("SegmentEditor")
            node = slicer.mrmlScene.AddNode(node)
        return node

    def facts(self, choices=None):
        """What is on this computer."""
        version = f"{slicer.app.majorVersion}.{slicer.app.minorVersion}"
        return facts.gather(version, choices or ch.Choices(), can_install=not slicer.app.testingEnabled())

    def volume(self, volumeNode):
        """The CT as the engine has it: the same object as long as nothing of the node changes. Raises InputError."""
        from SAM2VolumeSegLib.scene import volume_from_node, volume_stamp

        if volumeNode is None or volumeNode.GetImageData() is None:
            return volume_from_node(volumeNode)  # says what is wrong
        stamp = volume_stamp(volumeNode)
        if self._volume[0] != stamp:
            self._volume = (None, None)
            self._volume = (stamp, volume_from_node(volumeNode))
        return self._volume[1]

    def forget(self):
        """Let go of the CT and of what was painted: they are gone, and their memory is wanted back."""
        self._found, self._volume = {}, (None, None)
        if self._tracker is not None:
            self._tracker[1].forget()

    def findSeeds(self, segmentationNode, volumeNode, segmentIDs=None):
        """(Volume, seeds by segment ID) of what is painted. A segment that did not change is not searched again.

        Raises InputError.

        Args:
            segmentIDs: which segments; None takes all.
        """
        from SAM2VolumeSegLib.scene import seeds_from_segmentation
        from SAM2VolumeSegLib.scene.nodes import node_to_world
        from SAM2VolumeSegLib.scene.reading import check_labelmaps, checked_id

        volume = self.volume(volumeNode)
        check_labelmaps(segmentationNode, volumeNode)
        wanted = None if segmentIDs is None else [checked_id(segmentationNode, ID) for ID in segmentIDs]
        segmentation = segmentationNode.GetSegmentation()
        place = (volumeNode.GetID(), volume.voxels.shape, volume.ijk_to_ras.tobytes(), segmentationNode.GetID())
        place += (node_to_world(segmentationNode).tobytes(),)  # a transform's time of change does not tell
        found = {}
        for n in range(segmentation.GetNumberOfSegments()):
            segmentID = segmentation.GetNthSegmentID(n)
            if wanted is not None and segmentID not in wanted:
                continue
            segment = segmentation.GetSegment(segmentID)
            labelmap = segment.GetRepresentation(segmentation.GetSourceRepresentationName())
            stamp = (*place, labelmap and labelmap.GetMTime(), segment.GetLabelValue())
            known = self._found.get(segmentID)
            if known is None or known[0] != stamp:
                seeds = seeds_from_segmentation(segmentationNode, volumeNode, [segmentID])
                known = (stamp, seeds.get(segmentID, []))
            found[segmentID] = known
        self._found = found if wanted is None else self._found | found
        return volume, {segmentID: seeds for segmentID, (_stamp, seeds) in found.items() if seeds}

    def devicePlan(self, choices):
        """(device, input size in pixels, key of its speed, slices predicted at once) of a run.

        Imports PyTorch. Raises InputError.
        """
        from SAM2VolumeSegLib.model import devices

        model = ch.model_from(choices)
        plan = devices.plan(model, choices.device.value, choices.inputSize.value)
        found = str(plan.device), plan.image_size, self._speedKey(model, plan), plan.batch_size
        self.remembered.keepPlan(choices, found)
        return found

    @property
    def isTorchLoaded(self):
        """Whether loading PyTorch would take no time."""
        return "torch" in sys.modules

    def _speedKey(self, model, plan):
        from SAM2VolumeSegLib.model import checkpoints, devices

        digest = checkpoints.digest_of(model)  # a large official file is not read for this
        return estimate.timing_key(digest, devices.describe(plan.device), plan.image_size, __version__)

    def isLoaded(self, choices):
        """Whether the model of these choices is in memory."""
        return self._tracker is not None and self._tracker[0] == self._trackerFor(choices)

    def _trackerFor(self, choices):
        return ch.model_from(choices), choices.device, choices.inputSize

    def segmenter(self, choices):
        """The model, loaded once. Raises InputError."""
        from SAM2VolumeSegLib.model.tracker import SliceTracker
        from SAM2VolumeSegLib.propagation import Segmenter

        if not self.isLoaded(choices):
            self._tracker = None  # let the old one go before the new one needs its memory
            wanted = self._trackerFor(choices)
            tracker = SliceTracker.load(wanted[0], choices.device.value, choices.inputSize.value)
            self._tracker = (wanted, tracker)
        tracker = self._tracker[1]
        return Segmenter(tracker, self.remembered.timings().speed(self._speedKey(ch.model_from(choices), tracker.plan)))

    def request(self, volumeNode, segmentationNode, choices, segmentIDs=None, marks=None):
        """What a run is for (`propagation.Request`), from what is in the scene now. Raises InputError."""
        from SAM2VolumeSegLib.scene import segment_names

        settings = ch.settings_from(choices)
        volume, found = self.findSeeds(segmentationNode, volumeNode, segmentIDs)
        names = segment_names(segmentationNode)
        return Request.of(volume, found, settings, marks=marks, wanted=segmentIDs, names=names)

    def startRun(self, volumeNode, segmentationNode, choices, segmentIDs=None, marks=None):
        """A SceneRun: step it until it gives None, then finish it. Raises InputError."""
        from SAM2VolumeSegLib.scene import SceneRun

        request = self.request(volumeNode, segmentationNode, choices, segmentIDs, marks)
        segmenter = self.segmenter(choices)
        try:
            run = SceneRun(segmenter, request, segmentationNode, volumeNode)
        except InputError:
            self._volume = (None, None)  # voxels were changed and nobody was told: the next run reads them anew
            raise
        self._running = self._speedKey(ch.model_from(choices), segmenter.tracker.plan), segmenter
        return run

    def segment(
        self,
        volumeNode,
        segmentationNode,
        choices=None,
        segmentIDs=None,
        target="new",
        editorNode=None,
        intensityRange=None,
        progress=None,
    ):
        """Carry the painted segments through the CT; returns the segmentation node that holds the result.

        Args:
            choices: a `choices.Choices`, or the module's parameter node; default: the recommended ones with the best
                model that is on this computer.
            segmentIDs: which segments; None: all with painted slices.
            target: "new": a new node; "same": into the painted segments. Save the editor's state before, for undo.
            editorNode: whose masking is respected; None: no masking.
            intensityRange: (lower, upper) in HU that the result is limited to.
            progress: called with a `propagation.Progress` after each slice; what it raises cancels the run.

        Raises:
            InputError: one or two sentences that say what to do. Nothing was written then.
        """
        with self.startRun(volumeNode, segmentationNode, choices or self.recommended(), segmentIDs) as run:
            while (step := run.step()) is not None:
                if progress is not None:
                    progress(step)
            return run.finish(target=target, editor_node=editorNode, intensity_range=intensityRange)

    def recommended(self):
        """The recommended choices, with the best model that is here."""
        return ch.Choices(model=best_model(facts.stored_models()))

    def lesson(self, request, segment, choices, path):
        """A lesson of a request: a generator, to be stepped; at its end the page is written.

        Args:
            segment: the name of the one that is shown.
            choices: whose model runs.
            path: of the page.

        Raises:
            InputError: as a run does, or the page cannot be written.
        """
        from SAM2VolumeSegLib.lesson.content import content_of
        from SAM2VolumeSegLib.lesson.page import page_of, read_words
        from SAM2VolumeSegLib.lesson.run import lesson_of
        from SAM2VolumeSegLib.volume.target import check_target, write_text

        check_target(path)
        lesson = yield from lesson_of(self.segmenter(choices).tracker, request, segment)
        write_text(path, page_of(content_of(lesson), read_words()))

    def matchingSegments(self, resultNode, segmentationNode, segmentID):
        """(ID in the result, ID in the painted segmentation) of a segment of either; raises InputError."""
        result, painted = resultNode.GetSegmentation(), segmentationNode.GetSegmentation()
        for one, other, swap in ((result, painted, False), (painted, result, True)):
            segment = one.GetSegment(segmentID)
            if segment is None:
                continue
            match = segmentID if other.GetSegment(segmentID) else other.GetSegmentIdBySegmentName(segment.GetName())
            if match:
                return (match, segmentID) if swap else (segmentID, match)
        raise InputError(
            _("The selected segment is not in both the result and the painted segmentation. Select another one above.")
        )

    def workload(self, seeds, volume, choices, batchSize=1):
        """What a run has to compute at most; embeddings that are at hand are not counted. Raises InputError.

        Args:
            seeds: by segment ID, those in use.
            batchSize: slices that the network predicts at once.
        """
        settings = ch.settings_from(choices)
        if self.isLoaded(choices) and len(self._tracker[1].cache):
            tracker = self._tracker[1]
            sight = Sight(volume, seeds, settings, tracker.plan.image_size)
            return workload(sight, tracker.plan.batch_size, tracker.is_encoded)
        return workload(Sight(volume, seeds, settings, UNKNOWN_SIZE), batchSize)  # any size has as many slices

    def knowledge(self, choices):
        """Changes whenever more of a run is known; None as long as nothing was predicted."""
        if not self.isLoaded(choices) or not len(self._tracker[1].predictions):
            return None
        tracker = self._tracker[1]
        return id(tracker), tracker.encoded, tracker.tracked

    def workAhead(self, seeds, volume, choices):
        """Look up what a run has to compute, a slice at each step: a generator that returns the `Workload`.

        Args:
            seeds: by segment ID, those in use.
        """
        tracker = self._tracker[1]
        return rehearsal(tracker, Sight(volume, seeds, ch.settings_from(choices), tracker.plan.image_size))

    def measurement(self, volume, seeds, choices):
        """Load the model and measure it on a few slices of the CT: a generator, to be stepped; the result is kept.

        Args:
            seeds: by segment ID, those in use; what is measured is what a run on them needs first.
        """
        tracker = self.segmenter(choices).tracker
        yield
        # CLAHE is computed on the whole CT, once, and says nothing of the model.
        settings = replace(ch.settings_from(choices), clahe=False)
        sight = Sight(volume, seeds, settings, tracker.plan.image_size)
        seen = asdict((yield from measure(tracker, sight)))
        del seen["visit"]  # a run shows it
        self.remembered.record(self._speedKey(ch.model_from(choices), tracker.plan), seen)

    def remember(self):
        """Keep how fast the run was that was started last and is over, or cancelled, by what it had to compute."""
        if self._running is not None:
            (key, segmenter), self._running = self._running, None
            if segmenter.seen:
                self.remembered.record(key, segmenter.seen)

    def updateWindow(self, p):
        """Set the limits that belong to the chosen window."""
        limits, volume = ch.limits_of(p.window), p.volume
        if volume is not None and volume.GetImageData() is not None:
            display = volume.GetDisplayNode()
            if p.window is ch.WindowChoice.DISPLAY and display is not None:
                limits = display.GetWindowLevelMin(), display.GetWindowLevelMax()
            elif p.window is ch.WindowChoice.WHOLE_RANGE:
                limits = volume.GetImageData().GetScalarRange()
        if limits is None:
            return
        # Whole numbers, as the fields have: a field that rounds would write another value back, again and again.
        limits = [float(round(min(max(value, LOWEST), HIGHEST))) for value in limits]
        if limits[0] < limits[1]:
            with slicer.util.NodeModify(p):
                p.windowLower, p.windowUpper = limits
