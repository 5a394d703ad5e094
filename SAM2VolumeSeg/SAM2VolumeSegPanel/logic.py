"""Nodes in, nodes out."""

import slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.interactive import choices as ch
from SAM2VolumeSegLib.interactive import estimate, facts
from SAM2VolumeSegLib.interactive.seed_table import Marks
from SAM2VolumeSegPanel.parameters import HIGHEST, LOWEST, SAM2VolumeSegParameterNode

TIMINGS_KEY = "SAM2VolumeSeg/Timings"  # in the user's settings: a scene travels to other computers


class SAM2VolumeSegLogic(ScriptedLoadableModuleLogic):
    """Nodes in, nodes out. Needs no main window; keeps the model and what it has computed between runs."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)
        self._tracker = None  # (what it was loaded for, the tracker)
        self._found = {}  # segment ID -> (stamp, seeds)

    def getParameterNode(self):
        """The choices of the scene."""
        return SAM2VolumeSegParameterNode(super().getParameterNode())

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

    def findSeeds(self, segmentationNode, volumeNode):
        """(Volume, seeds by segment ID) of what is painted. A segment that did not change is not searched again."""
        from SAM2VolumeSegLib.scene import seeds_from_segmentation, volume_from_node

        volume = volume_from_node(volumeNode)
        segmentation = segmentationNode.GetSegmentation()
        place = (volumeNode.GetID(), volume.voxels.shape, volume.ijk_to_ras.tobytes(), segmentationNode.GetID())
        found = {}
        for n in range(segmentation.GetNumberOfSegments()):
            segmentID = segmentation.GetNthSegmentID(n)
            segment = segmentation.GetSegment(segmentID)
            labelmap = segment.GetRepresentation(segmentation.GetSourceRepresentationName())
            parent = segmentationNode.GetParentTransformNode()
            stamp = (*place, labelmap and labelmap.GetMTime(), segment.GetLabelValue(), parent and parent.GetMTime())
            known = self._found.get(segmentID)
            if known is None or known[0] != stamp:
                seeds = seeds_from_segmentation(segmentationNode, volumeNode, [segmentID])
                known = (stamp, seeds.get(segmentID, []))
            found[segmentID] = known
        self._found = found
        return volume, {segmentID: seeds for segmentID, (_stamp, seeds) in found.items() if seeds}

    def devicePlan(self, choices):
        """(device, input size in pixels) of a run. Imports PyTorch. Raises InputError."""
        from SAM2VolumeSegLib.model import devices

        plan = devices.plan(ch.model_from(choices), choices.device.value, choices.inputSize.value)
        return str(plan.device), plan.image_size

    def segmenter(self, choices):
        """The model, loaded once. Raises InputError."""
        from SAM2VolumeSegLib.model.tracker import SliceTracker
        from SAM2VolumeSegLib.segment import Segmenter

        model = ch.model_from(choices)
        wanted = (model, choices.device, choices.inputSize)
        if self._tracker is None or self._tracker[0] != wanted:
            self._tracker = None  # let the old one go before the new one needs its memory
            tracker = SliceTracker.load(model, choices.device.value, choices.inputSize.value)
            self._tracker = (wanted, tracker)
        return Segmenter(self._tracker[1])

    def startRun(self, volumeNode, segmentationNode, choices, segmentIDs=None, marks=None):
        """A SceneRun: step it until it gives None, then finish it. Raises InputError."""
        from SAM2VolumeSegLib.scene import SceneRun

        marks = marks or Marks()
        settings = ch.settings_from(choices)
        return SceneRun(
            self.segmenter(choices),
            segmentationNode,
            volumeNode,
            settings,
            segment_ids=segmentIDs,
            absent=marks.absent,
            skipped=marks.skipped,
        )

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

        :param choices: a `choices.Choices`, or the module's parameter node; default: the recommended ones with the best
          model that is on this computer.
        :param segmentIDs: which segments; None: all with painted slices.
        :param target: "new": a new node; "same": into the painted segments. Save the editor's state before, for undo.
        :param editorNode: whose masking is respected; None: no masking.
        :param intensityRange: (lower, upper) in HU that the result is limited to.
        :param progress: called with a `segment.Progress` after each slice; what it raises cancels the run.
        :raises InputError: one or two sentences that say what to do. Nothing was written then.
        """
        with self.startRun(volumeNode, segmentationNode, choices or self.recommended(), segmentIDs) as run:
            while (step := run.step()) is not None:
                if progress is not None:
                    progress(step)
            return run.finish(target=target, editor_node=editorNode, intensity_range=intensityRange)

    def recommended(self):
        """The recommended choices with the model small, else the largest other one that is here, else the demo."""
        stored = facts.stored_models()
        names = [name for name in ("small", "base+", "large", "tiny") if name in stored]
        return ch.Choices(model=ch.ModelChoice(names[0] if names else "demo"))

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

    def timings(self):
        """Seconds per slice measured on this computer."""
        return estimate.Timings.from_json(slicer.app.userSettings().value(TIMINGS_KEY))

    def remember(self, choices, slices, seconds):
        """Keep how long a run took."""
        if self._tracker is None:
            return
        plan, timings = self._tracker[1].plan, self.timings()
        key = estimate.timing_key(choices.model.value, str(plan.device), plan.image_size)
        timings.record(key, slices, seconds)
        slicer.app.userSettings().setValue(TIMINGS_KEY, timings.to_json())

    def updateWindow(self, p):
        """Set the limits that belong to the chosen window, and show or stop showing it. Only the display changes."""
        shown = p.windowVolume
        if shown is not None and (not p.showWindow or shown is not p.volume):
            self._restoreDisplay(p)
        limits = ch.limits_of(p.window)
        if p.volume is not None and p.volume.GetImageData() is not None and p.volume.GetDisplayNode() is not None:
            display = p.volume.GetDisplayNode()
            if p.window is ch.WindowChoice.DISPLAY and p.windowVolume is None:
                limits = display.GetWindowLevelMin(), display.GetWindowLevelMax()
            elif p.window is ch.WindowChoice.WHOLE_RANGE:
                limits = p.volume.GetImageData().GetScalarRange()
        if limits is not None:
            # Whole numbers, as the fields have: a field that rounds would write another value back, again and again.
            limits = [float(round(min(max(value, LOWEST), HIGHEST))) for value in limits]
        if limits is not None and limits[0] < limits[1]:
            with slicer.util.NodeModify(p):
                p.windowLower, p.windowUpper = limits
        if p.showWindow and p.volume is not None and p.volume.GetDisplayNode() is not None:
            self._showWindow(p)

    def _showWindow(self, p):
        display = p.volume.GetDisplayNode()
        if p.windowVolume is None:
            own = [display.GetAutoWindowLevel(), display.GetWindowLevelMin(), display.GetWindowLevelMax()]
            with slicer.util.NodeModify(p):
                p.ownWindow = [float(value) for value in own]
                p.windowVolume = p.volume
        if p.windowLower < p.windowUpper:
            display.SetAutoWindowLevel(0)
            display.SetWindowLevelMinMax(p.windowLower, p.windowUpper)

    def _restoreDisplay(self, p):
        display, own = p.windowVolume.GetDisplayNode(), list(p.ownWindow)
        with slicer.util.NodeModify(p):
            p.windowVolume = None
            p.ownWindow = []
        if display is not None and len(own) == 3:
            display.SetWindowLevelMinMax(own[1], own[2])
            display.SetAutoWindowLevel(int(own[0]))
