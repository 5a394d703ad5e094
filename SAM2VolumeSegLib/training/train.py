"""Train the demonstration model on synthetic volumes.

    python -m SAM2VolumeSegLib.training.train --minutes 90 --out scratch/demo

Most of the time the model learns "in parallel": all slices of a clip are encoded at once and every slice is predicted
from memories of the true masks, roughened, or of the model's own first guesses. The last part unrolls the clip slice
by slice as inference does, so that errors that build up are learned from. The run can be stopped and started again:
it goes on from the state in --out.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..model.build import build_network
from ..model.sam2_volume import SliceMemory, VolumeSAM2
from .clips import draw_clip
from .volumes import make_volume

CONFIG = Path(__file__).parents[1] / "model" / "demo" / "demo.yaml"
# (share of the time, pixels, clips in a batch, slice by slice?, highest learning rate)
STAGES = ((0.55, 128, 4, False, 1e-3), (0.2, 192, 4, False, 6e-4), (0.25, 192, 4, True, 4e-4))
PROMPTS = ((1, 0), (1, 1), (2, 0), (2, 1), (1, 2), (0, 1))  # prompts before and after the run
RUN = 7
POINTERS = 15


# ----------------------------------------------------------------------------------------------------------- data


class Clips(torch.utils.data.IterableDataset):
    """An endless stream of batches of clips; every batch has one pattern of prompts."""

    def __init__(self, seed: int, volumes: int, batch: int, size: int):
        self.seed, self.volumes, self.batch, self.size = seed, volumes, batch, size

    def __iter__(self):
        torch.set_num_threads(1)
        worker = torch.utils.data.get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        pool, drawn = [make_volume(rng) for _ in range(48)], 0
        while True:
            before, after = PROMPTS[rng.integers(len(PROMPTS))]
            clips = []
            while len(clips) < self.batch:
                drawn += 1
                if drawn % 40 == 0:  # one new volume for every forty clips
                    pool.append(make_volume(rng))
                    del pool[: len(pool) - self.volumes]
                clip = draw_clip(rng, pool[rng.integers(len(pool))], before, RUN, after, self.size)
                if clip is not None:
                    clips.append(clip)
            pictures, masks, slices = zip(*clips, strict=True)
            yield before, after, torch.stack(pictures), torch.stack(masks), torch.tensor(np.stack(slices))


def roughen(rng, masks: torch.Tensor) -> torch.Tensor:
    """Imperfect mask logits [N, 1, S, S] as a tracker would remember them, from true masks [N, 1, S, S]."""
    soft = masks.float()
    coarse = F.avg_pool2d(soft, 4)
    blurred = F.interpolate(coarse, scale_factor=4, mode="bilinear", align_corners=False)
    noise = torch.randn(len(masks), 1, 6, 6) * float(rng.choice((0.0, 0.3, 0.8, 1.5)))
    noise = F.interpolate(noise, size=masks.shape[-2:], mode="bicubic", align_corners=False)
    return ((blurred - 0.5) * 12 + noise * 3).clamp(-10, 10)


# ----------------------------------------------------------------------------------------------------------- losses


def decode(model: VolumeSAM2, features, fused):
    """Raw masks [N, 3, S, S], IoU [N, 3], pointers [N, 3, C], object score [N, 1].

    The decoder is called directly: sam2 fills the masks of absent objects with -1024, which has no gradient.
    """
    count = len(fused)
    sparse, dense = model.sam_prompt_encoder(
        points=(torch.zeros(count, 1, 2), -torch.ones(count, 1, dtype=torch.int32)), boxes=None, masks=None
    )
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
    each = 5 * entropy + dice * present
    hard = masks.detach() > 0
    intersection = (hard & (truth > 0)).sum(dim=(2, 3))
    union = (hard | (truth > 0)).sum(dim=(2, 3)).clamp(min=1)
    iou = intersection / union
    loss = each.amin(dim=1).mean() + 0.3 * each.mean() + 0.5 * ((ious - iou).abs() * present).mean()
    loss = loss + 0.3 * F.binary_cross_entropy_with_logits(score, present)
    chosen = ious.argmax(dim=1)
    rows = torch.arange(len(masks))
    hard_dice = 2 * intersection[rows, chosen] / (hard[rows, chosen].sum((1, 2)) + truth[:, 0].sum((1, 2))).clamp(min=1)
    return loss, hard_dice[present[:, 0] > 0]


# ------------------------------------------------------------------------------------------------------------- clips


class ClipRun:
    """One batch of clips [B, T, S, S] under one memory layout; T = prompts before + run + prompts after."""

    def __init__(self, model, rng, before, after, pictures, masks, slices):
        self.model, self.rng = model, rng
        self.batch, self.length = pictures.shape[:2]
        self.before, self.after = before, after
        self.run = range(before, self.length - after)
        self.prompted = [*range(before), *range(self.length - after, self.length)]
        self.masks, self.slices = masks, slices
        self.features = [f.unflatten(0, (self.batch, self.length)) for f in model.encode(pictures.flatten(0, 1))]
        # SAM2's own layout with 1 to 6 recent slices, or the paper's IS
        self.rows = [(0,), (0, 5), (0, 1), (0, 1, 2), tuple(range(6))][rng.choice(5, p=(0.1, 0.35, 0.1, 0.15, 0.3))]

    def of(self, times):
        """Features of the given times, [len(times) * B, ...], time first."""
        return [f[:, times].transpose(0, 1).flatten(0, 1) for f in self.features]

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

    def predict(self, times, memories):
        """Predict slices `times`, which all have equally many memories, from the memories of other times."""
        batches = []
        for time_ in times:
            recent = [t for t in range(time_ - 1, self.before - 1, -1)][: len(self.rows)]
            spatial = [(6, memories[t]) for t in self.prompted]
            spatial += [(row, memories[t]) for row, t in zip(self.rows, recent, strict=False)]
            past = [t for t in self.prompted if t < time_]
            past += list(range(time_ - 1, self.before - 1, -1))[:POINTERS]
            batches.append((spatial, [(self._ago(time_, t), memories[t].pointer) for t in past]))
        spatial = [(row, _join([b[0][n][1] for b in batches])) for n, (row, _) in enumerate(batches[0][0])]
        pointers = [(ago, torch.cat([b[1][n][1] for b in batches])) for n, (ago, _) in enumerate(batches[0][1])]
        features = self.of(times)
        fused = self.model.attend(features[-1], spatial, pointers, num_slices=64)
        return decode(self.model, features, fused)

    def _ago(self, now, then):
        if then >= self.before:
            return now - then
        return int((self.slices[:, now] - self.slices[:, then]).float().mean())

    def truth(self, times):
        return self.masks[:, times].transpose(0, 1).flatten(0, 1)[:, None]

    def parallel(self, own_masks: bool):
        """Every slice of the run at once, from memories of roughened true masks or of the model's own guesses."""
        run = list(self.run)
        memories = self.prompt_memories(self.prompted)
        rough = roughen(self.rng, self.masks.flatten(0, 1)[:, None])[:, 0].unflatten(0, (self.batch, self.length))
        if self.rng.random() < 0.3:  # a memory that lags one slice behind
            rough[:, 1:] = rough[:, :-1].clone()
        if own_masks:
            with torch.no_grad():
                guesses = self._all(run, {**memories, **self.prompt_memories(run, rough)})
                rough = torch.zeros_like(self.masks, dtype=torch.float32)
                for time_, (masks, ious, _, _) in guesses.items():
                    rough[:, time_] = masks[torch.arange(self.batch), ious.argmax(dim=1)]
        guesses = self._all(run, {**memories, **self.prompt_memories(run, rough)})
        outputs = [torch.cat(parts) for parts in zip(*[guesses[t] for t in run], strict=True)]
        return losses(outputs[0], outputs[1], outputs[3], self.truth(run))

    def _all(self, run, memories):
        """Predictions by time. Slices with equally many recent memories and pointers share one batch."""
        guesses = {}
        for time_ in run:
            guesses[time_] = self.predict([time_], memories)
        return guesses

    def unrolled(self):
        """Slice by slice, each remembered as inference would."""
        memories = self.prompt_memories(self.prompted)
        outputs = []
        for time_ in self.run:
            masks, ious, pointers, score = self.predict([time_], memories)
            outputs.append((masks, ious, score))
            rows, best = torch.arange(self.batch), ious.argmax(dim=1)
            appears = (score > 0).float()
            pointer = appears * pointers[rows, best] + (1 - appears) * self.model.no_obj_ptr
            logits = torch.where(score[..., None, None] > 0, masks[rows, best][:, None], torch.tensor(-1024.0))
            memories[time_] = self.model.remember(self.of([time_])[-1], logits, score, pointer, prompted=False)
        masks, ious, score = (torch.cat(parts) for parts in zip(*outputs, strict=True))
        return losses(masks, ious, score, self.truth(list(self.run)))


