"""The two engines behind one interface: what a run found, how long it took, and where the time went."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image

from SAM2VolumeSegLib.model import checkpoints, devices
from SAM2VolumeSegLib.model.build import build_network
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.propagation import Request, Sight
from SAM2VolumeSegLib.propagation import segmenter as running
from SAM2VolumeSegLib.propagation.pictures import PlanePictures
from SAM2VolumeSegLib.propagation.vote import LOGIT_LIMIT
from SAM2VolumeSegLib.research.bench.cases import BenchCase
from SAM2VolumeSegLib.research.measures.timing import ComponentTimes
from SAM2VolumeSegLib.volume import SquareWindow

RESAMPLING, FUSION, REST = "resampling", "fusion", "rest"
STOCK_CLASS = "sam2.sam2_video_predictor.SAM2VideoPredictor"


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run gave.

    Attributes:
        seconds: of the whole run.
        parts: seconds by component, the rest included.
        masks: bool [k, j, i] by segment.
    """

    seconds: float
    parts: dict[str, float]
    masks: dict[str, np.ndarray] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Networks:
    """Our network and sam2's with the same weights, on one device.

    Attributes:
        name: of the model.
        tracker: ours.
        stock: sam2's predictor.
        real: whether the weights are trained ones.
    """

    name: str
    tracker: SliceTracker
    stock: torch.nn.Module
    real: bool

    @classmethod
    def load(cls, name: str, device: str = "auto", image_size: int | None = None) -> Networks:
        """Load the demo model with its weights; any other with random ones, for time only.

        Args:
            name: of a known model.
            device: "auto", "cpu", "cuda"...
            image_size: pixels; None: the model's own, or as the device suggests.

        Raises:
            InputError: no such model or device, or a size that is no multiple of 32.
        """
        model = checkpoints.find(name)
        plan = devices.plan(model, device, image_size)
        config = checkpoints.config_file(model)
        torch.manual_seed(0)
        ours = build_network(config, plan.image_size)
        stock = build_network(config, plan.image_size, target=STOCK_CLASS)
        if model.is_official:
            # Random weights would say that nothing is there; the time does not depend on it, the picture does.
            ours.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.data.fill_(5.0)
            weights = ours.state_dict()
        else:
            weights = checkpoints.load_weights(model)
            ours.load_state_dict(weights)
        stock.load_state_dict(weights)
        return cls(name, SliceTracker(ours, plan, name), stock.to(plan.device), not model.is_official)


class Ours:
    """This project's Segmenter, as a user calls it."""

    def __init__(self, networks: Networks):
        self.tracker = networks.tracker

    def run(self, case: BenchCase) -> Outcome:
        """Propagate the seeds of a case, from what is known after its `before`."""
        self.tracker.forget()
        segmenter = running.Segmenter(self.tracker)
        if case.before is not None:
            segmenter.segment(Request.of(case.volume, case.before, case.settings))
        with ComponentTimes(self.tracker) as times, _our_parts() as parts:
            started = time.perf_counter()
            result = segmenter.segment(Request.of(case.volume, case.seeds, case.settings))
            seconds = time.perf_counter() - started
        masks = {name: segment.mask for name, segment in result.segments.items()}
        return Outcome(seconds, _with_rest(seconds, times.seconds | parts), masks)


