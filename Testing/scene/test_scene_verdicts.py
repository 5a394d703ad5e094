"""What was said of a segment stays with it, in the scene and in its file, and does not pass on to another result."""

from SAM2VolumeSegLib.review import Verdict
from SAM2VolumeSegLib.scene import empty_like, set_verdict, verdicts_of, write_result

SAID = Verdict(
    "fix", 3, "pedicle, left: cut | ragged\nsee L4 \u2605", "reader 1", "2026-01-02T03:04:05+00:00", "S 1, Slicer 5.12"
)
IDS = {"L3": "id_a", "L4": "id_b"}


def a_pair(nodes, shapes):
    ct, segmentation = nodes.case(names=("a", "b"))
    nodes.paint(segmentation, "id_a", shapes.ball, ct)
    nodes.paint(segmentation, "id_b", shapes.apart, ct)
    return ct, segmentation


def test_a_verdict_is_saved_with_the_scene_as_it_was_said(nodes, shapes, tmp_path):
    ct, segmentation = a_pair(nodes, shapes)
    set_verdict(segmentation, "id_a", SAID)
    assert verdicts_of(segmentation, IDS) == {"L3": SAID, "L4": Verdict()}
    nodes.save_and_load(tmp_path, ct, segmentation)
    loaded = nodes.scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert verdicts_of(loaded, IDS) == {"L3": SAID, "L4": Verdict()}


def test_a_verdict_makes_the_segmentation_one_that_slicer_offers_to_save(nodes, shapes, tmp_path):
    ct, segmentation = a_pair(nodes, shapes)
    nodes.save_and_load(tmp_path, ct, segmentation)
    loaded = nodes.scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert not loaded.GetModifiedSinceRead()
    set_verdict(loaded, "id_a", SAID)
    assert loaded.GetModifiedSinceRead()


def test_a_verdict_that_is_taken_back_leaves_no_tags(nodes, shapes):
    _ct, segmentation = a_pair(nodes, shapes)
    segment = segmentation.GetSegmentation().GetSegment("id_a")
    set_verdict(segmentation, "id_a", SAID)
    set_verdict(segmentation, "id_a", Verdict(reviewer="reader 1"))
    assert not any(segment.HasTag(key) for key in SAID.tags())
    assert verdicts_of(segmentation, IDS | {"gone": "id_gone"}) == {"L3": Verdict(), "L4": Verdict()}


def test_what_was_said_is_not_passed_on_to_other_voxels(nodes, shapes):
    """A new result that says "accepted" would not be looked at."""
    ct, segmentation = a_pair(nodes, shapes)
    for target in ("new", "same"):
        set_verdict(segmentation, "id_a", SAID)
        node = write_result({"id_a": shapes.ball}, segmentation, ct, {}, target=target)
        assert verdicts_of(node, {"L3": "id_a"}) == {"L3": Verdict()}
    set_verdict(segmentation, "id_a", SAID)
    assert verdicts_of(empty_like(segmentation, ct, "corrections"), IDS)["L3"] == Verdict()
