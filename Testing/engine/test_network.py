"""A network is what encodes, takes a mask, and tracks: others than Meta's fit, and what they cannot do is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from propagation_runs import AXIAL, result_of
from rounding import ROUNDING, largest_difference
from sam2_reference import a_moving_disc, our_logits, predictor_logits, twin

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.devices import DevicePlan
from SAM2VolumeSegLib.model.network import SliceMemory, SlicePrediction
from SAM2VolumeSegLib.model.policy import MemoryLimits
from SAM2VolumeSegLib.model.tracker import SliceTracker
from SAM2VolumeSegLib.model.volume_memory import STOCK, VolumeMemory, stock
from SAM2VolumeSegLib.propagation import Settings

SIZE = 128
DEMO = checkpoints.find("demo")


@pytest.fixture(scope="module", params=[(4, 16), (10, 6)], ids=["3 recent", "9 recent, 6 pointers"])
def others(request, tmp_path_factory):
    """The demo model with another memory, its temporal embeddings drawn from the trained ones: ours and sam2's."""
    embeddings, pointers = request.param
    text = checkpoints.config_file(DEMO).read_text(encoding="utf-8")
    changed = text.replace("num_maskmem: 7", f"num_maskmem: {embeddings}\n  max_obj_ptrs_in_encoder: {pointers}")
    assert changed != text
    config = tmp_path_factory.mktemp("config") / "other.yaml"
    config.write_text(changed, encoding="utf-8")
    weights = checkpoints.load_weights(DEMO)
    rows = [0, 5, 1, 4, 2, 3, 0, 5, 1][: embeddings - 1]
    ours, theirs = twin(config, weights | {"maskmem_tpos_enc": weights["maskmem_tpos_enc"][[*rows, 6]]}, SIZE)
    assert ours.limits == MemoryLimits(embeddings - 1, pointers)
    return ours, theirs


def tracker_of(network, size=SIZE):
    return SliceTracker(network, DevicePlan(torch.device("cpu"), torch.float32, size, 4, 1 << 30), "other")


@pytest.mark.numeric
@pytest.mark.parametrize("step", [1, -1], ids=["forward", "backward"])
def test_stock_memory_on_a_network_with_another_memory_gives_the_logits_of_sam2(others, tmp_path, step):
    ours, theirs = others
    pictures, masks = a_moving_disc(SIZE, 14)
    prompted = {1: masks[1], 12: masks[12]}
    expected = predictor_logits(theirs, pictures, prompted, tmp_path, step)
    found = our_logits(ours, pictures, prompted, stock(ours.limits), step)
    assert largest_difference(found, expected) < ROUNDING
    fewer = our_logits(ours, pictures, prompted, replace(stock(ours.limits), recent=ours.limits.ages - 1), step)
    assert largest_difference(found, fewer) > 2 * ROUNDING, "one slice less in memory must show"


@pytest.mark.numeric
def test_a_whole_run_on_a_network_with_another_memory(others, a_phantom):
    network, _ = others
    tracker, seeds = tracker_of(network), a_phantom.seeds("first-last", AXIAL)
    for memory in (VolumeMemory(), stock(network.limits)):
        segment = result_of(tracker, a_phantom.volume, seeds, Settings(memory=memory)).segments["middle"]
        assert np.isfinite(segment.logits).all() and segment.mask.any()


@pytest.mark.numeric
def test_a_memory_that_asks_for_more_is_refused_before_anything_is_computed(others, a_phantom):
    network, _ = others
    tracker, more = tracker_of(network), VolumeMemory(None, network.limits.ages + 1, "sam2")
    with pytest.raises(InputError, match=f"asks for {more.recent} recent slices.*'other' was trained with"):
        result_of(tracker, a_phantom.volume, a_phantom.seeds("first-last", AXIAL), Settings(memory=more))
    assert tracker.encoded == tracker.tracked == 0


class Threshold:
    """The least that a network is: what is bright is the structure, where its memory has seen anything of it."""

    limits = MemoryLimits(ages=2, pointers=3)
    logit_stride = 8

    def on(self, device):
        return self

    def encode(self, pictures):
        return [torch.nn.functional.avg_pool2d(pictures[:, None], self.logit_stride)]

    def prompt(self, features, mask):
        return self.answer(torch.nn.functional.avg_pool2d(mask, self.logit_stride) - 0.5)

    def track(self, features, queries):
        seen = torch.stack([sum(memory.features for _, memory in query.spatial) for query in queries])
        present = (seen.flatten(1) > 0).any(dim=1)
        return self.answer(torch.where(present[:, None, None, None], 20 * features[0] - 4, -1024.0))

    def answer(self, logits):
        sure = torch.ones(len(logits))
        return SlicePrediction(logits, sure, 5 * sure, SliceMemory((logits > 0).float(), torch.zeros(len(logits), 1)))


def test_the_tracker_needs_nothing_but_the_protocol(a_phantom):
    """Another input size, logits of another size, no object pointers, no torch module: a run to its end."""
    tracker, seeds = tracker_of(Threshold(), 96), a_phantom.seeds("first-last", AXIAL)
    result = result_of(tracker, a_phantom.volume, seeds, Settings(window=(100, 900), direction="forward", extend=False))
    segment, painted = result.segments["middle"], [seed.index for seed in seeds["middle"]]
    between = segment.mask[min(painted) + 1 : max(painted)]
    assert between.any(axis=(1, 2)).all() and not between.all()
    assert tracker.tracked == len(between) and tracker.network.limits.ages < STOCK.ages
