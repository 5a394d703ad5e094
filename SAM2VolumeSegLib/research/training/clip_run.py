"""A clip through the network: in parallel from true or guessed memories, or slice by slice as inference does."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from SAM2VolumeSegLib.model.network import SliceMemory, SliceQuery
from SAM2VolumeSegLib.model.policy import PROMPT
from SAM2VolumeSegLib.research.training.losses import decode, losses

POINTERS = 15
ABSENT = -1024.0
"""The logit that sam2 gives to every pixel of an object that is not there."""


def roughen(rng, masks: torch.Tensor) -> torch.Tensor:
    """Imperfect mask logits [N, 1, S, S] as a tracker would remember them, from true masks [N, 1, S, S]."""
    soft = masks.float()
    coarse = F.avg_pool2d(soft, 4)
    blurred = F.interpolate(coarse, scale_factor=4, mode="bilinear", align_corners=False)
    noise = torch.randn(len(masks), 1, 6, 6, device=masks.device) * float(rng.choice((0.0, 0.3, 0.8, 1.5)))
    noise = F.interpolate(noise, size=masks.shape[-2:], mode="bicubic", align_corners=False)
    return ((blurred - 0.5) * 12 + noise * 3).clamp(-10, 10)


class ClipRun:
    """One batch of clips of one pattern under one memory layout, which is drawn.

    Slices already passed are remembered from roughened true masks; those of the lead are tracked without being learned
    from: so errors of a long way reach the slices that are, at a third of the cost.

    Args:
        model: the network.
        rng: of every random number.
        pattern: of the clips.
        pictures: [B, T, S, S].
        masks: [B, T, S, S].
        slices: slice numbers [B, T].
        frozen: whether the image encoder learns nothing.
    """

    def __init__(self, model, rng, pattern, pictures, masks, slices, frozen=False):
        self.model, self.rng = model, rng
        self.batch, self.length = pictures.shape[:2]
        self.before, self.after = pattern.before, pattern.after
        self.passed = range(self.before, self.before + pattern.passed)
        self.run = range(self.passed.stop, self.length - self.after)
        self.learned = self.run[pattern.lead :]
        self.prompted = [*range(self.before), *range(self.length - self.after, self.length)]
        self.masks, self.slices = masks, slices
        quiet, heard = [*self.passed, *self.run[: pattern.lead]], [*self.prompted, *self.learned]
        if frozen:
            quiet, heard = [*quiet, *heard], []
        with torch.no_grad():
            self.features = self._encode(pictures, quiet)
        self.features |= self._encode(pictures, heard)
        # No recent slices (their pointers speak), SAM2's own layout with 1 to 6 of them, or the paper's IS
        layouts = [(), (0,), (0, 5), (0, 1), (0, 1, 2), tuple(range(6))]
        self.rows = layouts[rng.choice(6, p=(0.08, 0.07, 0.45, 0.05, 0.1, 0.25))]
        # With SPS, prompts far away are not looked at.
        self.reach = int(rng.integers(1, 3)) if rng.random() < 0.4 else None
        # Pointers are dated in shares of the stack where that is short.
        self.num_slices = int(rng.choice((64, 12), p=(0.75, 0.25)))

    def _encode(self, pictures, times):
        """Features by time, each a list of levels [B, ...]."""
        if not times:
            return {}
        levels = self.model.encode(pictures[:, list(times)].transpose(0, 1).flatten(0, 1))
        return dict(zip(times, zip(*(level.chunk(len(times)) for level in levels), strict=True), strict=True))

    def of(self, times):
        """Features of the given times, [len(times) * B, ...], time first."""
        return [torch.cat(level) for level in zip(*(self.features[time] for time in times), strict=True)]

    def prompt_memories(self, times, logits=None):
        """Memories of slices whose masks are given; logits [B, T, S, S] replace the true masks."""
        features = self.of(times)
        truth = self.masks[:, times].transpose(0, 1).flatten(0, 1)[:, None].float()
        if logits is None:
            memory = self.model.prompt(features, truth).memory
        else:
            given = logits[:, times].transpose(0, 1).flatten(0, 1)[:, None]
            hard = (given > 0).float()
            heads = self.model._use_mask_as_output(features[-1], features[:-1], hard)
            memory = self.model.remember(features[-1], given, heads[6], heads[5], prompted=False)
        return dict(zip(times, _split(memory, len(times)), strict=True))

    def predict(self, time, memories):
        """Predict one slice of every clip from the memories of other times."""
        passed = list(range(time - 1, self.before - 1, -1))
        near = self.prompted
        if self.reach:
            near = near[max(0, self.before - self.reach) : self.before + min(self.after, self.reach)]
        spatial = [(PROMPT, memories[t]) for t in near]
        spatial += [(row + 1, memories[t]) for row, t in zip(self.rows, passed, strict=False)]
        past = [t for t in near if t < time] + passed[:POINTERS]
        pointers = [(self._ago(time, t), memories[t]) for t in past]
        features = self.of([time])
        queries = [
            SliceQuery(time, _of_clip(spatial, clip), _of_clip(pointers, clip), self.num_slices)
            for clip in range(self.batch)
        ]
        return decode(self.model, features, self.model.attend(features[-1], queries))

    def _ago(self, now, then):
        if then >= self.before:
            return now - then
        return int((self.slices[:, now] - self.slices[:, then]).float().mean())

    def truth(self, times):
        """True masks at the given times, [len(times) * B, 1, S, S], time first."""
        return self.masks[:, times].transpose(0, 1).flatten(0, 1)[:, None]

    def parallel(self, own_masks: bool):
        """Every slice of the run at once, from memories of roughened true masks or of the model's own guesses."""
        run = list(self.run)
        memories, rough = self.given_memories(), self._roughened()
        if own_masks:
            with torch.no_grad():
                guesses = self._all(run, {**memories, **self.prompt_memories(run, rough)})
                rough = torch.zeros_like(self.masks, dtype=torch.float32)
                for time, (masks, ious, _, _) in guesses.items():
                    rough[:, time] = masks[torch.arange(self.batch), ious.argmax(dim=1)]
        guesses = self._all(run, {**memories, **self.prompt_memories(run, rough)})
        outputs = [torch.cat(parts) for parts in zip(*[guesses[t] for t in run], strict=True)]
        return losses(outputs[0], outputs[1], outputs[3], self.truth(run))

    def given_memories(self):
        """Memories of the prompts and of the slices already passed."""
        memories = self.prompt_memories(self.prompted)
        if self.passed:
            memories |= self.prompt_memories(list(self.passed), self._roughened())
        return memories

    def _roughened(self):
        """Imperfect logits of all slices [B, T, S, S]; where the object is absent, those of an absent one."""
        rough = roughen(self.rng, self.masks.flatten(0, 1)[:, None])[:, 0].unflatten(0, (self.batch, self.length))
        present = self.masks.flatten(2).any(dim=2)[..., None, None]
        return torch.where(present, rough, torch.tensor(ABSENT))

    def _all(self, run, memories):
        """Predictions by time."""
        return {time: self.predict(time, memories) for time in run}

    def unrolled(self):
        """Slice by slice, each remembered as inference would."""
        memories = self.given_memories()
        outputs = []
        for time in self.run:
            with torch.set_grad_enabled(time in self.learned):
                masks, ious, score, memories[time] = self._track(time, memories)
            if time in self.learned:
                outputs.append((masks, ious, score))
        masks, ious, score = (torch.cat(parts) for parts in zip(*outputs, strict=True))
        return losses(masks, ious, score, self.truth(list(self.learned)))

    def _track(self, time, memories):
        """Prediction and memory of one slice."""
        masks, ious, pointers, score = self.predict(time, memories)
        rows, best = torch.arange(self.batch), ious.argmax(dim=1)
        appears = (score > 0).float()
        pointer = appears * pointers[rows, best] + (1 - appears) * self.model.no_obj_ptr
        logits = torch.where(score[..., None, None] > 0, masks[rows, best][:, None], torch.tensor(ABSENT))
        return masks, ious, score, self.model.remember(self.of([time])[-1], logits, score, pointer, prompted=False)


def _split(memory: SliceMemory, parts: int):
    return [
        SliceMemory(*piece) for piece in zip(memory.features.chunk(parts), memory.pointer.chunk(parts), strict=True)
    ]


def _of_clip(looked_at, clip: int):
    """What one clip of the batch looks at: (row or slices ago, memory)."""
    one = slice(clip, clip + 1)
    return tuple((key, SliceMemory(memory.features[one], memory.pointer[one])) for key, memory in looked_at)