def _split(memory: SliceMemory, parts: int):
    pieces = (memory.features.chunk(parts), memory.position.chunk(parts), memory.pointer.chunk(parts))
    return [SliceMemory(*piece) for piece in zip(*pieces, strict=True)]


def _join(memories):
    parts = [(m.features, m.position, m.pointer) for m in memories]
    return SliceMemory(*(torch.cat(p) for p in zip(*parts, strict=True)))


# ---------------------------------------------------------------------------------------------------------- training


def new_model(size: int) -> VolumeSAM2:
    """A model to start from: object score positive, memory attention looking at the same place first.

    The bias on the highest frequencies of the rotary encoding makes query and key agree most where the positions agree;
    without it, a short training does not find out that memory and picture are aligned.
    """
    model = build_network(CONFIG, image_size=size)
    torch.nn.init.trunc_normal_(model.image_encoder.trunk.pos_embed, std=0.02)
    torch.nn.init.trunc_normal_(model.image_encoder.trunk.pos_embed_window, std=0.02)
    model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.data.fill_(2.0)
    for layer in model.memory_attention.layers:
        attention = layer.cross_attn_image
        half = attention.internal_dim // 2  # the first half of the channels rotates with x, the second with y
        for projection in (attention.q_proj, attention.k_proj):
            projection.bias.data.zero_()
            projection.bias.data[0:12:2] = 2.0
            projection.bias.data[half : half + 12 : 2] = 2.0
    return model


