"""A SAM2 network on a device: encodes slices once, takes prompts, predicts slices, and copes with little memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np
import torch
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints, devices
from SAM2VolumeSegLib.model.build import build_network
from SAM2VolumeSegLib.model.devices import DevicePlan
from SAM2VolumeSegLib.model.embeddings import EmbeddingCache
from SAM2VolumeSegLib.model.policy import PROMPT_ROW, Memories
from SAM2VolumeSegLib.model.sam2_volume import SliceMemory, SlicePrediction, VolumeSAM2

Answer = TypeVar("Answer")


class Pictures(Protocol):
    """The slices of one plane as the model sees them."""

    key: str
    """Names the volume, window, crop and plane."""

    def picture(self, index: int) -> np.ndarray:
        """Slice `index`: float32 [S, S] in 0..1."""


class SliceTracker:
    """One network on one device. `name` and `checkpoint_sha256` of the model are stored with every result."""

    def __init__(self, network: VolumeSAM2, plan: DevicePlan, name: str = "", checkpoint_sha256: str = ""):
        self.name = name
        self.network = network.to(plan.device)
        self.plan = plan
        self.checkpoint_sha256 = checkpoint_sha256
        self.cache = EmbeddingCache(plan.cache_bytes, plan.device)
        self.encoded = 0
        """Slices encoded so far."""

    @classmethod
    def load(cls, model: checkpoints.Model, device: str = "auto", image_size: int | None = None) -> SliceTracker:
        """Build a model with its weights on a device.

        Raises InputError: the checkpoint is missing, damaged or of another architecture, the configuration describes no
        network, or the device is absent.
        """
        plan = devices.plan(model, device, image_size)
        weights = checkpoints.load_weights(model)
        try:
            network = build_network(checkpoints.config_file(model), plan.image_size)
        except (HydraException, OmegaConfBaseException) as error:
            raise InputError(
                f"The configuration {model.config} describes no SAM2 network. Take the name of a known model, or a "
                "yaml made for sam2 1.1.0."
            ) from error
        if network.num_maskmem != PROMPT_ROW + 1:
            raise InputError(
                f"The configuration {model.config} has num_maskmem {network.num_maskmem}; only {PROMPT_ROW + 1} can be "
                "used here, which all of SAM2's own models have."
            )
        expected = network.state_dict()
        fits = expected.keys() == weights.keys() and all(expected[n].shape == weights[n].shape for n in expected)
        if not fits:
            raise InputError(
                f"The checkpoint {checkpoints.path_of(model)} belongs to another architecture than {model.config}. "
                "Choose the configuration that it was trained with."
            )
        network.load_state_dict(weights)
        return cls(network, plan, model.name, checkpoints.verify(model))

    def is_encoded(self, pictures: Pictures, index: int) -> bool:
        """Whether the features of a slice are at hand."""
        return self._key(pictures, index) in self.cache

    def features(self, pictures: Pictures, index: int, upcoming: Sequence[int] = ()) -> list[torch.Tensor]:
        """Features of one slice; when it is not in the cache, it is encoded together with the next `upcoming` ones."""
        found = self.cache.get(self._key(pictures, index))
        if found is None:
            found = self._spare_memory(lambda: self._encode(pictures, index, upcoming))
        return [feature.to(self.plan.device) for feature in found]

    def _encode(self, pictures, index, upcoming):
        missing = [n for n in upcoming if n != index and self._key(pictures, n) not in self.cache]
        batch = [index, *missing[: self.plan.batch_size - 1]]
        stack = torch.from_numpy(np.stack([pictures.picture(n) for n in batch]))
        with torch.inference_mode(), self.plan.autocast():
            levels = self.network.encode(stack.to(self.plan.device))
        self.encoded += len(batch)
        for position in reversed(range(len(batch))):  # the wanted slice last, so that it is not evicted
            one = [level[position : position + 1].clone() for level in levels]
            self.cache.put(self._key(pictures, batch[position]), one)
        return one

    def _key(self, pictures, index):
        return (pictures.key, self.plan.image_size, self.checkpoint_sha256, index)

    def prompt(self, features: list[torch.Tensor], mask: np.ndarray) -> SlicePrediction:
        """Remember a given mask, bool [S, S]."""
        given = torch.from_numpy(np.ascontiguousarray(mask, dtype=np.float32))[None, None].to(self.plan.device)
        return self._compact(self._spare_memory(lambda: self._call(self.network.prompt, features, given)))

    def track(
        self,
        features: list[torch.Tensor],
        chosen: Memories,
        memories: Mapping[int, SliceMemory],
        num_slices: int,
    ) -> SlicePrediction:
        """Predict a slice from the chosen ones of `memories` (slice -> memory)."""
        spatial = [(row, memories[n]) for n, row in chosen.spatial]
        pointers = [(ago, memories[n].pointer) for n, ago in chosen.pointers]
        answer = self._spare_memory(lambda: self._call(self.network.track, features, spatial, pointers, num_slices))
        return self._compact(answer)

    def _call(self, method, *arguments):
        with torch.inference_mode(), self.plan.autocast():
            return method(*arguments)

    def _compact(self, prediction: SlicePrediction) -> SlicePrediction:
        """SAM2VideoPredictor keeps memories in bfloat16, on every device; its logits are reproduced only if we do."""
        memory = replace(prediction.memory, features=prediction.memory.features.to(torch.bfloat16))
        return replace(prediction, memory=memory, logits=prediction.logits.float())

    def _spare_memory(self, compute: Callable[[], Answer]) -> Answer:
        """Run `compute`; when memory runs out: smaller batches, then the cache to main memory, then a clear message."""
        while True:
            try:
                return compute()
            except (RuntimeError, MemoryError) as error:
                if not devices.is_out_of_memory(error):
                    raise
                if not self._free_memory():
                    last_resort = "close other programs" if self.plan.device.type == "cpu" else "run on the CPU"
                    raise InputError(
                        f"The memory of {self.plan.device} is too small for this model at {self.plan.image_size} "
                        f"pixels. Choose a smaller model or input size, or {last_resort}."
                    ) from error
            # Outside of the handler, or the error's traceback keeps the tensors alive.
            if self.plan.device.type == "cuda":
                torch.cuda.empty_cache()
            elif self.plan.device.type == "mps":
                torch.mps.empty_cache()

    def _free_memory(self) -> bool:
        """Make room; False when nothing is left to give."""
        if self.plan.batch_size > 1:
            self.plan = replace(self.plan, batch_size=self.plan.batch_size // 2)
            return True
        if self.cache.device.type != "cpu":
            share = devices.CACHE_SHARE["cpu"] * devices.main_memory_bytes()
            self.cache.move_to(torch.device("cpu"), int(share))
            return True
        return False
