"""A run on nodes that the user may delete, close or change while it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.review import Evidence
from SAM2VolumeSegLib.scene.evidence import forget_evidence, keep_evidence
from SAM2VolumeSegLib.scene.nodes import volume_from_node
from SAM2VolumeSegLib.scene.writing import write_result

if TYPE_CHECKING:  # seeds are shown before torch is installed
    from SAM2VolumeSegLib.propagation import Progress, Request, Result, Segmenter


class SceneRun:
    """One run of a ``Segmenter`` on a painted segmentation.

    Its request holds what was read of the scene when the run began; the scene is written by ``finish``, and not before.
    Step it, and let the application handle events between two steps::

        with SceneRun(segmenter, request, segmentation_node, volume_node) as run:
            while (progress := run.step()) is not None:
                ...
            result_node = run.finish()

    Leaving the ``with`` block before ``finish`` cancels the run: after an error the scene is as it was.

    Attributes:
        state: "running", "done" (``finish`` may be called), "written" or "cancelled".
        request: what the run is for, by segment ID.
        result: the ``Result`` once the state is "done" (segments by the request's names), else None.
        evidence: what a review needs of it, once it is written.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        request: Request,
        segmentation_node: slicer.vtkMRMLSegmentationNode,
        volume_node: slicer.vtkMRMLScalarVolumeNode,
    ):
        """Check that the request is about what is in the scene; nothing is computed yet.

        Args:
            segmenter: holds the model and the embeddings that earlier runs have computed.
            request: made of the nodes, with segment IDs as keys.
            segmentation_node: what was painted.
            volume_node: on which CT.

        Raises:
            InputError: a node or a segment of the request is gone, or the CT was changed or moved since.
        """
        self.state = "running"
        self.result: Result | None = None
        self.evidence: Evidence | None = None
        self.request = request
        self._stepping = False
        self._segmentation_node, self._volume_node = segmentation_node, volume_node
        self._run = segmenter.run(request)
        self._check_nodes()
        if not request.is_about(volume_from_node(volume_node)):
            raise InputError(
                _('"{volume}" was changed or moved since its painted slices were found. Propagate again.').format(
                    volume=volume_node.GetName()
                )
            )

    def step(self) -> Progress | None:
        """Compute one slice; return where the run is, or None when all is computed.

        Raises:
            InputError: a node of the run was deleted or the scene was closed (the run is then cancelled), the run was
                cancelled before, or a step is still going on.
        """
        if self._stepping:
            raise InputError(_("A propagation is already going on. Wait for it, or cancel it."))
        if self.state == "done":
            return None
        self._check_running()
        self._check_nodes()
        self._stepping = True
        try:
            return next(self._run)
        except StopIteration as end:
            if self.state == "running":  # and not cancelled during this step
                self.result, self.state = end.value, "done"
            return None
        except BaseException:
            self.state = "cancelled"
            raise
        finally:
            self._stepping = False
            if self.state == "cancelled":
                self._run.close()

    def finish(
        self,
        *,
        target: str = "new",
        editor_node: slicer.vtkMRMLSegmentEditorNode | None = None,
        intensity_range: tuple[float, float] | None = None,
        keeps_evidence: bool = True,
    ) -> slicer.vtkMRMLSegmentationNode:
        """Write the result (arguments and return as ``write_result``); once, and only after the last step.

        With ``keeps_evidence``, what a review needs is kept with it, for when the scene is loaded again.

        Raises:
            InputError: as ``step``; the CT was changed or moved during the run; or what ``write_result`` refuses.
        """
        self._check_running()
        if self.state != "done":
            raise InputError(_("The propagation is not finished. Wait for it before the result is written."))
        self._check_nodes()
        if not self.request.is_about(volume_from_node(self._volume_node)):
            self.cancel()
            raise InputError(
                _(
                    '"{volume}" was changed or moved during the propagation, so its result was not written. '
                    "Propagate again."
                ).format(volume=self._volume_node.GetName())
            )
        names = dict(self.request.names)
        masks = {segment: self.result.segments[name].found for segment, name in names.items()}
        evidence = Evidence.of(self.request, self.result)
        node = write_result(
            masks,
            self._segmentation_node,
            self._volume_node,
            self.result.provenance | {"segment_ids": names},
            target=target,
            editor_node=editor_node,
            intensity_range=intensity_range,
        )
        self.state, self.evidence = "written", evidence
        if keeps_evidence:
            keep_evidence(node, evidence)
        else:
            forget_evidence(node)  # of the run before, where the result is in the painted segments
        return node

    def cancel(self) -> None:
        """End the run. Nothing is written. May be called at any time, also during a step and more than once."""
        if self.state != "written":
            self.state = "cancelled"
        if not self._stepping:
            self._run.close()

    def __enter__(self) -> SceneRun:
        return self

    def __exit__(self, *error) -> None:
        if self.state != "written":
            self.cancel()

    def _check_running(self) -> None:
        if self.state == "cancelled":
            raise InputError(_("The propagation was cancelled. Nothing was written."))
        if self.state == "written":
            raise InputError(_("The result was written already. Propagate again for another one."))

    def _check_nodes(self) -> None:
        """Cancel the run and raise InputError when something that it needs is gone."""
        gone = None
        if not _is_in_scene(self._volume_node):
            gone = _("The CT was removed from the scene, so the propagation was cancelled.")
        elif not _is_in_scene(self._segmentation_node):
            gone = _("The painted segmentation was removed from the scene, so the propagation was cancelled.")
        else:
            segmentation = self._segmentation_node.GetSegmentation()
            for segment, name in self.request.names.items():
                if segmentation.GetSegment(segment) is None:
                    gone = _('The segment "{name}" was removed, so the propagation was cancelled.').format(name=name)
        if gone is not None:
            self.cancel()
            raise InputError(gone + " " + _("Nothing was written."))


def _is_in_scene(node: slicer.vtkMRMLNode) -> bool:
    """Say whether a node is still there: a removed one keeps its wrapper and its voxels, but not its scene."""
    return node.GetScene() is not None and node.GetScene().GetNodeByID(node.GetID() or "") is node
