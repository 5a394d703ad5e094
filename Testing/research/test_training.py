"""The training of the demonstration model: whoever raises its quality starts from code that runs."""

import numpy as np
import pytest
import torch

from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.research.training import batches, blend, table, train, validate
from SAM2VolumeSegLib.research.training.batches import Batches, draw_pattern, stream
from SAM2VolumeSegLib.research.training.clip_run import ClipRun
from SAM2VolumeSegLib.research.training.clips import Pattern, draw_clip
from SAM2VolumeSegLib.research.training.ct import SHARES, make_ct
from SAM2VolumeSegLib.research.training.look import _with_discs
from SAM2VolumeSegLib.research.training.scenarios import Scenario, copied, permute_embeddings, zero_pointers
from SAM2VolumeSegLib.research.training.schedule import Stage, at_step, total_steps
from SAM2VolumeSegLib.research.training.train import CONFIG, Training, new_model, save_checkpoint
from SAM2VolumeSegLib.synthetic.volumes import KINDS, assemble, make_volume
from SAM2VolumeSegLib.volume import Box, Plane, Volume

pytestmark = pytest.mark.numeric

PATTERN, SIZE = Pattern(before=1, after=1, learned=3), 64


def some_clips(count, pattern=PATTERN):
    rng = np.random.default_rng(4)
    volume = make_volume(rng, 64, "column")
    clips = []
    while len(clips) < count:
        clip = draw_clip(rng, volume, pattern, SIZE)
        if clip is not None:
            clips.append(clip)
    pictures, masks, slices = zip(*clips, strict=True)
    return torch.stack(pictures), torch.stack(masks), torch.tensor(np.stack(slices))


@pytest.mark.parametrize(
    "make, kind", [*((make_volume, kind) for kind in KINDS), *((make_ct, kind) for kind in SHARES)]
)
def test_a_volume_has_objects_and_is_the_same_for_the_same_seed(make, kind):
    one, other = (make(np.random.default_rng(8), 48, kind) for _ in range(2))
    np.testing.assert_array_equal(one.voxels, other.voxels)
    np.testing.assert_array_equal(one.labels, other.labels)
    assert one.labels.max() >= 1 and 0.005 < (one.labels > 0).mean() < 0.9
    assert one.voxels.dtype == np.int16 and np.ptp(one.voxels) > 100


def test_bones_of_a_column_touch():
    """The hard case that the model has to learn: neighbours of one intensity without a gap between them."""
    touching = 0
    for seed in range(6):
        labels = make_volume(np.random.default_rng(seed), 64, "column").labels.astype(int)
        for axis in range(3):
            pair = np.stack([np.delete(labels, -1, axis), np.delete(labels, 0, axis)])
            touching += np.count_nonzero((pair.min(axis=0) > 0) & (pair[0] != pair[1]))
    assert touching > 0


def test_beads_differ_in_their_place_only():
    """Of one shape, so that a model that looks at no memory cannot tell which one was painted."""
    labels = make_ct(np.random.default_rng(1), 64, "beads").labels
    counts = np.bincount(labels.ravel())[1:]
    inner = [
        np.count_nonzero(labels == value)
        for value in range(1, len(counts) + 1)
        if not any((labels == value).take((0, -1), axis=axis).any() for axis in range(3)) and counts[value - 1]
    ]
    assert len(inner) >= 2 and max(inner) < 1.6 * min(inner)


def test_a_disc_fills_the_gap_between_neighbours_and_nothing_else():
    """Of the bones' shape and as bright as marrow: without it a model takes the disc of a real spine for the bone."""
    axis = np.broadcast_to(np.arange(40.0)[:, None, None], (40, 40, 40))
    across = np.broadcast_to(np.abs(np.arange(40.0) - 20)[None, :, None], axis.shape)
    lower, upper = np.maximum(axis - 18, across - 10), np.maximum(21 - axis, across - 10)
    rng = np.random.default_rng(0)
    (_, _, gap), (_, _, alone) = assemble(rng, [lower, upper]), assemble(rng, [lower])
    filled = [_with_discs(rng, np.zeros(axis.shape), gap) != 0 for _ in range(20)]
    assert np.mean([disc[19:21, 20, 20].all() for disc in filled]) > 0.5  # a gap of three voxels
    assert not any(disc[:, :5].any() or disc[:, 36:].any() for disc in filled)
    assert not (_with_discs(rng, np.zeros(axis.shape), alone) != 0).any()


