"""What a slice attended to: the network's own weights, and the same answers whether somebody watches or not."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from propagation_runs import BETWEEN, finish, result_of
from torch.overrides import TorchFunctionMode

from SAM2VolumeSegLib.model.attention import WatchedAttention
from SAM2VolumeSegLib.model.network import SliceQuery
from SAM2VolumeSegLib.model.policy import OLDEST, PROMPT
from SAM2VolumeSegLib.model.volume_memory import STOCK
from SAM2VolumeSegLib.propagation import Request, Segmenter, Settings, Sight
from SAM2VolumeSegLib.volume import Plane

pytestmark = pytest.mark.numeric


def visits_of(tracker, phantom, settings):
    """The visits and the result of a run that is watched."""
    seen, request = [], Request.of(phantom.volume, phantom.seeds("first-last"), settings)
    with tracker.watching_attention():
        _, result = finish(Segmenter(tracker).run(request, listener=seen.append))
    return seen, result


def test_weights_are_those_that_the_network_multiplies_its_values_with():
    """Multiplied with the values, they are what the attention answers, of which nothing is changed."""
    torch.manual_seed(0)
    queries, keys, values = (torch.randn(2, 3, count, 16) for count in (300, 70, 70))  # more queries than at once
    plain = torch.nn.functional.scaled_dot_product_attention(queries, keys, values)
    with WatchedAttention() as watched:
        seen = torch.nn.functional.scaled_dot_product_attention(queries, keys, values)
        # Values that are the same in every head and say which key they are of give back the weights.
        one_hot = torch.eye(70).expand(2, 3, 70, 70)
        weights = torch.nn.functional.scaled_dot_product_attention(queries, keys, one_hot)
    assert torch.equal(plain, seen)
    assert len(watched.shares) == 2
    torch.testing.assert_close(watched.shares[0], weights.mean(dim=(1, 2)))  # torch's own bounds for float32
    torch.testing.assert_close(watched.shares[0].sum(dim=1), torch.ones(2))


@pytest.mark.parametrize("settings", [Settings(), replace(BETWEEN, memory=STOCK, passes=2)], ids=["default", "stock"])
def test_a_watched_run_gives_the_logits_of_one_that_is_not(a_tracker, a_phantom, settings):
    plain = result_of(a_tracker, a_phantom.volume, a_phantom.seeds("first-last"), settings)
    a_tracker.forget()
    seen, watched = visits_of(a_tracker, a_phantom, settings)
    for name, segment in plain.segments.items():
        assert np.array_equal(segment.logits, watched.segments[name].logits)
        assert np.array_equal(segment.mask, watched.segments[name].mask)
    assert seen


def test_every_memory_of_every_slice_has_its_share(a_tracker, a_phantom):
    """One for each token of each remembered picture, and for each piece of a pointer; together they are all of it."""
    seen, _ = visits_of(a_tracker, a_phantom, Settings(memory=STOCK))
    predicted = [visit for visit in seen if visit.memories is not None]
    assert predicted and any(visit.memories is None for visit in seen)
    for visit in predicted:
        tokens = (a_tracker.plan.image_size // 16) ** 2  # of a picture
        splits = a_tracker.network.hidden_dim // a_tracker.network.mem_dim  # of a pointer
        wanted = len(visit.memories.spatial) * tokens + len(visit.memories.pointers) * splits
        assert visit.prediction.attention.shape == (1, wanted)
        assert float(visit.prediction.attention.sum()) == pytest.approx(
            1, abs=1e-5
        )  # a sum of some hundreds, in float32


def test_shares_are_dealt_out_in_the_order_of_the_memories(a_tracker, a_phantom):
    """Attention does not mind the order of what it looks at: turned around, each memory has the share that it had."""
    sight = Sight(a_phantom.volume, a_phantom.seeds("uniform-5"), Settings(), a_tracker.plan.image_size)
    pictures = sight.pictures("middle", Plane.AXIAL)
    seeds = sight.seeds_on("middle", Plane.AXIAL)
    given = [a_tracker.prompt(pictures, seed.index, pictures.mask_to_model(seed.mask)).memory for seed in seeds]
    spatial = tuple(zip((PROMPT, PROMPT, OLDEST, 2, 1), given, strict=True))
    shares = []
    with a_tracker.watching_attention():
        for looked_at in (spatial, spatial[::-1]):
            query = SliceQuery(seeds[0].index + 1, looked_at, ((1, given[0]),), 20)
            (prediction,) = a_tracker.track(pictures, [query])
            tokens = (a_tracker.plan.image_size // 16) ** 2
            shares.append(prediction.attention[0, : 5 * tokens].reshape(5, tokens).sum(dim=1))
    torch.testing.assert_close(shares[0], shares[1].flip(0), rtol=1e-3, atol=1e-4)  # sums of floats in another order
    assert shares[0].max() > 1.05 * shares[0].min(), "else any order would do"


def test_what_was_known_without_its_attention_is_computed_again_and_only_that(a_tracker, a_phantom):
    """A lesson after a run would else show slices that looked at nothing."""
    settings = Settings()
    result_of(a_tracker, a_phantom.volume, a_phantom.seeds("first-last"), settings)
    first = a_tracker.tracked
    seen, _ = visits_of(a_tracker, a_phantom, settings)
    assert a_tracker.tracked == 2 * first
    assert all(visit.prediction.attention is not None for visit in seen if visit.memories is not None)
    again, _ = visits_of(a_tracker, a_phantom, settings)
    assert a_tracker.tracked == 2 * first
    assert all(visit.prediction.attention is not None for visit in again if visit.memories is not None)


def test_nothing_is_watched_where_nobody_listens(a_tracker, a_phantom):
    """The switch is off by itself, and off again after a lesson, also one that was broken off."""

    class Forbidden(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            assert func is not torch.Tensor.softmax, "weights were computed for nobody"
            return func(*args, **(kwargs or {}))

    with pytest.raises(KeyboardInterrupt), a_tracker.watching_attention():
        raise KeyboardInterrupt
    assert not a_tracker.watches_attention
    settings = replace(BETWEEN, planes=("axial",))
    with Forbidden():
        seen, request = [], Request.of(a_phantom.volume, a_phantom.seeds("first-last"), settings)
        finish(Segmenter(a_tracker).run(request, listener=seen.append))
    assert all(visit.prediction is None or visit.prediction.attention is None for visit in seen)
