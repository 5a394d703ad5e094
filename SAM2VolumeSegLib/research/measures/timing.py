"""How long the parts of the model take, measured on the way (paper, appendix B-D and figure 4)."""

from __future__ import annotations

import time
from functools import partial

import torch

from SAM2VolumeSegLib.model.tracker import SliceTracker

ENCODE, ATTENTION, DECODER, MEMORY = "encode", "memory attention", "mask decoder", "memory encoder"
_MODULES = {
    "image_encoder": ENCODE,
    "memory_attention": ATTENTION,
    "sam_prompt_encoder": DECODER,
    "sam_mask_decoder": DECODER,
    "memory_encoder": MEMORY,
}


class ComponentTimes:
    """Times the components of a tracker's network while the context is open, by forward hooks.

        with ComponentTimes(tracker) as times:
            result = segmenter.segment(request)
        times.seconds["encode"], times.track_ms

    Results do not change. On a GPU every component waits for the device, or the time would be that of starting the
    kernels.

    Attributes:
        seconds: component -> seconds in all.
        track_ms: milliseconds for each tracked slice, from the start of its memory attention to the end of its memory
            encoder, so without encoding the slice; those of a batch share its time evenly.
    """

    def __init__(self, tracker: SliceTracker):
        self.seconds = dict.fromkeys((ENCODE, ATTENTION, DECODER, MEMORY), 0.0)
        self.track_ms: list[float] = []
        self._network, self._device = tracker.network, tracker.plan.device
        self._started: dict[str, float] = {}
        self._track_started: float | None = None
        self._handles = []

    def __enter__(self) -> ComponentTimes:
        for name, component in _MODULES.items():
            module = getattr(self._network, name)
            self._handles.append(module.register_forward_pre_hook(partial(self._start, component)))
            self._handles.append(module.register_forward_hook(partial(self._stop, component)))
        return self

    def __exit__(self, *_) -> None:
        for handle in self._handles:
            handle.remove()

    # What a hook returns replaces the module's input or output: nothing.

    def _start(self, component: str, *_) -> None:
        now = self._started[component] = self._now()
        if component == ATTENTION:
            self._track_started = now

    def _stop(self, component: str, _module, inputs, _output) -> None:
        now = self._now()
        self.seconds[component] += now - self._started[component]
        # A prompted slice is remembered without memory attention.
        if component == MEMORY and self._track_started is not None:
            batch = len(inputs[0])
            self.track_ms += batch * [1000 * (now - self._track_started) / batch]
            self._track_started = None

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()
