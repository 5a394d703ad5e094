"""SAM2 with a memory that the caller fills: the one subclass of `sam2.modeling.SAM2Base` in this project.

`sam2` decides inside one method which earlier frames a frame may look at. Here that decision is taken outside
(model/policy.py) and passed in; everything else (encoder, memory encoder, memory attention, mask decoder) is sam2's
own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from sam2.modeling.sam2_base import SAM2Base
from sam2.modeling.sam2_utils import get_1d_sine_pe

IMAGE_MEAN = (0.485, 0.456, 0.406)  # SAM2 was trained on images normalised with ImageNet's statistics
IMAGE_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class SliceMemory:
    """What later slices can look at: spatial features [B, M, h, w] and an object pointer [B, C].

    identity: names all that the memory was made from (model/identity.py); empty where nobody asked for it.
    """

    features: torch.Tensor
    pointer: torch.Tensor
    identity: bytes = b""


@dataclass(frozen=True, eq=False)
class SlicePrediction:
    """One slice: mask logits [B, 1, S/4, S/4], predicted IoU [B], object score logit [B], and its memory."""

    logits: torch.Tensor
    iou: torch.Tensor
    object_score: torch.Tensor
    memory: SliceMemory


@dataclass(frozen=True, eq=False)
class SliceQuery:
    """A slice to predict: its index, and what it looks at in a stack of `num_slices`.

    spatial: (row of maskmem_tpos_enc, memory), not empty. pointers: (slices ago, memory whose pointer counts).
    """

    index: int
    spatial: tuple[tuple[int, SliceMemory], ...]
    pointers: tuple[tuple[int, SliceMemory], ...]
    num_slices: int

    @property
    def shape(self) -> tuple[int, int]:
        """How many memories and pointers it has: queries of one shape can be answered as one batch."""
        return len(self.spatial), len(self.pointers)


class VolumeSAM2(SAM2Base):
    """SAM2Base with explicit memory: `encode` a picture, `prompt` with a mask, or `track` from chosen memories."""

    _memory_position: torch.Tensor | None = None
    """Position [1, M, h, w] of the features of every memory, kept once, as SAM2VideoPredictor does."""

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

    def track(self, features: list[torch.Tensor], queries: Sequence[SliceQuery]) -> SlicePrediction:
        """Predict B slices, whose features lie along the first axis, from their queries, all of one shape."""
        fused = self.attend(features[-1], queries)
        heads = self._forward_sam_heads(
            backbone_features=fused,
            high_res_features=features[:-1],
            multimask_output=self._use_multimask(is_init_cond_frame=False, point_inputs=None),
        )
        _, _, ious, logits, upsampled, pointer, object_score = heads
        memory = self.remember(features[-1], upsampled, object_score, pointer, prompted=False)
        return SlicePrediction(logits, ious.amax(dim=1), object_score[:, 0], memory)

    def attend(self, top: torch.Tensor, queries: Sequence[SliceQuery]) -> torch.Tensor:
        """Fuse the top features [B, C, h, w] with the memories that B queries look at; same shape."""
        batch, channels, height, width = top.shape
        keys, key_positions = [], []
        for column in zip(*(query.spatial for query in queries), strict=True):  # one memory of every query
            features = torch.cat([memory.features for _, memory in column])
            keys.append(_to_tokens(features).to(top.dtype))  # kept in bfloat16
            rows = self.maskmem_tpos_enc[[row for row, _ in column], 0, 0]  # [B, M]
            key_positions.append(_to_tokens(self._memory_position) + rows)
        num_pointer_tokens = 0
        if self.use_obj_ptrs_in_encoder and queries[0].pointers:
            tokens, token_positions = self._pointer_tokens(queries, channels)
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
        if self._memory_position is None or self._memory_position.shape != position[-1][:1].shape:
            with torch.inference_mode(False):  # a tensor of inference mode could not be trained with
                self._memory_position = position[-1][:1].clone()
        return SliceMemory(features, pointer)

    def _pointer_tokens(self, queries, channels):
        """Object pointers as memory tokens: each of C channels is split into C / M tokens of M channels."""
        columns = list(zip(*(query.pointers for query in queries), strict=True))
        stacked = torch.stack([torch.cat([memory.pointer for _, memory in column]) for column in columns])  # [P, B, C]
        count, batch, splits = len(columns), len(queries), channels // self.mem_dim
        if self.add_tpos_enc_to_obj_ptrs:
            furthest = [self.furthest_pointer(query.num_slices) for query in queries]
            ago = [[slices_ago for slices_ago, _ in column] for column in columns]
            share = torch.tensor(ago, device=stacked.device) / torch.tensor(furthest, device=stacked.device)
            width = channels if self.proj_tpos_enc_in_obj_ptrs else self.mem_dim
            position = self.obj_ptr_tpos_proj(get_1d_sine_pe(share, dim=width))
        else:
            position = stacked.new_zeros(count, batch, self.mem_dim)
        tokens = stacked.reshape(-1, batch, splits, self.mem_dim).permute(0, 2, 1, 3).flatten(0, 1)
        return tokens, position.repeat_interleave(splits, dim=0)

    def furthest_pointer(self, num_slices: int) -> int:
        """Slices ago that a pointer's temporal embedding calls 1; all that the length of a stack changes."""
        return min(num_slices, self.max_obj_ptrs_in_encoder) - 1


def _to_tokens(maps: torch.Tensor) -> torch.Tensor:
    """[B, C, h, w] -> [h*w, B, C], the layout of sam2's attention."""
    return maps.flatten(2).permute(2, 0, 1)
