"""A verdict outlives the scene and the file that it is kept in."""

import pytest

from SAM2VolumeSegLib.review import Verdict
from SAM2VolumeSegLib.volume import Segment, read_seeds, write_segmentation

SAID = Verdict("fix", 3, "Tip: 50 % | too short\n\tsee übersicht %7C", "A. B.", "2026-01-02T03:04:05+00:00", "X 1.0")


def test_a_verdict_is_what_its_tags_say():
    assert Verdict.from_tags(SAID.tags()) == SAID
    assert Verdict.from_tags(Verdict().tags()) == Verdict()


def test_a_verdict_is_kept_in_a_segmentation_file(a_phantom, tmp_path):
    """Beside the terminology, as Slicer keeps tags there."""
    tags = "".join(f"{key}:{value}|" for key, value in SAID.tags().items()) + "TerminologyEntry:List~SCT^1^Bone|"
    path = tmp_path / "result.seg.nrrd"
    segment = Segment("middle", a_phantom.references["middle"], tags=tags)
    write_segmentation(path, a_phantom.volume, [segment], {})
    assert Verdict.from_text(read_seeds(path, a_phantom.volume)["middle"].tags) == SAID


@pytest.mark.parametrize(
    "tags",
    [{}, {"TerminologyEntry": "bone"}, {"SAM2VolumeSeg.Review.Stars": "12", "SAM2VolumeSeg.Review.Decision": "maybe"}],
)
def test_what_cannot_be_a_verdict_counts_as_not_said(tags):
    assert not Verdict.from_tags(tags).is_given
