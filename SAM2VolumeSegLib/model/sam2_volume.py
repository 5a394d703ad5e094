"""SAM2 with a memory that the caller fills: the one subclass of `sam2.modeling.SAM2Base` in this project.

`sam2` decides inside one method which earlier frames a frame may look at. Here that decision is taken outside
(model/policy.py) and passed in; everything else (encoder, memory encoder, memory attention, mask decoder) is sam2's
own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from sam2.modeling.sam2_base import SAM2Base
from sam2.modeling.sam2_utils import get_1d_sine_pe

IMAGE_MEAN = (0.485, 0.456, 0.406)  # SAM2 was trained on images normalised with ImageNet's statistics
IMAGE_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class SliceMemory:
    """What later slices can look at: spatial features [B, M, h, w], their position [B, M, h, w], pointer [B, C]."""

    features: torch.Tensor
    position: torch.Tensor
    pointer: torch.Tensor


@dataclass(frozen=True, eq=False)
class SlicePrediction:
    """One slice: mask logits [B, 1, S/4, S/4], predicted IoU [B], object score logit [B], and its memory."""

    logits: torch.Tensor
    iou: torch.Tensor
    object_score: torch.Tensor
    memory: SliceMemory


class VolumeSAM2(SAM2Base):
    """SAM2Base with explicit memory: `encode` a picture, `prompt` with a mask, or `track` from chosen memories."""

    def encode(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Features of grey pictures [B, S, S] in 0..1: [B, C/8, S/4, S/4], [B, C/4, S/8, S/8], [B, C, S/16, S/16]."""
        mean = pictures.new_tensor(IMAGE_MEAN)[:, None, None]
        std = pictures.new_tensor(IMAGE_STD)[:, None, None]
        return self.forward_image((pictures[:, None] - mean) / std)["backbone_fpn"][-self.num_feature_levels :]

    def prompt(self, features: list[torch.Tensor], mask: torch.Tensor) -> SlicePrediction:
        """Take a given mask [B, 1, S, S] (float 0 or 1; all 0 = absent) as the answer and remember it.

        As in SAM2VideoPredictor, the memory is encoded from the mask that went through the decoder's resolution.
        """
        heads = self._use_mask_as_output(features[-1], features[:-1], mask)
        _, _, ious, logits, _, pointer, object_score = heads
        upsampled = F.interpolate(logits, size=mask.shape[-2:], mode="bilinear", align_corners=False)
        memory = self.remember(features[-1], upsampled, object_score, pointer, prompted=True)
        return SlicePrediction(logits, ious.amax(dim=1), object_score[:, 0], memory)

    def track(
        self,
        features: list[torch.Tensor],
        memories: list[tuple[int, SliceMemory]],
        pointers: list[tuple[int, torch.Tensor]],
        num_slices: int,
    ) -> SlicePrediction:
        """Predict a slice from memories (row of maskmem_tpos_enc, memory) and pointers (slices ago, pointer)."""
        fused = self.attend(features[-1], memories, pointers, num_slices)
        heads = self._forward_sam_heads(
            backbone_features=fused,
            high_res_features=features[:-1],
            multimask_output=self._use_multimask(is_init_cond_frame=False, point_inputs=None),
        )
        _, _, ious, logits, upsampled, pointer, object_score = heads
        memory = self.remember(features[-1], upsampled, object_score, pointer, prompted=False)
        return SlicePrediction(logits, ious.amax(dim=1), object_score[:, 0], memory)

    def attend(self, top, memories, pointers, num_slices) -> torch.Tensor:
        """Fuse the top features [B, C, h, w] with the memories; same shape. Empty memories are not allowed."""
        batch, channels, height, width = top.shape
        keys, key_positions = [], []
        for temporal_row, memory in memories:
            keys.append(_to_tokens(memory.features).to(top.dtype))  # kept in bfloat16
            key_positions.append(_to_tokens(memory.position) + self.maskmem_tpos_enc[temporal_row])
        num_pointer_tokens = 0
        if self.use_obj_ptrs_in_encoder and pointers:
            tokens, token_positions = self._pointer_tokens(pointers, batch, channels, num_slices)
            keys.append(tokens)
            key_positions.append(token_positions)
            num_pointer_tokens = tokens.shape[0]
        fused = self.memory_attention(
            curr=[_to_tokens(top)],
            curr_pos=[_to_tokens(self.image_encoder.neck.position_encoding(top).to(top.dtype))],
            memory=torch.cat(keys),
            memory_pos=torch.cat(key_positions),
            num_obj_ptr_tokens=num_pointer_tokens,
        )
        return fused.permute(1, 2, 0).view(batch, channels, height, width)

    def remember(self, top, mask_logits, object_score, pointer, *, prompted: bool) -> SliceMemory:
        """Encode mask logits [B, 1, S, S] together with the slice's features into a memory."""
        features, position = self._encode_new_memory(
            current_vision_feats=[_to_tokens(top)],
            feat_sizes=[top.shape[-2:]],
            pred_masks_high_res=mask_logits,
            object_score_logits=object_score,
            is_mask_from_pts=prompted,
        )
        return SliceMemory(features, position[-1], pointer)

    def _pointer_tokens(self, pointers, batch, channels, num_slices):
        """Object pointers as memory tokens: each of C channels is split into C / M tokens of M channels."""
        stacked = torch.stack([pointer for _, pointer in pointers])  # [P, B, C]
        splits = channels // self.mem_dim
        if self.add_tpos_enc_to_obj_ptrs:
            furthest = min(num_slices, self.max_obj_ptrs_in_encoder) - 1
            ago = torch.tensor([slices_ago for slices_ago, _ in pointers], device=stacked.device)
            width = channels if self.proj_tpos_enc_in_obj_ptrs else self.mem_dim
            position = self.obj_ptr_tpos_proj(get_1d_sine_pe(ago / furthest, dim=width))
            position = position[:, None].expand(-1, batch, self.mem_dim)
        else:
            position = stacked.new_zeros(len(pointers), batch, self.mem_dim)
        tokens = stacked.reshape(-1, batch, splits, self.mem_dim).permute(0, 2, 1, 3).flatten(0, 1)
        return tokens, position.repeat_interleave(splits, dim=0)


def _to_tokens(maps: torch.Tensor) -> torch.Tensor:
    """[B, C, h, w] -> [h*w, B, C], the layout of sam2's attention."""
    return maps.flatten(2).permute(2, 0, 1)