def train(minutes: float, out: Path, seed: int, threads: int):
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(seed)
    model = new_model(STAGES[0][1])
    state = {"seconds": 0.0, "step": 0}
    average = copy.deepcopy(model.state_dict())
    saved = out / "state.pt"
    if saved.exists():
        kept = torch.load(saved, weights_only=True)
        model.load_state_dict(kept["model"])
        average, state = kept["average"], kept["state"]
    log = open(out / "log.txt", "a", encoding="utf-8", buffering=1)
    print(f"# seed {seed}, {minutes:g} minutes, {threads} threads, torch {torch.__version__}", file=log)
    begin = 0.0
    for number, (share, size, batch, unrolled, rate) in enumerate(STAGES):
        end = begin + share * minutes * 60
        if state["seconds"] < end:
            if model.image_size != size:
                weights = model.state_dict()
                model = build_network(CONFIG, image_size=size)
                model.load_state_dict(weights)
            stage = dict(begin=begin, end=end, batch=batch, unrolled=unrolled, rate=rate)
            average = _train_stage(model, average, state, stage, rng, seed + number + state["step"], log, saved)
        begin = end
    save_checkpoint(average, out / "demo.pt")


def _train_stage(model, average, state, stage, rng, seed, log, saved):
    optimizer = torch.optim.AdamW(model.parameters(), lr=stage["rate"], weight_decay=0.02, betas=(0.9, 0.98))
    clips = Clips(seed, 300, stage["batch"], model.image_size)
    loader = iter(torch.utils.data.DataLoader(clips, batch_size=None, num_workers=1, prefetch_factor=4))
    size, first_step = model.image_size, state["step"]
    recent, started, last_save = [], time.monotonic() - state["seconds"], time.monotonic()
    model.train()
    while state["seconds"] < stage["end"]:
        done = (state["seconds"] - stage["begin"]) / (stage["end"] - stage["begin"])
        warm = min(1.0, (state["step"] - first_step + 1) / 100)
        for group in optimizer.param_groups:
            group["lr"] = stage["rate"] * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        before, after, pictures, masks, slices = next(loader)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            clip = ClipRun(model, rng, before, after, pictures, masks, slices)
            own = state["step"] > 600 and rng.random() < 0.5
            loss, dice = clip.unrolled() if stage["unrolled"] else clip.parallel(own_masks=own)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if not torch.isfinite(norm):
            continue
        optimizer.step()
        keep = min(0.998, 1 - 1 / (state["step"] - first_step + 10)) if first_step == 0 else 0.998
        for name, value in model.state_dict().items():
            average[name].lerp_(value, 1 - keep) if value.is_floating_point() else average[name].copy_(value)
        state["step"] += 1
        state["seconds"] = time.monotonic() - started
        recent.append((loss.item(), dice.mean().item() if len(dice) else float("nan")))
        if state["step"] % 50 == 0:
            values = np.nanmean(np.array(recent), axis=0)
            minute = state["seconds"] / 60
            print(f"{minute:6.1f} min  step {state['step']:5d}  {size} px  loss {values[0]:.3f}  Dice {values[1]:.3f}", file=log)
            recent = []
        if time.monotonic() - last_save > 240:
            torch.save({"model": model.state_dict(), "average": average, "state": state}, saved.with_suffix(".new"))
            saved.with_suffix(".new").replace(saved)
            last_save = time.monotonic()
    torch.save({"model": model.state_dict(), "average": average, "state": state}, saved)
    return average


def save_checkpoint(weights, path: Path):
    """Write the weights as SAM2's checkpoints are written ({"model": ...}), in half precision."""
    half = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    torch.save({"model": half}, path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--out", type=Path, default=Path("scratch/demo"))
    parser.add_argument("--seed", type=int, default=20260)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    train(arguments.minutes, arguments.out, arguments.seed, arguments.threads)


if __name__ == "__main__":
    main()
