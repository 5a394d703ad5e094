"""A network on a device: computes nothing twice, and copes with little memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

import numpy as np
import torch

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model import checkpoints, devices
from SAM2VolumeSegLib.model.build import build_network
from SAM2VolumeSegLib.model.devices import DevicePlan
from SAM2VolumeSegLib.model.identity import prompt_identity, query_identity
from SAM2VolumeSegLib.model.network import Network, SliceMemory, SlicePrediction, SliceQuery
from SAM2VolumeSegLib.model.pace import Pace
from SAM2VolumeSegLib.model.slot_file import SlotFile
from SAM2VolumeSegLib.model.tensor_cache import TensorCache

Answer = TypeVar("Answer")
PREDICTION_SHARE = 0.2  # of the memory for embeddings: a prediction is a twentieth as large, but a slice has several
MAIN_MEMORY_BYTES = 512 << 20
"""Embeddings kept in main memory; the others go to a file, which the system keeps in whatever memory is free. Reading
takes milliseconds (tiny at 512 pixels: 1, from the disk 4), encoding again hundreds."""


class Pictures(Protocol):
    """The slices of one plane as the model sees them."""

    @property
    def key(self) -> str:
        """Names all that the pictures depend on: the volume, intensity window, plane, and the window in the plane."""

    def picture(self, index: int) -> np.ndarray:
        """Slice `index`: float32 [S, S] in 0..1."""


class SliceTracker:
    """One network on one device, and what it has computed so far: what a program keeps between two runs.

    A run after a correction gets everything from here that the correction cannot have changed.

    Attributes:
        network: On the plan's device.
        plan: How it runs; its batches become smaller when memory runs out.
        name: Of the model, stored with every result.
        checkpoint_sha256: Of its weights, stored with every result.
        cache: Features of slices.
        predictions: What was predicted, by identity.
        encoded: Slices encoded so far.
        tracked: Slices predicted so far; those that were known already do not count.
        beyond: How far structures went beyond what is painted, as runs have shown it: slices that were visited there,
            and that there were, by pictures and name.
        now: The time in seconds, by which all of a run is timed.
        encode_pace: How long it takes to encode a slice.
        prompt_pace: How long it takes to remember a given mask.
        predict_pace: How long it takes to predict a slice.
    """

    now: Callable[[], float] = staticmethod(time.perf_counter)

    def __init__(self, network: Network, plan: DevicePlan, name: str = "", checkpoint_sha256: str = ""):
        self.name = name
        self.network = network.on(plan.device)
        self.plan = plan
        self.checkpoint_sha256 = checkpoint_sha256
        budget = _budget(plan.device, plan.cache_bytes)
        self.cache = TensorCache(budget, plan.device, SlotFile(checkpoints.cache_folder()))
        self.predictions = TensorCache(
            int(PREDICTION_SHARE * budget),
            plan.device,
            SlotFile(checkpoints.cache_folder()),
        )
        self.beyond: dict[Hashable, tuple[int, int]] = {}
        self.encoded = 0
        self.tracked = 0
        self.restart_paces()

    @classmethod
    def load(cls, model: checkpoints.Model, device: str = "auto", image_size: int | None = None) -> SliceTracker:
        """Build a model with its weights on a device.

        Args:
            model: Which one.
            device: "auto", "cuda", "cuda:1", "mps" or "cpu" (see `devices.choose_device`).
            image_size: Side of the square input in pixels; None: see `devices.choose_image_size`.

        Raises:
            InputError: The checkpoint is missing, damaged or of another architecture, the configuration describes no
                network or one without memory, or the device is absent.
        """
        plan = devices.plan(model, device, image_size)
        weights = checkpoints.load_weights(model)
        network = build_network(checkpoints.config_file(model), plan.image_size)
        if network.limits.ages < 0:
            raise InputError(
                _(
                    "The configuration {config} has num_maskmem 0: a network without memory cannot carry a mask from "
                    "slice to slice."
                ).format(config=model.config)
            )
        expected = network.state_dict()
        fits = expected.keys() == weights.keys() and all(expected[n].shape == weights[n].shape for n in expected)
        if not fits:
            raise InputError(
                _(
                    "The checkpoint {path} belongs to another architecture than {config}. Choose the "
                    "configuration that it was trained with."
                ).format(path=checkpoints.path_of(model), config=model.config)
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

    def check_finite(self, logits: Iterable[np.ndarray]) -> None:
        """Refuse answers with a NaN or an infinity.

        Args:
            logits: Answers that were read from the device; a GPU would be waited for if each prediction was checked.

        Raises:
            InputError: One of them holds something that is no number.
        """
        if not all(np.isfinite(answer.sum()) for answer in logits):  # one of them anywhere makes the sum one
            raise InputError(
                _(
                    "The model {name} answered with something that is no number (on {device}, {precision}). "
                    "Choose another intensity window or another model, or run on the CPU."
                ).format(name=self.name, device=self.plan.device, precision=str(self.plan.dtype).removeprefix("torch."))
            )

    def restart_paces(self) -> None:
        """Time anew how long it takes to encode a slice, to remember a mask that was given, and to predict a slice."""
        wait = None if self.plan.device.type == "cpu" else self._wait
        self.encode_pace = Pace("encode", now=self.now, wait=wait)
        self.prompt_pace = Pace("prompt", now=self.now, wait=wait)
        self.predict_pace = Pace("call", "predict", "memory", now=self.now, wait=wait)

    def _wait(self) -> None:
        """A graphics card says that it is done before it is."""
        (torch.cuda if self.plan.device.type == "cuda" else torch.mps).synchronize()

    def forget(self) -> None:
        """Forget all that was computed; the next run starts from nothing."""
        self.cache.clear()
        self.predictions.clear()
        self.beyond.clear()

    def _encode(self, pictures: Pictures, index: int, upcoming: Sequence[int]) -> list[torch.Tensor]:
        """Encode a slice, and the next ones in the same batch; returns the features of the first."""
        missing = [n for n in dict.fromkeys(upcoming) if n != index and self._key(pictures, n) not in self.cache]
        batch = [index, *missing[: self.plan.batch_size - 1]]
        stack = torch.from_numpy(np.stack([pictures.picture(n) for n in batch]))
        on_gpu = self.plan.device.type == "cuda"  # there the copy need not wait for what is being computed
        stack = (stack.pin_memory() if on_gpu else stack).to(self.plan.device, non_blocking=on_gpu)
        with torch.inference_mode(), self.plan.autocast(), self.encode_pace.timed(len(batch)):
            levels = self.network.encode(stack)
        self.encoded += len(batch)
        for n in reversed(range(len(batch))):  # the wanted slice last, so that it is not evicted
            one = [level[n : n + 1].clone() for level in levels]
            self.cache.put(self._key(pictures, batch[n]), one)
        return one

    def _key(self, pictures: Pictures, index: int) -> Hashable:
        return (pictures.key, self.plan.image_size, self.checkpoint_sha256, index)

    def prompt(self, pictures: Pictures, index: int, mask: np.ndarray) -> SlicePrediction:
        """Remember a mask, bool [S, S], that was given on a slice."""
        identity = prompt_identity(self._key(pictures, index), mask)
        if (known := self._known(identity)) is not None:
            return known
        features = self.features(pictures, index)
        given = torch.from_numpy(np.ascontiguousarray(mask, dtype=np.float32))[None, None].to(self.plan.device)
        with self.prompt_pace.timed(1):
            prediction = self._spare_memory(lambda: self._call(self.network.prompt, features, given))
        return self._keep(identity, prediction, 0)

    def recall(self, pictures: Pictures, query: SliceQuery) -> SlicePrediction | None:
        """What was predicted for the same slice from the same memories before, if it is still there."""
        known = self._known(self._identity(pictures, query))
        if known is not None and known.attention is None and self.watches_attention:
            return None
        return known

    @property
    def watches_attention(self) -> bool:
        """Whether predictions say what they attended to; a network that cannot tell has no such switch."""
        return getattr(self.network, "watches_attention", False)

    @contextmanager
    def watching_attention(self) -> Iterator[None]:
        """In the block, let predictions say what they attended to (`SlicePrediction.attention`)."""
        before = self.watches_attention
        if hasattr(self.network, "watches_attention"):
            self.network.watches_attention = True
        try:
            yield
        finally:
            if hasattr(self.network, "watches_attention"):
                self.network.watches_attention = before

    def track(
        self, pictures: Pictures, queries: Sequence[SliceQuery], upcoming: Sequence[int] = ()
    ) -> list[SlicePrediction]:
        """Predict slices from what they look at, in batches.

        Args:
            pictures: Of the plane.
            queries: Of one shape.
            upcoming: Indices of slices that are encoded along where that fills a batch.

        Returns:
            A prediction (B = 1) for each query.
        """
        answers: list[SlicePrediction] = []
        while len(answers) < len(queries):
            left = queries[len(answers) :]
            wanted = [query.index for query in left]
            # Each slice once, however many segments are on it.
            features = {
                index: self.features(pictures, index, [*wanted, *upcoming])
                for index in dict.fromkeys(wanted[: self.plan.batch_size])
            }
            found = self._spare_memory(partial(self._predict, pictures, left, features))
            self.tracked += len(found)
            answers += found
        return answers

    def _predict(
        self, pictures: Pictures, queries: Sequence[SliceQuery], features: Mapping[int, list[torch.Tensor]]
    ) -> list[SlicePrediction]:
        """Predictions of the first queries: as many as a batch holds."""
        batch = queries[: self.plan.batch_size]
        found = [features[query.index] for query in batch]
        levels = [torch.cat(level) for level in zip(*found, strict=True)] if len(batch) > 1 else found[0]
        with self.predict_pace.timed(1, len(batch), sum(len(query.spatial) for query in batch)):
            prediction = self._call(self.network.track, levels, batch)
            return [self._keep(self._identity(pictures, query), prediction, n) for n, query in enumerate(batch)]

    def _identity(self, pictures: Pictures, query: SliceQuery) -> bytes:
        furthest = self.network.limits.furthest_pointer(query.num_slices)
        return query_identity(self._key(pictures, query.index), query, furthest)

    def _known(self, identity: bytes) -> SlicePrediction | None:
        found = self.predictions.get(identity)
        if found is None:
            return None
        logits, iou, score, features, pointer, *rest = (tensor.to(self.plan.device) for tensor in found)
        attention = rest[0] if rest else None
        return SlicePrediction(logits, iou, score, SliceMemory(features, pointer, identity), attention)

    def _keep(self, identity: bytes, prediction: SlicePrediction, n: int) -> SlicePrediction:
        """The n-th prediction of a batch, compact, and known from now on."""

        def cut(tensor: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
            return tensor[n : n + 1].clone().to(dtype or tensor.dtype)

        memory = prediction.memory
        logits, iou, score = cut(prediction.logits, torch.float32), cut(prediction.iou), cut(prediction.object_score)
        # SAM2VideoPredictor keeps memories in bfloat16, on every device; its logits are reproduced only if we do.
        features, pointer = cut(memory.features, torch.bfloat16), cut(memory.pointer)
        attention = None if prediction.attention is None else cut(prediction.attention)
        kept = [logits, iou, score, features, pointer]
        self.predictions.put(identity, kept if attention is None else [*kept, attention])
        return SlicePrediction(logits, iou, score, SliceMemory(features, pointer, identity), attention)

    def _call(self, method: Callable[..., Answer], *arguments: object) -> Answer:
        with torch.inference_mode(), self.plan.autocast():
            return method(*arguments)

    def _spare_memory(self, compute: Callable[[], Answer]) -> Answer:
        """Run `compute`; when memory runs out: smaller batches, then the cache to main memory, then a clear message."""
        while True:
            try:
                return compute()
            except (RuntimeError, MemoryError) as error:
                if not devices.is_out_of_memory(error):
                    raise
                if not self._free_memory():
                    last_resort = _("close other programs") if self.plan.device.type == "cpu" else _("run on the CPU")
                    raise InputError(
                        _(
                            "The memory of {device} is too small for this model at {image_size} "
                            "pixels. Choose a smaller "
                            "model or input size, or {last_resort}."
                        ).format(device=self.plan.device, image_size=self.plan.image_size, last_resort=last_resort)
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
            cpu = torch.device("cpu")
            budget = _budget(cpu, int(devices.CACHE_SHARE["cpu"] * devices.main_memory_bytes()))
            self.cache.move_to(cpu, budget)
            self.predictions.move_to(cpu, int(PREDICTION_SHARE * budget))
            return True
        return False


def _budget(device: torch.device, cache_bytes: int) -> int:
    return min(cache_bytes, MAIN_MEMORY_BYTES) if device.type == "cpu" else cache_bytes
