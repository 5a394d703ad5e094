"""SAM2 with a memory that the caller fills: the one subclass of `sam2.modeling.SAM2Base` in this project.

`sam2` decides inside one method which earlier frames a frame may look at. Here that decision is taken outside
(model/policy.py) and passed in; everything else (encoder, memory encoder, memory attention, mask decoder) is sam2's
own. S is the side of the square input in pixels, C the channels of the coarsest features, M those of a memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from sam2.modeling.sam2_base import SAM2Base
from sam2.modeling.sam2_utils import get_1d_sine_pe

from SAM2VolumeSegLib.model.attention import WatchedAttention
from SAM2VolumeSegLib.model.network import SliceMemory, SlicePrediction, SliceQuery
from SAM2VolumeSegLib.model.policy import MemoryLimits

IMAGE_MEAN = (0.485, 0.456, 0.406)  # SAM2 was trained on images normalised with ImageNet's statistics
IMAGE_STD = (0.229, 0.224, 0.225)


class VolumeSAM2(SAM2Base):
    """SAM2Base with explicit memory, a `network.Network`.

    Attributes:
        logit_stride: SAM2's mask logits have a quarter of the input's size.
        watches_attention: Predictions say what they attended to. Their logits are the same; they take longer.
    """

    logit_stride = 4
    watches_attention = False

    _memory_position: torch.Tensor | None = None
    """Position [1, M, h, w] of the features of every memory, kept once, as SAM2VideoPredictor does."""

    @property
    def limits(self) -> MemoryLimits:
        """What its memory can hold: the last of `num_maskmem` temporal embeddings is for prompts."""
        return MemoryLimits(self.num_maskmem - 1, self.max_obj_ptrs_in_encoder)

    def on(self, device: torch.device) -> VolumeSAM2:
        """Itself, moved to a device."""
        self.to(device)
        if device.type == "cuda":  # half-precision convolutions are made for this order
            self.image_encoder.to(memory_format=torch.channels_last)
        return self

    def encode(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Features of grey pictures [B, S, S] in 0..1: [B, C/8, S/4, S/4], [B, C/4, S/8, S/8], [B, C, S/16, S/16]."""
        mean = pictures.new_tensor(IMAGE_MEAN)[:, None, None]
        std = pictures.new_tensor(IMAGE_STD)[:, None, None]
        return self.forward_image((pictures[:, None] - mean) / std)["backbone_fpn"][-self.num_feature_levels :]

    def prompt(self, features: list[torch.Tensor], mask: torch.Tensor) -> SlicePrediction:
        """Take given masks [B, 1, S, S] (float 0 or 1; all 0 = absent) as the answer and remember them.

        As in SAM2VideoPredictor, the memory is encoded from the mask that went through the decoder's resolution.
        """
        heads = self._use_mask_as_output(features[-1], features[:-1], mask)
        _, _, ious, logits, _, pointer, object_score = heads
        upsampled = F.interpolate(logits, size=mask.shape[-2:], mode="bilinear", align_corners=False)
        memory = self.remember(features[-1], upsampled, object_score, pointer, prompted=True)
        return SlicePrediction(logits, ious.amax(dim=1), object_score[:, 0], memory)

    def track(self, features: list[torch.Tensor], queries: Sequence[SliceQuery]) -> SlicePrediction:
        """Predict B slices, whose features lie along the first axis, from their queries, all of one shape."""
        watched = WatchedAttention() if self.watches_attention else None
        with watched or nullcontext():
            fused = self.attend(features[-1], queries)
        heads = self._forward_sam_heads(
            backbone_features=fused,
            high_res_features=features[:-1],
            multimask_output=self._use_multimask(is_init_cond_frame=False, point_inputs=None),
        )
        _, _, ious, logits, upsampled, pointer, object_score = heads
        memory = self.remember(features[-1], upsampled, object_score, pointer, prompted=False)
        attention = None if watched is None else self._attention_to_memory(watched)
        return SlicePrediction(logits, ious.amax(dim=1), object_score[:, 0], memory, attention)

    def attend(self, top: torch.Tensor, queries: Sequence[SliceQuery]) -> torch.Tensor:
        """Fuse the top features [B, C, h, w] with the memories that B queries look at; same shape."""
        batch, channels, height, width = top.shape
        keys, key_positions = [], []
        assert self._memory_position is not None, "nothing is remembered yet"
        for column in zip(*(query.spatial for query in queries), strict=True):  # one memory of every query
            features = torch.cat([memory.features for _, memory in column])
            keys.append(_to_tokens(features).to(top.dtype))  # kept in bfloat16
            # Age 1 has the first row, PROMPT the last, and OLDEST the last but one, counted from the end.
            embeddings = self.maskmem_tpos_enc[[age - 1 for age, _ in column], 0, 0]  # [B, M]
            key_positions.append(_to_tokens(self._memory_position) + embeddings)
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

    def _attention_to_memory(self, watched: WatchedAttention) -> torch.Tensor:
        """Mean over the layers [B, T]. Each of them attends to the slice itself first, and then to memory."""
        layers = self.memory_attention.num_layers
        assert len(watched.shares) == 2 * layers, "sam2's memory attention is not what it was"
        return torch.stack(watched.shares[1::2]).mean(dim=0)

    def remember(
        self,
        top: torch.Tensor,
        mask_logits: torch.Tensor,
        object_score: torch.Tensor,
        pointer: torch.Tensor,
        *,
        prompted: bool,
    ) -> SliceMemory:
        """Encode mask logits together with the slice's features into a memory.

        Args:
            top: Features [B, C, h, w].
            mask_logits: [B, 1, S, S].
            object_score: [B, 1].
            pointer: [B, C].
            prompted: The mask was given; the network remembers it as sure, not as it was computed.
        """
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

    def _pointer_tokens(self, queries: Sequence[SliceQuery], channels: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Object pointers as memory tokens: each of C channels is split into C / M tokens of M channels."""
        columns = list(zip(*(query.pointers for query in queries), strict=True))
        stacked = torch.stack([torch.cat([memory.pointer for _, memory in column]) for column in columns])  # [P, B, C]
        count, batch, splits = len(columns), len(queries), channels // self.mem_dim
        if self.add_tpos_enc_to_obj_ptrs:
            furthest = [self.limits.furthest_pointer(query.num_slices) for query in queries]
            ago = [[slices_ago for slices_ago, _ in column] for column in columns]
            share = torch.tensor(ago, device=stacked.device) / torch.tensor(furthest, device=stacked.device)
            width = channels if self.proj_tpos_enc_in_obj_ptrs else self.mem_dim
            position = self.obj_ptr_tpos_proj(get_1d_sine_pe(share, dim=width))
        else:
            position = stacked.new_zeros(count, batch, self.mem_dim)
        tokens = stacked.reshape(-1, batch, splits, self.mem_dim).permute(0, 2, 1, 3).flatten(0, 1)
        return tokens, position.repeat_interleave(splits, dim=0)


def _to_tokens(maps: torch.Tensor) -> torch.Tensor:
    """[B, C, h, w] -> [h*w, B, C], the layout of sam2's attention."""
    return maps.flatten(2).permute(2, 0, 1)
