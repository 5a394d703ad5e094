"""What the decoder of a clip is trained on."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from SAM2VolumeSegLib.model.sam2_volume import VolumeSAM2


def decode(model: VolumeSAM2, features, fused):
    """Raw masks [N, 3, S, S], IoU [N, 3], pointers [N, 3, C], object score [N, 1].

    The decoder is called directly: sam2 fills the masks of absent objects with -1024, which has no gradient.
    """
    points = torch.zeros(len(fused), 1, 2, device=fused.device)
    none = -torch.ones(len(fused), 1, dtype=torch.int32, device=fused.device)
    sparse, dense = model.sam_prompt_encoder(points=(points, none), boxes=None, masks=None)
    masks, ious, tokens, score = model.sam_mask_decoder.predict_masks(
        image_embeddings=fused,
        image_pe=model.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        repeat_image=False,
        high_res_features=features[:-1],
    )
    size = (model.image_size, model.image_size)
    masks = F.interpolate(masks[:, 1:].float(), size=size, mode="bilinear", align_corners=False)
    return masks, ious[:, 1:].float(), model.obj_ptr_proj(tokens[:, 1:]), score.float()


def losses(masks, ious, score, truth):
    """SAM2's losses: mask (cross entropy + Dice) of the best of three and a little of all, IoU, object score."""
    truth = truth.float().expand_as(masks)
    entropy = F.binary_cross_entropy_with_logits(masks, truth, reduction="none").mean(dim=(2, 3))
    probability = masks.sigmoid()
    overlap = (probability * truth).sum(dim=(2, 3))
    dice = 1 - (2 * overlap + 1) / (probability.sum(dim=(2, 3)) + truth.sum(dim=(2, 3)) + 1)
    present = truth.flatten(1).any(dim=1).float()[:, None]
    each = 5 * entropy + dice  # of an absent object: how much of it is seen anyway
    hard = masks.detach() > 0
    intersection = (hard & (truth > 0)).sum(dim=(2, 3))
    union = (hard | (truth > 0)).sum(dim=(2, 3)).clamp(min=1)
    iou = intersection / union
    loss = each.amin(dim=1).mean() + 0.3 * each.mean() + 0.5 * ((ious - iou).abs() * present).mean()
    loss = loss + F.binary_cross_entropy_with_logits(score, present)
    chosen = ious.argmax(dim=1)
    rows = torch.arange(len(masks))
    hard_dice = 2 * intersection[rows, chosen] / (hard[rows, chosen].sum((1, 2)) + truth[:, 0].sum((1, 2))).clamp(min=1)
    return loss, hard_dice[present[:, 0] > 0]
