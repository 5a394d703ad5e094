"""What a run kept for a review stays with its result in the scene, and goes with it."""

import pytest
from scene_runs import a_run

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.progress import Steps
from SAM2VolumeSegLib.propagation import RECOMMENDED, Request
from SAM2VolumeSegLib.review import Evidence, review_steps, to_bytes
from SAM2VolumeSegLib.scene import (
    evidence_of,
    evidence_stamp,
    forget_evidence,
    keep_evidence,
    remove_unused_evidence,
    volume_from_node,
    write_result,
)
from SAM2VolumeSegLib.scene.evidence import EVIDENCE


def kept_count(nodes):
    """Of nodes that keep something."""
    each = [nodes.scene.GetNthNode(n) for n in range(nodes.scene.GetNumberOfNodes())]
    return sum(node.GetAttribute(EVIDENCE) is not None for node in each)


def to_end(run):
    while run.step() is not None:
        pass
    return run


@pytest.fixture
def kept(painted, segmenter):
    """CT, painted segmentation, run, and its result."""
    ct, segmentation = painted
    run = to_end(a_run(segmenter, segmentation, ct, RECOMMENDED))
    return ct, segmentation, run, run.finish()


def suspects_of(ct, evidence):
    steps = Steps(review_steps(volume_from_node(ct), evidence))
    list(steps)
    return [
        (one.segment, one.centre, one.wrong_mm3, one.plane, one.index, one.gain_mm3, one.reasons)
        for own in steps.result.segments.values()
        for one in own.suspects
    ]


@pytest.mark.parametrize("ending", ["mrml", "mrb"])
def test_after_a_scene_is_loaded_again_a_review_finds_the_same_suspects(
    nodes, kept, tmp_path, ending, save_and_load_mrb
):
    ct, _painted, run, result = kept
    before, known = suspects_of(ct, run.evidence), to_bytes(run.evidence)
    assert before
    for _round_trip in range(2):  # what was loaded is saved as well as what was made
        if ending == "mrb":
            save_and_load_mrb()
        else:
            nodes.save_and_load(tmp_path, ct, result)
        ct, result = map(nodes.scene.GetFirstNodeByName, ("phantom", "Segmentation result"))
        evidence = evidence_of(result)
        assert to_bytes(evidence) == known and suspects_of(ct, evidence) == before


def test_what_was_painted_comes_back_with_it(kept):
    """A self-check can go on as well: it needs the seeds of the run."""
    ct, _painted, run, result = kept
    volume = volume_from_node(ct)
    evidence = evidence_of(result)
    seeds = {name: own.seeds(volume) for name, own in evidence.segments.items()}
    for name, own in run.request.named_seeds.items():
        had = {(seed.plane, seed.index): seed.mask.tobytes() for seed in own}
        assert {(seed.plane, seed.index): seed.mask.tobytes() for seed in seeds[name]} == had
    again = Request.of(volume, seeds, run.request.settings)
    assert to_bytes(Evidence.of(again, run.result)) == to_bytes(run.evidence)


def test_it_is_hidden_and_its_scene_asks_for_no_file_of_its_own(nodes, kept):
    """Slicer's dialog "Save" writes no file of a hidden node: what lay in a file would be lost."""
    _ct, _painted, _run, result = kept
    node = result.GetNodeReference(EVIDENCE)
    assert node.GetHideFromEditors() and not node.IsA("vtkMRMLStorableNode") and node.GetSaveWithScene()


def test_no_other_node_is_left_when_a_result_is_deleted_or_made_anew(nodes, painted, segmenter):
    ct, segmentation = painted
    result = to_end(a_run(segmenter, segmentation, ct, RECOMMENDED)).finish()
    keep_evidence(result, evidence_of(result))
    assert kept_count(nodes) == 1
    nodes.scene.RemoveNode(result)
    remove_unused_evidence(nodes.scene)
    assert kept_count(nodes) == 0
    for keeps in (True, True, False):  # into the painted segments, again and again
        run = to_end(a_run(segmenter, segmentation, ct, RECOMMENDED))
        run.finish(target="same", keeps_evidence=keeps)
        assert kept_count(nodes) == keeps
        assert (evidence_stamp(segmentation) is not None) == keeps


def test_a_copy_of_a_result_keeps_it_when_the_result_is_deleted(nodes, kept):
    _ct, _painted, run, result = kept
    copy = nodes.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    copy.Copy(result)
    nodes.scene.RemoveNode(result)
    remove_unused_evidence(nodes.scene)
    assert to_bytes(evidence_of(copy)) == to_bytes(run.evidence)
    forget_evidence(copy)
    assert evidence_of(copy) is None and kept_count(nodes) == 0


def test_a_run_that_is_cancelled_keeps_nothing(nodes, painted, segmenter):
    ct, segmentation = painted
    before = nodes.ids()
    with a_run(segmenter, segmentation, ct, RECOMMENDED) as run:
        run.step()
    to_end(a_run(segmenter, segmentation, ct, RECOMMENDED)).cancel()
    assert nodes.ids() == before and evidence_of(segmentation) is None


def test_what_another_run_kept_is_not_used(nodes, kept):
    """A script wrote another result into the node: what was kept says nothing of it."""
    ct, painted, run, _result = kept
    keep_evidence(painted, run.evidence)
    masks = {ID: run.result.segments[name].found for ID, name in run.request.names.items()}
    write_result(masks, painted, ct, run.result.provenance | {"seconds": -1.0}, target="same")
    with pytest.raises(InputError, match='kept with "Segmentation".*not used.*same run. Propagate again'):
        evidence_of(painted)


def test_what_was_damaged_is_said(kept):
    _ct, _painted, _run, result = kept
    node = result.GetNodeReference(EVIDENCE)
    for text in ("", "%", node.GetParameter(EVIDENCE)[:-400]):
        node.SetParameter(EVIDENCE, text)
        with pytest.raises(InputError, match="is damaged"):
            evidence_of(result)


def test_a_scene_that_is_added_to_another_one_keeps_each_with_its_own_result(nodes, kept, tmp_path):
    """Nodes of both have the same IDs; Slicer gives those that come in new ones."""
    ct, _painted, run, result = kept
    nodes.save_and_load(tmp_path, ct, result)
    nodes.scene.Import()
    nodes.scene.SetURL(str(tmp_path / "scene.mrml"))
    count = nodes.scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
    own = [nodes.scene.GetNthNodeByClass(n, "vtkMRMLSegmentationNode") for n in range(count)]
    results = [node for node in own if evidence_stamp(node)]
    assert len(results) == 2 and len({evidence_stamp(node)[0] for node in results}) == 2
    nodes.scene.RemoveNode(results[0])
    remove_unused_evidence(nodes.scene)
    assert to_bytes(evidence_of(results[1])) == to_bytes(run.evidence)
