"""A run on nodes that the user deletes, closes or changes while it goes on; the demo model, real MRML."""

import subprocess
import sys

import numpy as np
import pytest
from scene_runs import a_request, a_run

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.propagation import Settings
from SAM2VolumeSegLib.scene import SceneRun, provenance_of, write_result
from SAM2VolumeSegLib.volume import Plane

SETTINGS = Settings(planes=(Plane.AXIAL, Plane.SAGITTAL), direction="forward")


def steps_of(run):
    steps = []
    while (progress := run.step()) is not None:
        steps.append(progress)
    return steps


def test_a_run_writes_what_the_engine_answers(nodes, painted, segmenter):
    ct, segmentation = painted
    run = a_run(segmenter, segmentation, ct, SETTINGS)
    assert list(run.request.seeds) == ["id_middle", "id_below"]
    assert run.request.names == {"id_middle": "bone", "id_below": "bone (2)"}
    before = nodes.ids()
    steps = steps_of(run)
    assert steps[-1].slices_left == 0
    assert {step.segment for step in steps} == {"bone", "bone (2)"}
    assert nodes.ids() == before  # the scene is left alone until the end
    assert run.step() is None
    node = run.finish()
    for segment, name in run.request.names.items():
        np.testing.assert_array_equal(nodes.mask(node, segment, ct), run.result.segments[name].mask)
        assert node.GetSegmentation().GetSegment(segment).GetName() == "bone"
    note = provenance_of(node)
    assert note["segment_ids"] == run.request.names
    assert note["model"]["sha256"] == segmenter.tracker.checkpoint_sha256
    assert note["settings"] == SETTINGS.to_dict() | {"planes": ["axial", "sagittal"]}
    assert note["segments"]["bone"]["seeds"]
    assert note["volume"]["name"] == "phantom"
    with pytest.raises(InputError, match="written already"):
        run.finish()


def test_back_into_the_painted_segments_is_one_undo_step(nodes, painted, segmenter):
    ct, segmentation = painted
    before = {segment: nodes.mask(segmentation, segment, ct) for segment in ("id_middle", "id_below", "id_empty")}
    history = nodes.slicer.vtkSegmentationHistory()
    history.SetSegmentation(segmentation.GetSegmentation())
    history.SetMaximumNumberOfStates(5)
    with a_run(segmenter, segmentation, ct, SETTINGS) as run:
        steps_of(run)
        history.SaveState()
        assert run.finish(target="same", editor_node=nodes.editor()) is segmentation
    for segment, name in run.request.names.items():
        np.testing.assert_array_equal(nodes.mask(segmentation, segment, ct), run.result.segments[name].mask)
    assert history.RestorePreviousState()
    for segment, mask in before.items():
        np.testing.assert_array_equal(nodes.mask(segmentation, segment, ct), mask)


def test_the_users_say_over_the_seeds_counts(painted, segmenter):
    """One segment alone, one seed switched off, one slice declared empty."""
    ct, segmentation = painted
    whole = a_run(segmenter, segmentation, ct, SETTINGS, segment_ids=["id_below"])
    assert list(whole.request.seeds) == ["id_below"]
    off = [(seed.plane, seed.index) for seed in whole.request.seeds["id_below"]][:1]
    top = whole.request.volume.view(Plane.AXIAL).order[-1]
    run = a_run(
        segmenter,
        segmentation,
        ct,
        SETTINGS,
        segment_ids=["id_below"],
        skipped={"id_below": off},
        absent={"id_below": [(Plane.AXIAL, top)]},
    )
    left = {(seed.plane, seed.index): seed.absent for seed in run.request.seeds["id_below"]}
    assert off[0] not in left
    assert left[Plane.AXIAL, top]
    assert len(left) == len(whole.request.seeds["id_below"])


