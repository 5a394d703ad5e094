"""Loading models, and coping with little memory."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from propagation_runs import AXIAL, SIZE, mask_of, result_of
from rounding import ROUNDING, largest_difference

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.model.tracker import SliceTracker

DEMO = checkpoints.find("demo")


@pytest.fixture
def run_out(a_fast_tracker, monkeypatch):
    """Let the encoder, or another part of the network, run out of memory for the first `times` calls."""

    def arm(times, part="encode", error=None):
        working, calls = getattr(a_fast_tracker.network, part), []

        def failing(*arguments):
            calls.append(len(arguments[0]))
            if len(calls) <= times:
                raise error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return working(*arguments)

        monkeypatch.setattr(a_fast_tracker.network, part, failing)
        return calls

    return arm


@pytest.fixture
def expected(a_fast_tracker, a_phantom):
    logits = logits_of(a_fast_tracker, a_phantom)
    a_fast_tracker.forget()
    return logits


def logits_of(tracker, phantom):
    return result_of(tracker, phantom.volume, phantom.seeds("first-last", AXIAL)).segments["middle"].logits


@pytest.mark.parametrize("error", [None, MemoryError(), RuntimeError("MPS backend out of memory")], ids=str)
def test_out_of_memory_halves_the_batch_and_goes_on(a_fast_tracker, a_phantom, expected, run_out, error):
    """A GPU that Slicer's rendering has half filled is slower, not useless."""
    a_fast_tracker.plan = replace(a_fast_tracker.plan, batch_size=8)
    calls = run_out(2, error=error)
    logits = logits_of(a_fast_tracker, a_phantom)
    assert a_fast_tracker.plan.batch_size == 2 and max(calls[2:]) == 2
    assert largest_difference(logits, expected) < ROUNDING  # other batches round otherwise


def pretend_gpu(a_fast_tracker, monkeypatch):
    """The cache believes that it lies elsewhere; the numbers stay on the CPU."""
    moved = []

    def move(device, budget):
        moved.append((device, budget))
        a_fast_tracker.cache.device, a_fast_tracker.cache.budget_bytes = device, budget

    monkeypatch.setattr(a_fast_tracker.cache, "device", torch.device("meta"))
    monkeypatch.setattr(a_fast_tracker.cache, "move_to", move)
    return moved


def test_then_the_cache_moves_to_main_memory(a_fast_tracker, a_phantom, expected, run_out, monkeypatch):
    moved = pretend_gpu(a_fast_tracker, monkeypatch)
    a_fast_tracker.plan = replace(a_fast_tracker.plan, batch_size=4)
    run_out(3)
    logits = logits_of(a_fast_tracker, a_phantom)
    assert a_fast_tracker.plan.batch_size == 1
    ((device, budget),) = moved
    assert device.type == "cpu" and budget > 1 << 28
    assert largest_difference(logits, expected) < ROUNDING  # other batches round otherwise


@pytest.mark.parametrize("part", ["encode", "prompt", "track"])
def test_then_there_is_a_clear_message(a_fast_tracker, a_phantom, run_out, part):
    """Not CUDA's page of numbers; and the next run, when memory is there again, works."""
    calls = run_out(20, part)
    seeds = a_phantom.seeds("first-last", AXIAL)
    with pytest.raises(InputError, match=r"memory of cpu is too small.*64 pixels\. Choose a smaller model") as caught:
        result_of(a_fast_tracker, a_phantom.volume, seeds)
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)
    calls.extend([0] * 20)
    assert mask_of(a_fast_tracker, a_phantom.volume, seeds).any()


def test_other_errors_are_not_taken_for_a_lack_of_memory(a_fast_tracker, a_phantom, run_out):
    calls = run_out(9, error=RuntimeError("Expected all tensors to be on the same device"))
    with pytest.raises(RuntimeError, match="same device"):
        result_of(a_fast_tracker, a_phantom.volume, a_phantom.seeds("first-last", AXIAL))
    assert len(calls) == 1


class Stripes:
    """Pictures that differ from slice to slice."""

    key = "stripes"

    def __init__(self, size):
        self.size, self.asked = size, []

    def picture(self, index):
        self.asked.append(index)
        return np.tile((np.arange(self.size) * (index + 1) / self.size % 1).astype(np.float32), (self.size, 1))


