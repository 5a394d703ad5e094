"""MRML nodes to the engine's numpy types and back, without Qt. The one room that knows 3D Slicer.

The modules below import ``slicer`` and ``vtk``: import this package only inside Slicer (or with slicer-core).
Lengths are in mm, coordinates are RAS, arrays are ``[k, j, i]`` on the CT's own grid; segments are named by their ID.
"""

from SAM2VolumeSegLib.scene.ahead import before_writing
from SAM2VolumeSegLib.scene.correcting import SliceCopy, use_slice_as_seed
from SAM2VolumeSegLib.scene.nodes import segment_names, volume_from_node, volume_stamp
from SAM2VolumeSegLib.scene.preview import ModelPreview, restore_views
from SAM2VolumeSegLib.scene.reading import mask_from_segment, seeds_from_segmentation
from SAM2VolumeSegLib.scene.run import SceneRun
from SAM2VolumeSegLib.scene.views import jump_to_slice, rotate_views_to_volume, view_slice
from SAM2VolumeSegLib.scene.writing import provenance_of, write_result

__all__ = [
    "ModelPreview",
    "SceneRun",
    "SliceCopy",
    "before_writing",
    "jump_to_slice",
    "mask_from_segment",
    "provenance_of",
    "restore_views",
    "rotate_views_to_volume",
    "seeds_from_segmentation",
    "segment_names",
    "use_slice_as_seed",
    "view_slice",
    "volume_from_node",
    "volume_stamp",
    "write_result",
]
