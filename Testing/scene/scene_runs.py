"""What the tests of a run on nodes share."""

from SAM2VolumeSegLib.propagation import Request
from SAM2VolumeSegLib.scene import SceneRun, seeds_from_segmentation, segment_names, volume_from_node
from SAM2VolumeSegLib.seeds import Marks


def a_request(segmentation, ct, settings, segment_ids=None, absent=None, skipped=None):
    """What is painted, as the module asks for it."""
    return Request.of(
        volume_from_node(ct),
        seeds_from_segmentation(segmentation, ct, segment_ids),
        settings,
        marks=Marks(absent or {}, skipped or {}),
        wanted=segment_ids,
        names=segment_names(segmentation),
    )


def a_run(segmenter, segmentation, ct, settings, **options):
    """A run on what is painted; options as `a_request`."""
    return SceneRun(segmenter, a_request(segmentation, ct, settings, **options), segmentation, ct)