def test_clips_hold_ascending_slices_and_a_painted_prompt_most_of_the_time():
    pictures, masks, slices = some_clips(6)
    assert pictures.shape == masks.shape == (6, 5, SIZE, SIZE)
    assert pictures.min() >= 0 and pictures.max() <= 1
    assert (slices.diff(dim=1) > 0).all()
    assert masks[:, 0].flatten(1).any(dim=1).float().mean() >= 0.5


@pytest.mark.parametrize("mode", ["parallel", "own masks", "unrolled"])
def test_a_step_reaches_every_part_that_tracking_uses(mode):
    """A part without a gradient would stay random: memory encoder, memory attention, decoder and its object score."""
    torch.manual_seed(0)
    model = new_model(SIZE).train()
    clip = ClipRun(model, np.random.default_rng(0), PATTERN, *some_clips(2))
    loss, _ = clip.unrolled() if mode == "unrolled" else clip.parallel(own_masks=mode == "own masks")
    loss.backward()
    for part in (
        model.image_encoder.trunk.patch_embed,
        model.memory_encoder.out_proj,
        model.memory_attention.layers[0].cross_attn_image.k_proj,
        model.sam_mask_decoder.output_hypernetworks_mlps[1],
        model.sam_mask_decoder.pred_obj_score_head,
        model.obj_ptr_proj,
    ):
        gradients = [parameter.grad for parameter in part.parameters()]
        assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)
        assert all(gradient is None or torch.isfinite(gradient).all() for gradient in gradients)


def test_a_long_way_reaches_the_slices_that_are_learned_from_without_a_gradient():
    torch.manual_seed(0)
    model, pattern = new_model(SIZE).train(), Pattern(1, 1, learned=1, lead=1, passed=1)
    clip = ClipRun(model, np.random.default_rng(0), pattern, *some_clips(2, pattern))
    assert list(clip.passed) == [1] and list(clip.run) == [2, 3] and list(clip.learned) == [3]
    assert not any(level.requires_grad for time in (1, 2) for level in clip.features[time])
    assert all(level.requires_grad for level in clip.features[3])
    loss, _ = clip.unrolled()
    loss.backward()
    assert model.memory_encoder.out_proj.weight.grad.abs().sum() > 0  # by way of the prompts


def test_a_frozen_encoder_learns_nothing_and_the_rest_does():
    torch.manual_seed(0)
    model = new_model(SIZE).train()
    loss, _ = ClipRun(model, np.random.default_rng(0), PATTERN, *some_clips(2), frozen=True).unrolled()
    loss.backward()
    assert all(parameter.grad is None for parameter in model.image_encoder.parameters())
    assert model.memory_attention.layers[0].linear1.weight.grad.abs().sum() > 0


def test_a_slice_already_passed_is_remembered_as_the_truth_has_it():
    """Roughened, but where the object is absent it is remembered as absent: so the model learns to leave it at that."""
    torch.manual_seed(0)
    model, pattern = new_model(SIZE).train(), Pattern(1, 0, learned=1, passed=2)
    pictures, masks, slices = some_clips(2, pattern)
    masks[:, 2] = False
    clip = ClipRun(model, np.random.default_rng(0), pattern, pictures, masks, slices)
    rough = clip._roughened()
    assert (rough[:, 2] < -1000).all() and (rough[:, 0] > -1000).all()
    assert {0, 1, 2} == set(clip.given_memories())
    assert torch.equal(clip.given_memories()[2].pointer, model.no_obj_ptr.expand(2, -1))