def test_a_segment_that_is_switched_off_on_every_slice_is_left_out(painted, segmenter):
    ct, segmentation = painted
    whole = a_run(segmenter, segmentation, ct, SETTINGS)
    off = {name: [(seed.plane, seed.index) for seed in own] for name, own in whole.request.seeds.items()}
    run = a_run(segmenter, segmentation, ct, SETTINGS, skipped={"id_middle": off["id_middle"]})
    assert list(run.request.seeds) == ["id_below"]
    with pytest.raises(InputError, match="Every painted slice is switched off"):
        a_run(segmenter, segmentation, ct, SETTINGS, skipped=off)
    with pytest.raises(InputError, match='Every painted slice of "bone" is switched off'):
        a_run(segmenter, segmentation, ct, SETTINGS, segment_ids=["id_middle"], skipped=off)


def test_marks_of_a_ct_that_was_replaced_in_place_by_a_smaller_one_are_left_out(nodes, painted, segmenter):
    """Cropped in place, the node stays the same, and so do the marks on slices that it no longer has."""
    ct, segmentation = painted
    voxels = nodes.slicer.util.arrayFromVolume(ct)
    beyond = {Plane.AXIAL: voxels.shape[0] - 1, Plane.SAGITTAL: voxels.shape[2] - 1}
    marks = {"id_below": [*beyond.items()]}
    first = a_run(segmenter, segmentation, ct, SETTINGS, segment_ids=["id_below"], absent=marks)
    absent = {(seed.plane, seed.index) for seed in first.request.seeds["id_below"] if seed.absent}
    assert absent == set(marks["id_below"])
    nodes.slicer.util.updateVolumeFromArray(ct, voxels[:-3, :, :-3].copy())
    for options in ({"absent": marks}, {"skipped": marks}):
        again = a_run(segmenter, segmentation, ct, SETTINGS, segment_ids=["id_below"], **options)
        assert not any(seed.absent for seed in again.request.seeds["id_below"])
        again.cancel()


def test_an_empty_segment_is_said_before_anything_is_computed(nodes, painted, segmenter):
    ct, segmentation = painted
    with pytest.raises(InputError, match='"empty" is not painted'):
        a_run(segmenter, segmentation, ct, SETTINGS, segment_ids=["id_middle", "id_empty"])
    with pytest.raises(InputError, match="Nothing is painted"):
        a_run(segmenter, nodes.segmentation(ct), ct, SETTINGS)


# ------------------------------------------------------------------------------------------------- cancel


@pytest.mark.parametrize("stage", [0.0, 0.01, 0.3, 0.5, 0.75, 0.99, 1.0, "done"])
def test_cancelled_at_any_stage_the_scene_is_as_it_was(nodes, painted, segmenter, stage):
    ct, segmentation = painted
    state, ids, modified = nodes.segment_state(segmentation), nodes.ids(), segmentation.GetSegmentation().GetMTime()
    run = a_run(segmenter, segmentation, ct, SETTINGS)
    if stage == "done":
        steps_of(run)
    elif stage:
        total = run.step().total
        for _ in range(int(stage * total) - 1):
            run.step()
    run.cancel()
    run.cancel()  # a second click
    assert run.state == "cancelled"
    for call in (run.step, run.finish):
        with pytest.raises(InputError, match="cancelled"):
            call()
    assert nodes.segment_state(segmentation) == state
    assert segmentation.GetSegmentation().GetMTime() == modified
    assert nodes.ids() == ids


def test_leaving_the_with_block_early_cancels(nodes, painted, segmenter):
    ct, segmentation = painted
    ids = nodes.ids()
    with pytest.raises(ZeroDivisionError), a_run(segmenter, segmentation, ct, SETTINGS) as run:
        run.step()
        1 / 0  # noqa: B018
    assert run.state == "cancelled"
    assert nodes.ids() == ids


def test_a_cancelled_run_does_not_stop_the_next(painted, segmenter):
    ct, segmentation = painted
    first = a_run(segmenter, segmentation, ct, SETTINGS)
    first.step()
    first.cancel()
    with a_run(segmenter, segmentation, ct, SETTINGS) as second:
        steps_of(second)
        assert second.finish() is not None


