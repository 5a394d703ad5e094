"""The cache of embeddings and predictions: a byte budget, and the least recently used slice goes first."""

import torch

from SAM2VolumeSegLib.model.tensor_cache import TensorCache

CPU = torch.device("cpu")


def features(value=0.0):
    """Two levels, 400 bytes in all."""
    return [torch.full((1, 3, 5, 5), float(value)), torch.full((1, 25, 1, 1), float(value))]


def a_cache(entries):
    cache = TensorCache(400 * entries, CPU)
    for number in range(entries):
        cache.put(number, features(number))
    return cache


def test_the_least_recently_used_slice_goes_first():
    """A correction looks again at the slices just seen: those have to stay."""
    cache = a_cache(3)
    assert cache.get(0)[0].mean() == 0
    cache.put("new", features())
    assert [key in cache for key in (0, 1, 2, "new")] == [True, False, True, True]
    assert cache.get(1) is None and len(cache) == 3 and cache.bytes == 1200


def test_the_budget_holds_for_entries_of_any_size():
    cache = a_cache(4)
    cache.put("large", features() + [torch.zeros(200)])  # 1200 bytes: three go
    assert len(cache) == 2 and cache.bytes == 1600 and 3 in cache


def test_the_newest_slice_stays_although_it_exceeds_the_budget():
    """Else a run with a tiny budget would not get the slice it has just encoded."""
    cache = TensorCache(10, CPU)
    for number in range(2):
        cache.put(number, features(number))
        assert cache.get(number)[1].mean() == number
    assert len(cache) == 1


def test_replacing_and_forgetting_keep_the_count_right():
    """Bytes that are counted twice shrink the cache for as long as Slicer runs."""
    cache = a_cache(2)
    cache.put(1, features(7.0))
    assert cache.bytes == 800 and cache.get(1)[0].mean() == 7
    cache.discard(1)
    cache.discard("never there")
    assert cache.bytes == 400
    cache.clear()
    assert cache.bytes == 0 and len(cache) == 0 and cache.get(0) is None


def test_moving_keeps_entries_and_takes_the_new_budget():
    cache = a_cache(2)
    cache.move_to(CPU, 800)
    assert cache.get(0)[0].mean() == 0 and cache.get(1)[0].mean() == 1
    cache.put(2, features())
    assert len(cache) == 2
    cache.move_to(CPU, 400)
    assert cache.bytes == 400 and 2 in cache
