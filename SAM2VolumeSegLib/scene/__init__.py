"""MRML nodes to the engine's numpy types and back, without Qt. The one room that knows 3D Slicer.

The modules below import ``slicer`` and ``vtk``: import this package only inside Slicer (or with slicer-core).
Lengths are in mm, coordinates are RAS, arrays are ``[k, j, i]`` on the CT's own grid; segments are named by their ID.
"""

from SAM2VolumeSegLib.scene.ahead import before_writing
from SAM2VolumeSegLib.scene.correcting import SliceCopy, is_on_slice, use_slice_as_seed
from SAM2VolumeSegLib.scene.evidence import (
    evidence_of,
    evidence_stamp,
    forget_evidence,
    keep_evidence,
    remove_unused_evidence,
)
from SAM2VolumeSegLib.scene.foreground import restore_views
from SAM2VolumeSegLib.scene.labels import empty_like, is_label_volume, label_volumes, segmentation_from_labels
from SAM2VolumeSegLib.scene.nodes import segment_names, volume_from_node, volume_stamp
from SAM2VolumeSegLib.scene.overlay import Overlay, Scale
from SAM2VolumeSegLib.scene.plot import SlicePlot
from SAM2VolumeSegLib.scene.preview import ModelPreview
from SAM2VolumeSegLib.scene.reading import mask_from_segment, masks_from_segments, seeds_from_segmentation
from SAM2VolumeSegLib.scene.run import SceneRun
from SAM2VolumeSegLib.scene.showing import centre_3d, show
from SAM2VolumeSegLib.scene.verdicts import set_verdict, verdicts_of
from SAM2VolumeSegLib.scene.views import jump_to_slice, look_at, rotate_views_to_volume, view_slice, views_at_angle
from SAM2VolumeSegLib.scene.writing import provenance_of, write_result

__all__ = [
    "ModelPreview",
    "Overlay",
    "Scale",
    "SceneRun",
    "SliceCopy",
    "SlicePlot",
    "before_writing",
    "centre_3d",
    "empty_like",
    "evidence_of",
    "evidence_stamp",
    "forget_evidence",
    "is_label_volume",
    "is_on_slice",
    "jump_to_slice",
    "keep_evidence",
    "label_volumes",
    "look_at",
    "mask_from_segment",
    "masks_from_segments",
    "provenance_of",
    "remove_unused_evidence",
    "restore_views",
    "rotate_views_to_volume",
    "seeds_from_segmentation",
    "segment_names",
    "segmentation_from_labels",
    "set_verdict",
    "show",
    "use_slice_as_seed",
    "verdicts_of",
    "view_slice",
    "views_at_angle",
    "volume_from_node",
    "volume_stamp",
    "write_result",
]
