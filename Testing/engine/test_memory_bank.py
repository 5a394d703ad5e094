"""The memory bank against sam2's own video predictor, and deliberate faults that have to show in the logits.

Dice hides wrong temporal embeddings and pointers on a small model, so everything here compares logits. sam2 and we add
the same numbers in the same order, so on every machine tried they agree to the last bit; the bound is wider (see
rounding.py), because no library promises that.
"""

import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from rounding import ROUNDING, largest_difference
from sam2_reference import a_moving_disc, our_logits, predictor_logits, twin

from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.build import build_network
from SAM2VolumeSegLib.model.policy import OLDEST, PROMPT, Memories
from SAM2VolumeSegLib.model.volume_memory import STOCK, VolumeMemory

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def demo_weights():
    return checkpoints.load_weights(checkpoints.find("demo"))


def louder(weights):
    """The demo model with object pointers ten times as large: as trained, they say so little that faults would hide."""
    last = max(name for name in weights if re.fullmatch(r"obj_ptr_proj\.layers\.\d\.weight", name))
    pointers = (last, last.replace("weight", "bias"), "no_obj_ptr")
    return weights | {name: 10 * weights[name] for name in pointers}


@pytest.fixture(scope="module")
def loud_weights(demo_weights):
    return louder(demo_weights)


@pytest.fixture(scope="module")
def frames():
    pictures, masks = a_moving_disc(192)
    return pictures, {1: masks[1], 10: masks[10]}


@pytest.mark.parametrize("weights", ["demo_weights", "loud_weights"])
@pytest.mark.parametrize("step", [1, -1], ids=["forward", "backward"])
def test_stock_policy_gives_the_logits_of_sam2_on_the_demo_model(request, weights, frames, tmp_path, step):
    pictures, prompted = frames
    ours, theirs = twin(checkpoints.config_file(checkpoints.find("demo")), request.getfixturevalue(weights), 192)
    expected = predictor_logits(theirs, pictures, prompted, tmp_path, step)
    found = our_logits(ours, pictures, prompted, STOCK, step)
    assert largest_difference(found, expected) < ROUNDING


@pytest.mark.parametrize("step", [1, -1], ids=["forward", "backward"])
def test_stock_policy_gives_the_logits_of_sam2_on_the_tiny_architecture(tmp_path, step):
    """The predictor comes from sam2's own builder, with random weights of which the object score is made positive.

    Random weights move little: logits span 0.45. Rounding changes them by 6e-7 at most (default against avx512), the
    faults below, but one, by 7e-5 (temporal embeddings swapped) to 3e-2.
    """
    from sam2.build_sam import build_sam2_video_predictor

    torch.manual_seed(5)
    size = 256
    theirs = build_sam2_video_predictor(
        "configs/sam2.1/sam2.1_hiera_t.yaml", None, device="cpu", hydra_overrides_extra=[f"++model.image_size={size}"]
    )
    theirs.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.data.fill_(5.0)
    ours = build_network(checkpoints.config_file(checkpoints.find("tiny")), size)
    ours.load_state_dict(theirs.state_dict())
    pictures, masks = a_moving_disc(size, 12)
    prompted = {1: masks[1], 9: masks[9]}
    expected = predictor_logits(theirs, pictures, prompted, tmp_path, step)
    found = our_logits(ours, pictures, prompted, STOCK, step)
    assert np.ptp(found[5]) > 0.01, "the object counts as absent: nothing is compared"
    assert largest_difference(found, expected) < 7e-6


def stock_with(rows, stride=1):
    """How sam2's own code is brought to a smaller memory: fewer temporal embeddings, the last one for prompts."""

    def change(predictor):
        predictor.maskmem_tpos_enc = torch.nn.Parameter(predictor.maskmem_tpos_enc[list(rows)])
        predictor.num_maskmem = len(rows)
        predictor.memory_temporal_stride_for_eval = stride

    return change