def test_a_batch_gives_what_single_slices_give(a_tracker):
    """A batch that is stored under the wrong slices would smear the anatomy."""
    pictures = Stripes(SIZE)
    a_tracker.plan = replace(a_tracker.plan, batch_size=4)
    a_tracker.features(pictures, 3, [4, 5, 6, 7, 8])
    assert a_tracker.encoded == 4 and sorted(pictures.asked) == [3, 4, 5, 6]
    together = [a_tracker.features(pictures, index) for index in (3, 4, 5, 6)]
    assert a_tracker.encoded == 4
    a_tracker.forget()
    a_tracker.plan = replace(a_tracker.plan, batch_size=1)
    for index, batched in zip((3, 4, 5, 6), together, strict=True):
        single = a_tracker.features(pictures, index, [9])
        for one, other in zip(batched, single, strict=True):
            assert one.shape[0] == 1
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    shapes = [tuple(level.shape[-2:]) for level in single]
    assert shapes == [(SIZE // 4,) * 2, (SIZE // 8,) * 2, (SIZE // 16,) * 2]


def test_another_model_or_size_never_hits(a_tracker):
    """The key of an embedding names the weights and the input size, too."""
    pictures = Stripes(SIZE)
    a_tracker.features(pictures, 0)
    other = SliceTracker(a_tracker.network, a_tracker.plan, "other", "0" * 64)
    plan = replace(a_tracker.plan, image_size=64)
    smaller = SliceTracker(a_tracker.network, plan, a_tracker.name, a_tracker.checkpoint_sha256)
    keys = {tracker_._key(pictures, 0) for tracker_ in (a_tracker, other, smaller)}
    assert len(keys) == 3 and a_tracker._key(pictures, 0) in a_tracker.cache


# ------------------------------------------------------------------------------------------------ loading


def save(weights, path):
    torch.save({"model": weights}, path)
    return path


@pytest.fixture(scope="module")
def demo_weights():
    return checkpoints.load_weights(DEMO)


def test_a_checkpoint_of_the_user_with_a_named_configuration(demo_weights, a_phantom, tmp_path):
    """Fine-tuned weights of a known architecture, at an input size of the user's."""
    path = save({name: weight * 1.001 for name, weight in demo_weights.items()}, tmp_path / "finetuned.pt")
    loaded = SliceTracker.load(checkpoints.user_model(path, "demo", 96), "cpu")
    assert loaded.plan.image_size == 96 and loaded.name == "finetuned"
    assert loaded.checkpoint_sha256 != checkpoints.verify(DEMO)
    result = result_of(loaded, a_phantom.volume, a_phantom.seeds("first-last", AXIAL))
    assert result.provenance["model"]["name"] == "finetuned" and result.segments["middle"].mask.any()


def test_an_unusable_checkpoint_is_refused_in_words(demo_weights, tmp_path):
    """Silently loaded in part, it would segment, badly."""
    lacking = dict(list(demo_weights.items())[:-1])
    reshaped = demo_weights | {"maskmem_tpos_enc": torch.zeros(6, 1, 1, 64)}
    more = demo_weights | {"adapter.weight": torch.zeros(3)}
    for name, weights in (("lacking", lacking), ("reshaped", reshaped), ("more", more)):
        path = save(weights, tmp_path / f"{name}.pt")
        with pytest.raises(InputError, match=rf"{name}\.pt belongs to another architecture"):
            SliceTracker.load(checkpoints.user_model(path, "demo"), "cpu", SIZE)
    path = save(demo_weights, tmp_path / "demo_as_tiny.pt")
    with pytest.raises(InputError, match=r"demo_as_tiny\.pt belongs to another architecture than.*hiera_t\.yaml"):
        SliceTracker.load(checkpoints.user_model(path, "tiny"), "cpu", SIZE)
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(InputError, match=r"damaged\.pt cannot be read: it is damaged"):
        SliceTracker.load(checkpoints.user_model(damaged, "demo"), "cpu", SIZE)


@pytest.mark.parametrize(
    "text",
    [
        "model: {_target_: no.such.Class, image_size: 64}",
        "model: {_target_: x, image_size: '${nowhere}'}",
        "model: {_target_: x, image_size: 64, image_encoder: {_target_: sam2.modeling.sam2_base.SAM2Base}}",
    ],
    ids=["class", "reference", "arguments"],
)
def test_an_unusable_configuration_is_refused_in_words(demo_weights, tmp_path, text):
    path = save(demo_weights, tmp_path / "weights.pt")
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=r"mine\.yaml"):
        SliceTracker.load(checkpoints.user_model(path, tmp_path / "mine.yaml", 64), "cpu")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("num_maskmem", 4, r"weights\.pt belongs to another architecture than .*mine\.yaml"),
        ("num_maskmem", 0, "num_maskmem 0: a network without memory"),
        ("image_size", 150, "image size 150.*multiple of 32"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused_in_words(demo_weights, tmp_path, key, value, message):
    """Not after minutes, in the middle of a run, with an index that is out of range."""
    text = checkpoints.config_file(DEMO).read_text(encoding="utf-8")
    changed, times = re.subn(rf"\b{key}: \d+", f"{key}: {value}", text)
    assert times == 1
    (tmp_path / "mine.yaml").write_text(changed, encoding="utf-8")
    path = save(demo_weights, tmp_path / "weights.pt")
    with pytest.raises(InputError, match=message):
        SliceTracker.load(checkpoints.user_model(path, tmp_path / "mine.yaml"), "cpu")


def test_the_network_computes_without_gradients_and_in_its_own_precision(a_fast_tracker, a_phantom):
    """An autocast that another extension left switched on must not change results."""
    seeds = a_phantom.seeds("first-last", AXIAL)
    plain = result_of(a_fast_tracker, a_phantom.volume, seeds).segments["middle"].logits
    a_fast_tracker.forget()
    with torch.autocast("cpu", torch.bfloat16):
        inside = result_of(a_fast_tracker, a_phantom.volume, seeds).segments["middle"].logits
        assert torch.is_autocast_enabled("cpu")
    np.testing.assert_array_equal(plain, inside)
    assert not a_fast_tracker.network.training and torch.is_grad_enabled()
