"""What a CT is: voxels and geometry, planes, crops, intensity windows, reading and writing. Plain numpy, no torch."""

from SAM2VolumeSegLib.volume.crop import Box, SquareWindow
from SAM2VolumeSegLib.volume.intensity import WINDOWS, Window, to_unit
from SAM2VolumeSegLib.volume.planes import Plane, PlaneView
from SAM2VolumeSegLib.volume.read import read_seeds, read_volume
from SAM2VolumeSegLib.volume.read_seg_nrrd import read_provenance
from SAM2VolumeSegLib.volume.segment import Segment
from SAM2VolumeSegLib.volume.volume import Volume
from SAM2VolumeSegLib.volume.write import check_output, check_segments, write_segmentation

__all__ = [
    "WINDOWS",
    "Box",
    "Plane",
    "PlaneView",
    "Segment",
    "SquareWindow",
    "Volume",
    "Window",
    "check_output",
    "check_segments",
    "read_provenance",
    "read_seeds",
    "read_volume",
    "to_unit",
    "write_segmentation",
]