POLICIES = {
    "stock": (STOCK, lambda predictor: None),
    "IS": (VolumeMemory(radius=None), stock_with((0, 5, 6))),
    "IS one slice": (VolumeMemory(radius=None, recent=1), stock_with((0, 6))),
    "capacity 2": (VolumeMemory(None, 2, "sam2"), stock_with((0, 1, 6))),
    "capacity 4": (VolumeMemory(None, 4, "sam2"), stock_with((0, 1, 2, 3, 6))),
    "stride 2": (VolumeMemory(None, 6, "sam2", stride=2), stock_with(range(7), stride=2)),
    "stride 4": (VolumeMemory(None, 6, "sam2", stride=4), stock_with(range(7), stride=4)),
}


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("step", [1, -1], ids=["forward", "backward"])
def test_each_policy_gives_the_logits_of_sam2_brought_to_the_same_memory(loud_weights, frames, tmp_path, name, step):
    pictures, prompted = frames
    policy, change = POLICIES[name]
    ours, theirs = twin(checkpoints.config_file(checkpoints.find("demo")), loud_weights, 192)
    change(theirs)
    expected = predictor_logits(theirs, pictures, prompted, tmp_path, step)
    assert largest_difference(our_logits(ours, pictures, prompted, policy, step), expected) < ROUNDING


def test_sps_gives_the_logits_of_sam2_that_never_saw_the_far_prompt(demo_weights, tmp_path):
    """On slice 8 the prompt on 13 is out of reach (0.3 * 14 = 4.2), so sam2 without it has the same answer."""
    pictures, masks = a_moving_disc(192)
    ours, theirs = twin(checkpoints.config_file(checkpoints.find("demo")), demo_weights, 192)
    expected = predictor_logits(theirs, pictures, {7: masks[7]}, tmp_path, 1)
    near = our_logits(ours, pictures, {7: masks[7], 13: masks[13]}, VolumeMemory(0.3, 6, "sam2"))
    every = our_logits(ours, pictures, {7: masks[7], 13: masks[13]}, STOCK)
    assert largest_difference(near[8], expected[8]) < ROUNDING
    assert largest_difference(every[8], expected[8]) > 10 * ROUNDING


@dataclass(frozen=True)
class Broken(VolumeMemory):
    """The recommended policy with a deliberate fault."""

    fault: str = ""

    def choose(self, place):
        right = super().choose(place)
        spatial, pointers = right.spatial, right.pointers
        prompts = tuple(memory for memory in spatial if memory[1] == PROMPT)
        recent = tuple(memory for memory in spatial if memory[1] != PROMPT)
        if self.fault == "no recent slices":
            spatial = prompts
        elif self.fault == "recent slices one older":
            spatial = prompts + tuple((n - place.step, age) for n, age in recent if n - place.step in place.tracked)
        elif self.fault == "later prompts lost":
            spatial = tuple(m for m in spatial if m[1] != PROMPT or place.ago(m[0]) >= 0)
        elif self.fault == "temporal embeddings swapped":
            spatial = prompts + tuple((n, 7 - (6 if age == OLDEST else age)) for n, age in recent)
        elif self.fault == "prompts with an embedding of recent slices":
            spatial = tuple((n, 1) for n, _ in prompts) + recent
        elif self.fault == "no pointers":
            pointers = ()
        elif self.fault == "pointers of the prompts lost":
            pointers = tuple((n, ago) for n, ago in pointers if n not in place.prompted)
        elif self.fault == "pointers one slice older":
            pointers = tuple((n, ago + 1) for n, ago in pointers)
        return Memories(spatial, pointers)


FAULTS = (
    "no recent slices",
    "recent slices one older",
    "later prompts lost",
    "temporal embeddings swapped",
    "prompts with an embedding of recent slices",
    "no pointers",
    "pointers of the prompts lost",
    "pointers one slice older",
)


def network_with(weights):
    network = build_network(checkpoints.config_file(checkpoints.find("demo")), 192)
    network.load_state_dict(weights)
    return network


@pytest.fixture(scope="module")
def recommended_logits(loud_weights, frames):
    network = network_with(loud_weights)
    policy = VolumeMemory(radius=1.0)  # both prompts in reach, so that losing the later one is seen
    return network, our_logits(network, *frames, policy)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_memory_bank_shows_in_the_logits(recommended_logits, frames, fault):
    network, right = recommended_logits
    wrong = our_logits(network, *frames, Broken(radius=1.0, fault=fault))
    assert largest_difference(right, wrong) > 5 * ROUNDING


def test_logits_do_not_depend_on_repetition_or_threads(loud_weights, frames):
    network = network_with(loud_weights)
    right = our_logits(network, *frames, VolumeMemory(radius=1.0))
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            assert largest_difference(right, our_logits(network, *frames, VolumeMemory(radius=1.0))) < ROUNDING
    finally:
        torch.set_num_threads(threads)
