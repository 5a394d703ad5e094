"""Train the demonstration model on synthetic volumes.

    python -m SAM2VolumeSegLib.research.training.train --out scratch/demo

At first the model learns "in parallel": all slices of a clip are encoded at once and every slice is predicted from
memories of the true masks, roughened, or of the model's own first guesses. Later the clip is unrolled slice by slice as
inference does it, so that errors that build up are learned from.

Every random number comes from the seed and the number of the step. So the run can be stopped at any time and started
again, with any number of workers, and the model is the same: that of the seed. (On another processor, with another
number of threads or version of torch, sums are rounded differently, and it is only a similar one.)
"""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from SAM2VolumeSegLib.model.build import build_network
from SAM2VolumeSegLib.model.sam2_volume import VolumeSAM2
from SAM2VolumeSegLib.research.training.batches import Batches, stream
from SAM2VolumeSegLib.research.training.clip_run import ClipRun
from SAM2VolumeSegLib.research.training.schedule import STAGES, at_step, total_steps

CONFIG = Path(__file__).parents[2] / "model" / "demo" / "demo.yaml"
AVERAGED = 200
"""The checkpoint is a mean of the weights over about so many steps: steadier than the weights of any one step."""
OWN_MASKS_AFTER = 600
LOG_EVERY, SAVE_EVERY = 25, 50


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


