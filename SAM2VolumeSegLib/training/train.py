"""Train the demonstration model on synthetic volumes.

    python -m SAM2VolumeSegLib.training.train --minutes 90 --out scratch/demo

Most of the time the model learns "in parallel": all slices of a clip are encoded at once and every slice is predicted
from memories of the true masks, roughened, or of the model's own first guesses. The last part unrolls the clip slice
by slice as inference does, so that errors that build up are learned from. The run can be stopped and started again:
it goes on from the state in --out.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from SAM2VolumeSegLib.model.build import build_network
from SAM2VolumeSegLib.model.sam2_volume import VolumeSAM2
from SAM2VolumeSegLib.training.clip_run import ClipRun
from SAM2VolumeSegLib.training.clips import draw_clip
from SAM2VolumeSegLib.training.volumes import make_volume

CONFIG = Path(__file__).parents[1] / "model" / "demo" / "demo.yaml"
PROMPTS = ((1, 0), (1, 1), (2, 0), (2, 1), (1, 2), (0, 1))  # prompts before and after the run
RUN = 7


@dataclass(frozen=True)
class Stage:
    """share of the time; side of the pictures in pixels; clips in a batch; slice by slice?; highest learning rate."""

    share: float
    pixels: int
    batch: int
    unrolled: bool
    rate: float


STAGES = (Stage(0.62, 128, 4, False, 1e-3), Stage(0.38, 160, 4, True, 5e-4))


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
    """Train for `minutes`, going on from the state in `out`; writes log.txt and, when done, demo.pt there."""
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(seed)
    model = new_model(STAGES[0].pixels)
    state = {"seconds": 0.0, "step": 0}
    if (out / "state.pt").exists():
        kept = torch.load(out / "state.pt", weights_only=True)
        model.load_state_dict(kept["model"])
        state = kept["state"]
    with open(out / "log.txt", "a", encoding="utf-8", buffering=1) as log:
        print(f"# seed {seed}, {minutes:g} minutes, {threads} threads, torch {torch.__version__}", file=log)
        begin = 0.0
        for stage in STAGES:
            end = begin + stage.share * minutes * 60
            if state["seconds"] < end:
                if model.image_size != stage.pixels:
                    weights = model.state_dict()
                    model = build_network(CONFIG, image_size=stage.pixels)
                    model.load_state_dict(weights)
                _train_stage(model, stage, state, (begin, end), rng, log, out / "state.pt", seed + state["step"])
            begin = end
    save_checkpoint(model.state_dict(), out / "demo.pt")


def _train_stage(model, stage, state, span, rng, log, saved, seed):
    optimizer = torch.optim.AdamW(model.parameters(), lr=stage.rate, weight_decay=0.02, betas=(0.9, 0.98))
    clips = Clips(seed, 300, stage.batch, stage.pixels)
    loader = iter(torch.utils.data.DataLoader(clips, batch_size=None, num_workers=1, prefetch_factor=4))
    begin, end = span
    first_step, last_save, started = state["step"], time.monotonic(), time.monotonic() - state["seconds"]
    recent = []
    model.train()
    while state["seconds"] < end:
        done = (state["seconds"] - begin) / (end - begin)
        warm = min(1.0, (state["step"] - first_step + 1) / 100)
        for group in optimizer.param_groups:
            group["lr"] = stage.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        before, after, pictures, masks, slices = next(loader)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            clip = ClipRun(model, rng, before, after, pictures, masks, slices)
            own = state["step"] > 600 and rng.random() < 0.5
            loss, dice = clip.unrolled() if stage.unrolled else clip.parallel(own_masks=own)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if torch.isfinite(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)):
            optimizer.step()
        state["step"] += 1
        state["seconds"] = time.monotonic() - started
        recent.append((loss.item(), dice.mean().item() if len(dice) else float("nan")))
        if state["step"] % 50 == 0:
            minute, (loss_, dice_) = state["seconds"] / 60, np.nanmean(np.array(recent), axis=0)
            step, pixels = state["step"], stage.pixels
            print(f"{minute:6.1f} min  step {step:5d}  {pixels} px  loss {loss_:.3f}  Dice {dice_:.3f}", file=log)
            recent = []
        if time.monotonic() - last_save > 240:
            _save_state(model, state, saved)
            last_save = time.monotonic()
    _save_state(model, state, saved)


def _save_state(model, state, path: Path):
    torch.save({"model": model.state_dict(), "state": state}, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


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
