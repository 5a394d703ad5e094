"""The training of the demonstration model: whoever raises its quality starts from code that runs."""

import numpy as np
import pytest
import torch

from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.training.clip_run import ClipRun
from SAM2VolumeSegLib.training.clips import draw_clip
from SAM2VolumeSegLib.training.train import CONFIG, new_model, save_checkpoint
from SAM2VolumeSegLib.training.volumes import KINDS, make_volume

BEFORE, RUN, AFTER, SIZE = 1, 3, 1, 64


def some_clips(count):
    rng = np.random.default_rng(4)
    volume = make_volume(rng, 64, "column")
    clips = []
    while len(clips) < count:
        clip = draw_clip(rng, volume, BEFORE, RUN, AFTER, SIZE)
        if clip is not None:
            clips.append(clip)
    pictures, masks, slices = zip(*clips, strict=True)
    return torch.stack(pictures), torch.stack(masks), torch.tensor(np.stack(slices))


@pytest.mark.parametrize("kind", KINDS)
def test_a_volume_has_objects_and_is_the_same_for_the_same_seed(kind):
    one, other = (make_volume(np.random.default_rng(8), 48, kind) for _ in range(2))
    np.testing.assert_array_equal(one.voxels, other.voxels)
    np.testing.assert_array_equal(one.labels, other.labels)
    assert one.labels.max() >= 1 and 0.01 < (one.labels > 0).mean() < 0.9
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


def test_clips_hold_ascending_slices_and_a_painted_prompt_most_of_the_time():
    pictures, masks, slices = some_clips(6)
    assert pictures.shape == masks.shape == (6, BEFORE + RUN + AFTER, SIZE, SIZE)
    assert pictures.min() >= 0 and pictures.max() <= 1
    assert (slices.diff(dim=1) > 0).all()
    assert masks[:, 0].flatten(1).any(dim=1).float().mean() >= 0.5


@pytest.mark.parametrize("mode", ["parallel", "own masks", "unrolled"])
def test_a_step_reaches_every_part_that_tracking_uses(mode):
    """A part without a gradient would stay random: memory encoder, memory attention, decoder and its object score."""
    torch.manual_seed(0)
    model = new_model(SIZE).train()
    clip = ClipRun(model, np.random.default_rng(0), BEFORE, AFTER, *some_clips(2))
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


def test_a_trained_checkpoint_loads_as_a_model_of_the_users(tmp_path):
    save_checkpoint(new_model(SIZE).state_dict(), tmp_path / "mine.pt")
    tracker = SliceTracker.load(checkpoints.user_model(tmp_path / "mine.pt", CONFIG, SIZE), "cpu")
    assert tracker.name == "mine" and tracker.plan.image_size == SIZE