def test_unfinished_it_cannot_be_written(nodes, painted, segmenter):
    ct, segmentation = painted
    ids = nodes.ids()
    run = a_run(segmenter, segmentation, ct, SETTINGS)
    run.step()
    with pytest.raises(InputError, match="not finished"):
        run.finish()
    assert nodes.ids() == ids


class Interrupting:
    """A segmenter that calls something in the middle of a slice, as an event that is handled there would."""

    def __init__(self, segmenter, interrupt):
        self.segmenter, self.interrupt = segmenter, interrupt

    def run(self, *arguments):
        for number, progress in enumerate(self.segmenter.run(*arguments)):
            if number == 2:
                self.interrupt()
            yield progress


def test_a_step_within_a_step_is_refused_and_the_run_goes_on(painted, segmenter):
    """A click on Propagate while events are handled: two runs in one would mix."""
    ct, segmentation = painted
    refused = []

    def click():
        with pytest.raises(InputError, match="already going on"):
            run.step()
        refused.append(True)

    run = a_run(Interrupting(segmenter, click), segmentation, ct, SETTINGS)
    for _ in range(4):
        assert run.step() is not None
    assert refused
    assert run.state == "running"


def test_cancel_within_a_step_takes_effect_after_it(nodes, painted, segmenter):
    ct, segmentation = painted
    ids = nodes.ids()

    def click():
        run.cancel()

    run = a_run(Interrupting(segmenter, click), segmentation, ct, SETTINGS)
    run.step()
    run.step()
    run.step()  # cancelled in here
    with pytest.raises(InputError, match="cancelled"):
        run.step()
    assert nodes.ids() == ids


def test_an_error_in_the_model_ends_the_run(nodes, painted, segmenter):
    ct, segmentation = painted
    state, ids = nodes.segment_state(segmentation), nodes.ids()

    def out_of_memory():
        raise MemoryError

    run = a_run(Interrupting(segmenter, out_of_memory), segmentation, ct, SETTINGS)
    with pytest.raises(MemoryError):
        steps_of(run)
    assert run.state == "cancelled"
    assert nodes.segment_state(segmentation) == state
    assert nodes.ids() == ids


# --------------------------------------------------------------------------- the scene changes between two steps


GONE = {
    "CT deleted": (lambda scene, ct, segmentation: scene.RemoveNode(ct), "The CT was removed"),
    "segmentation deleted": (
        lambda scene, ct, segmentation: scene.RemoveNode(segmentation),
        "The painted segmentation was removed",
    ),
    "segment deleted": (
        lambda scene, ct, segmentation: segmentation.GetSegmentation().RemoveSegment("id_below"),
        r'The segment "bone \(2\)" was removed',
    ),
    "scene closed": (lambda scene, ct, segmentation: scene.Clear(), "The CT was removed"),
}


@pytest.mark.parametrize("what", GONE)
@pytest.mark.parametrize("done", [False, True])
def test_what_is_gone_ends_the_run_and_nothing_comes_back(nodes, painted, segmenter, what, done):
    """Writing into a deleted node crashes; writing into the next patient's scene is worse."""
    ct, segmentation = painted
    remove, words = GONE[what]
    run = a_run(segmenter, segmentation, ct, SETTINGS)
    if done:
        steps_of(run)
    else:
        run.step()
    remove(nodes.scene, ct, segmentation)
    ids = nodes.ids()
    with pytest.raises(InputError, match=words):
        run.finish() if done else run.step()
    assert run.state == "cancelled"
    assert nodes.ids() == ids


def test_another_scene_with_the_same_ids_is_not_taken_for_the_old(nodes, painted, segmenter):
    """Close the scene, load the next patient: node IDs start anew."""
    ct, segmentation = painted
    run = a_run(segmenter, segmentation, ct, SETTINGS)
    run.step()
    old = ct.GetID(), segmentation.GetID()
    nodes.scene.Clear()
    other = nodes.ct(np.zeros((5, 5, 5), np.int16))
    other_segmentation = nodes.segmentation(other, names=("middle", "below"))
    assert (other.GetID(), other_segmentation.GetID()) == old
    with pytest.raises(InputError, match="removed from the scene"):
        run.step()