def test_a_lead_costs_no_part_its_gradient():
    """Autocast keeps the weights it has converted: those converted without a gradient must not be used again."""
    torch.manual_seed(0)
    model, pattern = new_model(SIZE).train(), Pattern(1, 1, learned=1, lead=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        clip = ClipRun(model, np.random.default_rng(0), pattern, *some_clips(2, pattern))
        loss, _ = clip.unrolled()
    loss.backward()
    for part in (model.image_encoder.trunk.blocks[0].mlp.layers[0], model.memory_attention.layers[0].linear1):
        assert part.weight.grad is not None and part.weight.grad.abs().sum() > 0


def test_patterns_have_one_to_nine_prompts_one_of_them_before_and_a_lead_only_when_unrolled():
    rng = np.random.default_rng(0)
    patterns = [draw_pattern(rng, unrolled=True) for _ in range(400)]
    assert {pattern.before + pattern.after for pattern in patterns} == set(range(1, 10))
    assert all(pattern.before for pattern in patterns)
    assert {4, 12} < {pattern.lead + pattern.learned for pattern in patterns}
    assert all(draw_pattern(rng, unrolled=False).lead == 0 for _ in range(20))


def test_the_learning_rate_warms_up_and_falls_stage_by_stage():
    stages = (Stage(900, 64, False, 1.0, final=0.1), Stage(100, 96, True, 0.5))
    assert total_steps(stages) == 1000
    rates = [at_step(step, stages)[1] for step in range(1000)]
    assert rates[0] < 0.1 and max(rates[:900]) > 0.95 and rates[899] == pytest.approx(0.1, abs=0.01)
    assert at_step(900, stages)[0].pixels == 96 and max(rates[900:]) <= 0.5
    with pytest.raises(ValueError, match="beyond"):
        at_step(1000, stages)


@pytest.fixture
def a_short_schedule(monkeypatch):
    """Small volumes and clips, three steps: the last two unrolled, at another size."""
    monkeypatch.setattr(batches, "make_ct", lambda rng: make_ct(rng, 40, "beads"))
    monkeypatch.setattr(batches, "draw_pattern", lambda rng, unrolled: Pattern(1, int(rng.integers(2)), 2))
    return (Stage(1, 32, False, 1e-3, pictures=4), Stage(2, SIZE, True, 1e-3, pictures=4))


def test_a_batch_is_known_by_its_number_whoever_makes_it(a_short_schedule):
    alone = [Batches(5, a_short_schedule)[number] for number in (2, 0, 1)]
    streamed = list(stream(Batches(5, a_short_schedule), 0, 3, workers=2))
    for one, other in zip(sorted(alone, key=lambda batch: batch.step), streamed, strict=True):
        assert one.step == other.step and one.pattern == other.pattern
        assert torch.equal(one.pictures, other.pictures) and torch.equal(one.masks, other.masks)
    assert not torch.equal(streamed[0].pictures, Batches(6, a_short_schedule)[0].pictures)


def test_training_that_was_stopped_gives_the_same_model(tmp_path, a_short_schedule):
    for name, stops in (("at once", (None,)), ("in parts", (1, 2, None))):
        for stop in stops:  # each part as a fresh start of the program
            train.train(Training(5, "cpu", a_short_schedule), tmp_path / name, workers=0, stop=stop)
    one, other = (torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("at once", "in parts"))
    assert one["step"] == other["step"] == 3
    start = new_model(SIZE).state_dict()
    for part in ("model", "mean"):
        assert all(torch.equal(one[part][name], other[part][name]) for name in one[part])
    assert any(not torch.equal(one["model"][name], start[name]) for name in start)
    assert "from step 2" in (tmp_path / "in parts" / "log.txt").read_text()
    with pytest.raises(ValueError, match="seed"):
        Training(6, "cpu", a_short_schedule).load(tmp_path / "at once" / "state.pt")


def test_training_starts_from_a_checkpoint_at_a_stage(tmp_path, a_short_schedule):
    save_checkpoint(new_model(SIZE).state_dict(), tmp_path / "start.pt")
    training = Training(5, "cpu", a_short_schedule)
    training.start_from(tmp_path / "start.pt", stage=2)
    assert training.step == 1
    training.learn(Batches(5, a_short_schedule)[1])
    assert training.model.image_size == SIZE


def test_a_blend_lies_between_two_checkpoints(tmp_path):
    one, other = new_model(SIZE).state_dict(), new_model(SIZE).state_dict()
    found = blend.blend(one, other, 0.25)
    name = "memory_attention.layers.0.linear1.weight"
    torch.testing.assert_close(found[name], 0.75 * one[name] + 0.25 * other[name])
    assert all(torch.equal(blend.blend(one, other, 0)[name], value) for name, value in one.items())
    with pytest.raises(ValueError, match="different networks"):
        blend.blend(one, {name: one[name]}, 0.5)


def test_validation_cases_are_whole_structures_and_always_the_same():
    one, other = validate.make_case(3), validate.make_case(3)
    np.testing.assert_array_equal(one.volume.voxels, other.volume.voxels)
    assert one.kind == "beads" and one.reference.any()
    assert one.volume.spacing == (1.5, 1.5, 3.0)  # thick slices


def test_dice_counts_no_prompted_slice():
    reference = np.zeros((7, 6, 6), dtype=bool)
    reference[1:6, 2:4, 2:4] = True
    volume = Volume(np.zeros(reference.shape, dtype=np.int16), np.eye(4))
    middle, within = (Scenario("", "middle", (Plane.AXIAL,), within=within) for within in (False, True))
    seeds = middle.seeds(reference, volume)
    assert [seed.index for seed in seeds] == [3]
    only_the_prompt, too_long = np.zeros_like(reference), reference.copy()
    only_the_prompt[3] = reference[3]
    too_long[6] = reference[3]
    assert middle.dice(only_the_prompt, reference, volume) == 0
    assert middle.dice(too_long, reference, volume) < 1 == within.dice(too_long, reference, volume)
    copies = copied(seeds, volume, reference)
    assert middle.dice(copies, reference, volume) == 1 and not copies[6].any()


def test_a_run_begins_behind_a_prompt_or_behind_slices_already_passed():
    """As in use: there is no slice without a neighbour that the memory knows."""
    rng = np.random.default_rng(0)
    volume = make_ct(rng, 64, "branches")
    for pattern in (Pattern(3, 1, learned=3), Pattern(3, 1, learned=3, passed=2)):
        gaps = []
        while len(gaps) < 40:
            clip = draw_clip(rng, volume, pattern, 32)
            if clip is not None:
                gaps.append(int(clip[2][pattern.before] - clip[2][pattern.before - 1]))
        assert (set(gaps) == {1}) == (pattern.passed == 0)


def test_a_crop_of_the_table_is_the_structures_box_grown_and_moved():
    reference = np.zeros((30, 30, 30), dtype=bool)
    reference[10:20, 12:16, 5:25] = True
    volume = Volume(np.zeros(reference.shape, dtype=np.int16), np.eye(4))
    assert table.Crop(margin=0.2).box(reference, volume) == Box((8, 11, 1), (22, 17, 29))
    assert table.Crop(margin=0.2, shift=(0, 1, -2)).box(reference, volume) == Box((8, 12, -1), (22, 18, 27))
    assert len(set(table.CROPS)) == 6


def test_many_runs_pass_the_end_and_learn_that_the_object_is_gone():
    rng = np.random.default_rng(0)
    volume = make_ct(rng, 64, "beads")
    clips = [draw_clip(rng, volume, Pattern(1, 0, learned=4), 32) for _ in range(150)]
    last = [masks[-1].any().item() for _, masks, _ in filter(None, clips)]
    assert 0.1 < np.mean(np.logical_not(last)) < 0.85  # and some runs end on the object


def test_ablations_change_what_the_memory_says(tmp_path):
    save_checkpoint(new_model(SIZE).state_dict(), tmp_path / "some.pt")
    reference = np.zeros((8, 20, 20), dtype=bool)
    reference[:, 6:14, 6:14] = True
    volume = Volume(np.where(reference, 400, 40).astype(np.int16), np.eye(4))
    scenario = validate.quicker(validate.SCENARIOS[2])

    def logits(change):
        tracker = validate.load(tmp_path / "some.pt", SIZE)
        change(tracker)
        fused = []
        track = tracker.network.track
        tracker.network.track = lambda *given: fused.append(track(*given)) or fused[-1]
        scenario.segment(tracker, volume, reference)
        return torch.cat([prediction.logits for prediction in fused])

    plain = logits(lambda tracker: None)
    assert torch.equal(plain, logits(lambda tracker: None))
    assert not torch.equal(plain, logits(permute_embeddings))
    assert not torch.equal(plain, logits(zero_pointers))


def test_a_trained_checkpoint_loads_as_a_model_of_the_users(tmp_path):
    save_checkpoint(new_model(SIZE).state_dict(), tmp_path / "mine.pt")
    tracker = SliceTracker.load(checkpoints.user_model(tmp_path / "mine.pt", CONFIG, SIZE), "cpu")
    assert tracker.name == "mine" and tracker.plan.image_size == SIZE
