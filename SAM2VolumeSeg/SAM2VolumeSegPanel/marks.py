"""The user's say over painted slices, as the scene keeps it."""

import slicer

from SAM2VolumeSegLib.seeds.choose import Marks


def marksOf(p):
    """What the user switched off or marked absent, by a parameter node; none where it was for other nodes."""
    if p is None or p.marksVolume is not p.volume or p.marksSegmentation is not p.segmentation:
        return Marks()
    return Marks.from_strings(p.absent, p.skipped)


def keepMarks(p, marks):
    """Keep marks in the scene, for the nodes of a parameter node."""
    absent, skipped = marks.strings()
    with slicer.util.NodeModify(p):
        p.marksVolume, p.marksSegmentation = p.volume, p.segmentation
        p.absent, p.skipped = absent, skipped