def test_a_ct_that_was_changed_meanwhile_gets_no_result(nodes, painted, segmenter):
    """Cropped, filtered or moved during the run: the masks would belong to another image."""
    ct, segmentation = painted
    ids = nodes.ids()
    for change in (
        lambda: nodes.slicer.util.arrayFromVolume(ct).__setitem__((0, 0, 0), 77),
        lambda: ct.SetOrigin(1, 2, 3),
    ):
        run = a_run(segmenter, segmentation, ct, SETTINGS, segment_ids=["id_middle"])
        steps_of(run)
        change()
        with pytest.raises(InputError, match="changed or moved"):
            run.finish()
    assert nodes.ids() == ids


def test_a_request_about_another_ct_is_refused(nodes, painted, segmenter):
    """Found, and then cropped, filtered or moved before the run began: the slices are no longer what was painted."""
    ct, segmentation = painted
    request = a_request(segmentation, ct, SETTINGS)
    SceneRun(segmenter, request, segmentation, ct).cancel()
    nodes.slicer.util.arrayFromVolume(ct)[0, 0, 0] += 1  # and nobody is told
    with pytest.raises(InputError, match="changed or moved since its painted slices were found"):
        SceneRun(segmenter, request, segmentation, ct)
    request = a_request(segmentation, ct, SETTINGS)
    segmentation.GetSegmentation().RemoveSegment("id_below")
    with pytest.raises(InputError, match=r'The segment "bone \(2\)" was removed'):
        SceneRun(segmenter, request, segmentation, ct)


def test_paint_added_meanwhile_is_not_lost(nodes, painted, segmenter):
    """Views stay alive during a run, and so does the brush."""
    ct, segmentation = painted
    run = a_run(segmenter, segmentation, ct, SETTINGS, segment_ids=["id_middle"])
    steps_of(run)
    added = nodes.mask(segmentation, "id_middle", ct)
    added[:2, :2, :2] = True
    nodes.paint(segmentation, "id_middle", added, ct)
    run.finish(target="same")
    np.testing.assert_array_equal(nodes.mask(segmentation, "id_middle", ct), run.result.segments["bone"].mask | added)


def test_going_again_after_a_correction_starts_from_the_corrected_slice(nodes, painted, segmenter):
    """Use this slice as seed, propagate again: the slice must come out as the user corrected it."""
    from SAM2VolumeSegLib.scene import use_slice_as_seed

    ct, segmentation = painted
    with a_run(segmenter, segmentation, ct, SETTINGS, segment_ids=["id_middle"]) as run:
        steps_of(run)
        node = run.finish()
    seeds = [seed.index for seed in run.request.seeds["id_middle"] if seed.plane is Plane.AXIAL]
    view = run.request.volume.view(Plane.AXIAL)
    index = next(n for n in range(min(seeds) + 1, max(seeds)) if n not in seeds)
    corrected = nodes.mask(node, "id_middle", ct)
    view.slice(corrected, index)[10:14, 10:14] = True
    write_result({"id_middle": corrected}, node, ct, {}, target="same")
    use_slice_as_seed(node, "id_middle", segmentation, "id_middle", ct, Plane.AXIAL, index)
    with a_run(segmenter, segmentation, ct, SETTINGS, segment_ids=["id_middle"]) as again:
        assert index in [seed.index for seed in again.request.seeds["id_middle"] if seed.plane is Plane.AXIAL]
        steps_of(again)
        second = again.finish()
    np.testing.assert_array_equal(view.slice(nodes.mask(second, "id_middle", ct), index), view.slice(corrected, index))


def test_seeds_and_views_work_before_torch_is_installed():
    """The seeds table is there before the set-up button was pressed."""
    code = "import sys; import SAM2VolumeSegLib.scene, SAM2VolumeSegLib.scene.phantom; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