class Training:
    """A model on its way through the stages, on one device: what is saved, and what a step changes.

    Attributes:
        seed: of every random number.
        stages: in their order.
        device: as PyTorch has it.
        step: the next one, counted from 0 over all stages.
        model: the network.
        mean: the running mean of its weights, which becomes the checkpoint.
    """

    def __init__(self, seed: int, device: str, stages=STAGES):
        torch.manual_seed(seed)
        self.seed, self.stages, self.device = seed, stages, torch.device(device)
        self.step = 0
        self.model = new_model(stages[0].pixels).to(self.device).train()
        self.mean = {name: value.clone() for name, value in self.model.state_dict().items()}
        self._new_optimizer()

    def start_from(self, weights: Path, stage: int) -> None:
        """Begin with the weights of a checkpoint, at the first step of a stage.

        Args:
            weights: the checkpoint.
            stage: counted from 1.
        """
        self.mean = torch.load(weights, weights_only=True, map_location=self.device)["model"]
        self.mean = {name: value.float() if value.is_floating_point() else value for name, value in self.mean.items()}
        self.model.load_state_dict(self.mean)
        self.step = sum(stage.steps for stage in self.stages[: stage - 1])

    def save(self, path: Path) -> None:
        """Write all that is needed to go on as if never stopped."""
        state = {"seed": self.seed, "step": self.step, "pixels": self.model.image_size, "mean": self.mean}
        state |= {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        new = path.with_suffix(".new")
        torch.save(state, new)
        new.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a saved state.

        Args:
            path: what `save` wrote.

        Raises:
            ValueError: it belongs to another seed.
        """
        state = torch.load(path, weights_only=True, map_location="cpu")
        if state["seed"] != self.seed:
            raise ValueError(f"The state in {path} has the seed {state['seed']}, not {self.seed}.")
        self.step = state["step"]
        self.mean = {name: value.to(self.device) for name, value in state["mean"].items()}
        self.model.load_state_dict(state["model"])
        self._resize(state["pixels"])  # now, or the first step would, and forget the optimizer
        self.optimizer.load_state_dict(state["optimizer"])

    def learn(self, batch) -> tuple[float, float]:
        """Do one step.

        Args:
            batch: that of the step.

        Returns:
            Loss and mean Dice (NaN where every object is absent).
        """
        stage, rate = at_step(self.step, self.stages)
        if self.model.image_size != stage.pixels:
            self._resize(stage.pixels)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng((self.seed, 2, self.step))
        torch.manual_seed(int(rng.integers(2**62)))
        own = self.step > OWN_MASKS_AFTER and rng.random() < 0.5
        tensors = [tensor.to(self.device, non_blocking=True) for tensor in (batch.pictures, batch.masks, batch.slices)]
        with _precision(self.device), _attention(self.device):
            clip = ClipRun(self.model, rng, batch.pattern, *tensors, frozen=stage.frozen)
            loss, dice = clip.unrolled() if stage.unrolled else clip.parallel(own_masks=own)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if torch.isfinite(torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)):
            self.optimizer.step()
        self.step += 1
        self._average()
        return loss.item(), dice.mean().item() if len(dice) else float("nan")

    @torch.no_grad()
    def _average(self):
        share = max(1 / AVERAGED, 1 / (self.step + 1))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.mean[name].lerp_(value, share)

    def _new_optimizer(self):
        self.optimizer = torch.optim.AdamW(self.model.parameters(), weight_decay=0.02, betas=(0.9, 0.98))

    def _resize(self, pixels):
        """The same weights for pictures of another size, and a new optimizer."""
        weights = self.model.state_dict()
        self.model = build_network(CONFIG, image_size=pixels).to(self.device).train()
        self.model.load_state_dict(weights)
        self._new_optimizer()


def _precision(device):
    """bfloat16 where the hardware computes with it; a CPU that has to imitate it takes several times as long."""
    if device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def _attention(device):
    """Plain attention on a CPU, where the fused one makes a step a quarter slower."""
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()


def train(training: Training, out: Path, workers: int = 1, minutes: float | None = None, stop: int | None = None):
    """Train to the end of the schedule, or until it is told to stop.

    Goes on from state.pt, and writes log.txt, state.pt and the checkpoint demo.pt.

    Args:
        training: what to go on with.
        out: folder of these files.
        workers: processes that make clips.
        minutes: after which it stops; None: none.
        stop: step after which it stops; None: the last one.
    """
    out.mkdir(parents=True, exist_ok=True)
    if (out / "state.pt").exists():
        training.load(out / "state.pt")
    stop = min(stop or total_steps(training.stages), total_steps(training.stages))
    started, recent = time.monotonic(), []
    with open(out / "log.txt", "a", encoding="utf-8", buffering=1) as log:
        print(
            f"# seed {training.seed}, from step {training.step}, {training.device.type}, {torch.get_num_threads()} "
            f"threads, torch {torch.__version__}",
            file=log,
        )
        for batch in stream(Batches(training.seed, training.stages), training.step, stop, workers):
            recent.append(training.learn(batch))
            seconds = time.monotonic() - started
            if training.step % LOG_EVERY == 0:
                loss, dice = np.nanmean(np.array(recent), axis=0)
                pixels = training.model.image_size
                print(
                    f"{seconds / 60:6.1f} min  step {training.step:5d}  {pixels} px  loss {loss:.3f}  Dice {dice:.3f}",
                    file=log,
                )
                recent = []
            if training.step % SAVE_EVERY == 0:
                training.save(out / "state.pt")
            if minutes is not None and seconds > 60 * minutes:
                break
    training.save(out / "state.pt")
    save_checkpoint(training.mean, out / "demo.pt")


def save_checkpoint(weights, path: Path):
    """Write the weights as SAM2's checkpoints are written ({"model": ...}), in half precision."""
    half = {name: (value.half() if value.is_floating_point() else value).cpu() for name, value in weights.items()}
    torch.save({"model": half}, path)


def main():
    """Train, from the start or from where it was stopped, as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("scratch/demo"))
    parser.add_argument("--seed", type=int, default=20260)
    parser.add_argument("--device", default="cpu", help='"cpu" or "cuda"')
    parser.add_argument("--threads", type=int, default=1, help="of the training itself; each worker has one more")
    parser.add_argument("--workers", type=int, default=1, help="processes that make clips: 1, 2, 4 or 8")
    parser.add_argument("--minutes", type=float, help="stop after so long, to go on later")
    parser.add_argument("--stop", type=int, help="stop after this step, to go on later")
    parser.add_argument("--start", type=Path, help="begin with the weights of this checkpoint (see --stage)")
    parser.add_argument("--stage", type=int, default=1, help="with --start: the stage to begin with")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    training = Training(chosen.seed, chosen.device)
    if chosen.start:
        training.start_from(chosen.start, chosen.stage)
    train(training, chosen.out, chosen.workers, chosen.minutes, chosen.stop)


if __name__ == "__main__":
    main()