class Stock:
    """sam2's SAM2VideoPredictor: a JPEG folder per axis, every seed as a mask, forward and in reverse.

    It sees the crops that ours sees, from the first to the last painted slice. Its logits are clamped and averaged over
    directions and axes as the paper averages them. Writing the JPEGs is not counted, reading them is.
    """

    def __init__(self, networks: Networks):
        self.predictor, self.plan = networks.stock, networks.tracker.plan

    def run(self, case: BenchCase) -> Outcome:
        """Propagate the seeds of a case from nothing: the predictor has no other way after a change."""
        sight = Sight(case.volume, case.seeds, case.settings, self.plan.image_size)
        votes = {name: _Mean(case.volume.voxels.shape) for name in case.seeds}
        parts = dict.fromkeys((RESAMPLING, FUSION), 0.0)
        seconds = 0.0
        with contextlib.ExitStack() as open_, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            open_.enter_context(contextlib.redirect_stderr(io.StringIO()))  # its progress bars
            times = open_.enter_context(ComponentTimes(SimpleNamespace(network=self.predictor, plan=self.plan)))
            for group in sight.groups:
                for plane in sight.planes:
                    seeds = {name: own for name in group if (own := sight.seeds_on(name, plane))}
                    if not seeds:
                        continue
                    pictures = sight.pictures(group[0], plane)
                    with tempfile.TemporaryDirectory() as folder:
                        times_ = _write_jpegs(pictures, seeds, Path(folder))
                        started = time.perf_counter()
                        self._axis(pictures, seeds, times_, folder, votes, parts)
                        seconds += time.perf_counter() - started
        started = time.perf_counter()
        masks = {name: vote.mask(case.volume, case.seeds[name]) for name, vote in votes.items()}
        parts[FUSION] += time.perf_counter() - started
        seconds += time.perf_counter() - started
        return Outcome(seconds, _with_rest(seconds, times.seconds | parts), masks)

    def _axis(self, pictures, seeds, frames, folder, votes, parts):
        window = SquareWindow.of(pictures.view, pictures.box, self.plan.image_size)
        names = list(seeds)
        prompted = [frames.index(pictures.positions[seed.index]) for own in seeds.values() for seed in own]
        with torch.inference_mode(), self.plan.autocast():
            state = self.predictor.init_state(folder)
            for name, own in seeds.items():
                for seed in own:
                    frame = frames.index(pictures.positions[seed.index])
                    self.predictor.add_new_mask(state, frame, names.index(name), pictures.mask_to_model(seed.mask))
            for reverse, start in ((False, min(prompted)), (True, max(prompted))):
                for frame, objects, logits in self.predictor.propagate_in_video(state, start, reverse=reverse):
                    started = time.perf_counter()
                    for number, square in zip(objects, logits[:, 0].float().cpu().numpy(), strict=True):
                        vote = window.from_model(np.clip(square, -LOGIT_LIMIT, LOGIT_LIMIT))
                        votes[names[number]].add(pictures.view, pictures.index(frames[frame]), vote)
                    parts[RESAMPLING] += time.perf_counter() - started


class _Mean:
    """Mean of votes in the volume's grid."""

    def __init__(self, shape):
        self.sum, self.count = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)

    def add(self, view, index, vote):
        voted = ~np.isnan(vote)
        view.slice(self.sum, index)[voted] += vote[voted]
        view.slice(self.count, index)[voted] += 1

    def mask(self, volume, seeds):
        mask = self.sum > 0
        for seed in seeds:
            volume.view(seed.plane).slice(mask, seed.index)[...] = seed.mask
        return mask


def _write_jpegs(pictures, seeds, folder: Path) -> list[int]:
    """Write the slices from the first to the last painted one as sam2 reads them; returns their times."""
    painted = [pictures.positions[seed.index] for own in seeds.values() for seed in own]
    times = list(range(min(painted), max(painted) + 1))
    for number, time_ in enumerate(times):
        grey = np.rint(255 * pictures.picture(pictures.index(time_))).astype(np.uint8)
        Image.fromarray(grey).convert("RGB").save(folder / f"{number}.jpg", quality=95)
    return times


@contextlib.contextmanager
def _our_parts() -> Iterator[dict[str, float]]:
    """Seconds that our runs spend on resampling and on fusion while this is open."""
    seconds, stack = dict.fromkeys((RESAMPLING, FUSION), 0.0), []

    def timed(part, function):
        def call(*arguments):
            stack.append(0.0)
            started = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                whole = time.perf_counter() - started
                seconds[part] += whole - stack.pop()  # without what was measured inside
                if stack:
                    stack[-1] += whole

        return call

    def stepped(part, function):
        """The same for a generator, whose time is that of its steps."""

        @wraps(function)
        def call(*arguments):
            work = function(*arguments)
            step = timed(part, work.__next__)
            while True:
                try:
                    yield step()
                except StopIteration as end:
                    return end.value

        return call

    places = [(PlanePictures, name, RESAMPLING, timed) for name in ("picture", "mask_to_model", "logits_from_model")]
    places += [(running, name, FUSION, stepped) for name in ("claim_of", "fuse")]
    originals = [(owner, name, getattr(owner, name)) for owner, name, *_ in places]
    try:
        for owner, name, part, measured in places:
            setattr(owner, name, measured(part, getattr(owner, name)))
        yield seconds
    finally:
        for owner, name, function in originals:
            setattr(owner, name, function)


def _with_rest(seconds: float, parts: dict[str, float]) -> dict[str, float]:
    return parts | {REST: max(0.0, seconds - sum(parts.values()))}
