"""A run on nodes that the user may delete, close or change while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import slicer

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.scene.nodes import segment_names, volume_from_node
from SAM2VolumeSegLib.scene.reading import find_all_seeds
from SAM2VolumeSegLib.scene.writing import write_result
from SAM2VolumeSegLib.seeds import SeedSlice, marked_seeds
from SAM2VolumeSegLib.volume import Plane, Volume

if TYPE_CHECKING:  # seeds are shown before torch is installed
    from SAM2VolumeSegLib.propagation import Progress, Result, Segmenter, Settings


class SceneRun:
    """One run of a ``Segmenter`` on a painted segmentation. The scene is read at the start and written by ``finish``.

    Step it, and let the application handle events between two steps::

        with SceneRun(segmenter, segmentation_node, volume_node, settings) as run:
            while (progress := run.step()) is not None:
                ...
            result_node = run.finish()

    Leaving the ``with`` block before ``finish`` cancels the run: after an error the scene is as it was.

    Attributes:
        state: "running", "done" (``finish`` may be called), "written" or "cancelled".
        volume: the CT as ``Volume``.
        seeds: list of SeedSlice by segment ID.
        names: by segment ID the name that ``Progress.segment`` has (the segment's, with " (2)" where it occurs again).
        result: the ``Result`` once the state is "done" (segments by those names), else None.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        segmentation_node: slicer.vtkMRMLSegmentationNode,
        volume_node: slicer.vtkMRMLScalarVolumeNode,
        settings: Settings,
        *,
        segment_ids: Sequence[str] | None = None,
        absent: Mapping[str, Sequence[tuple[Plane, int]]] | None = None,
        skipped: Mapping[str, Sequence[tuple[Plane, int]]] | None = None,
        convert: bool = False,
    ):
        """Read the seeds; nothing is computed yet.

        Args:
            segmenter: holds the model and the embeddings that earlier runs have computed.
            segmentation_node, volume_node: what was painted, and on which CT.
            settings: every choice of the run.
            segment_ids: which segments; None takes all that are painted and not switched off on every slice.
            absent: by segment ID the slices on which the user says that the structure is not there.
            skipped: by segment ID the slices, painted or absent, that the user switched off.
            convert: see ``seeds_from_segmentation``.

        Raises:
            InputError: nothing is painted, a named segment is empty, or what ``seeds_from_segmentation``
                and ``marked_seeds`` refuse.
        """
        self.state = "running"
        self.result: Result | None = None
        self._stepping = False
        self._segmentation_node, self._volume_node = segmentation_node, volume_node
        self.volume = volume_from_node(volume_node)
        self.seeds = _chosen(
            find_all_seeds(segmentation_node, volume_node, self.volume, segment_ids, convert=convert),
            segment_names(segmentation_node),
            segment_ids,
            absent or {},
            skipped or {},
            self.volume,
        )
        self.names = _unique({segment: segment_names(segmentation_node)[segment] for segment in self.seeds})
        self._fingerprint = self.volume.fingerprint()
        self._run = segmenter.run(
            self.volume, {self.names[segment]: seeds for segment, seeds in self.seeds.items()}, settings
        )

    def step(self) -> Progress | None:
        """Compute one slice; return where the run is, or None when all is computed.

        Raises:
            InputError: a node of the run was deleted or the scene was closed (the run is then cancelled), the run was
                cancelled before, or a step is still going on.
        """
        if self._stepping:
            raise InputError("A propagation is already going on. Wait for it, or cancel it.")
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
    ) -> slicer.vtkMRMLSegmentationNode:
        """Write the result (arguments and return as ``write_result``); once, and only after the last step.

        Raises:
            InputError: as ``step``; the CT was changed or moved during the run; or what ``write_result`` refuses.
        """
        self._check_running()
        if self.state != "done":
            raise InputError("The propagation is not finished. Wait for it before the result is written.")
        self._check_nodes()
        if volume_from_node(self._volume_node).fingerprint() != self._fingerprint:
            self.cancel()
            raise InputError(
                f'"{self._volume_node.GetName()}" was changed or moved during the propagation, so its result was not '
                "written. Propagate again."
            )
        masks = {segment: self.result.segments[name].found for segment, name in self.names.items()}
        node = write_result(
            masks,
            self._segmentation_node,
            self._volume_node,
            self.result.provenance | {"segment_ids": self.names},
            target=target,
            editor_node=editor_node,
            intensity_range=intensity_range,
        )
        self.state = "written"
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
            raise InputError("The propagation was cancelled. Nothing was written.")
        if self.state == "written":
            raise InputError("The result was written already. Propagate again for another one.")

    def _check_nodes(self) -> None:
        """Cancel the run and raise InputError when something that it needs is gone."""
        problem = None
        for node, what in ((self._volume_node, "The CT"), (self._segmentation_node, "The painted segmentation")):
            # A removed node keeps its wrapper and its voxels, but not its scene.
            if node.GetScene() is None or node.GetScene().GetNodeByID(node.GetID() or "") is not node:
                problem = problem or f"{what} was removed from the scene"
        if problem is None:
            segmentation = self._segmentation_node.GetSegmentation()
            for segment, name in self.names.items():
                if segmentation.GetSegment(segment) is None:
                    problem = f'The segment "{name}" was removed'
        if problem is not None:
            self.cancel()
            raise InputError(f"{problem}, so the propagation was cancelled. Nothing was written.")


def _chosen(
    seeds: dict[str, list[SeedSlice]],
    names: Mapping[str, str],
    segment_ids: Sequence[str] | None,
    absent: Mapping[str, Sequence[tuple[Plane, int]]],
    skipped: Mapping[str, Sequence[tuple[Plane, int]]],
    volume: Volume,
) -> dict[str, list[SeedSlice]]:
    """Return the seeds with the user's choices. Raises InputError when nothing, or a named segment, is not painted."""
    if not seeds:
        raise InputError("Nothing is painted. Paint the structure on at least one slice, and propagate again.")
    for segment in segment_ids or ():
        if segment not in seeds:
            raise InputError(
                f'"{names[segment]}" is not painted on any slice. Paint it on at least one, or leave it out.'
            )
    chosen = {}
    for segment, own in seeds.items():
        used = marked_seeds(own, absent.get(segment, ()), skipped.get(segment, ()), volume)
        if any(not seed.absent for seed in used):
            chosen[segment] = used
        elif segment_ids is not None:  # without names: who switched off every slice of a segment does not want it
            raise InputError(f'Every painted slice of "{names[segment]}" is switched off. Switch at least one on.')
    if not chosen:
        raise InputError("Every painted slice is switched off. Switch at least one on, and propagate again.")
    return chosen


def _unique(names: Mapping[str, str]) -> dict[str, str]:
    """Number names that occur more than once."""
    result: dict[str, str] = {}
    for key, name in names.items():
        candidate, copies = name, 1
        while candidate in result.values():
            copies += 1
            candidate = f"{name} ({copies})"
        result[key] = candidate
    return result
