"""Tensors on disk: complete, bounded, invisible to others, gone at the end, and never a reason to fail."""

import multiprocessing

import pytest
import torch

from SAM2VolumeSegLib.model.slot_file import SlotFile
from SAM2VolumeSegLib.model.tensor_cache import TensorCache

CPU = torch.device("cpu")


def tensors(value):
    """400 bytes: two types, among them the one that numpy lacks."""
    return [torch.full((1, 4, 5, 4), float(value)), torch.full((1, 40), value, dtype=torch.bfloat16)]


def assert_same(found, value):
    for one, other in zip(found, tensors(value), strict=True):
        assert one.dtype == other.dtype and torch.equal(one, other)


def test_what_is_put_is_got(tmp_path):
    file = SlotFile(tmp_path)
    for value in range(20):
        file.put(value, tensors(value))
    for value in reversed(range(20)):
        assert_same(file.get(value), value)
    assert file.get("never there") is None and len(file) == 20 and file.bytes == 20 * 400


def test_the_order_in_memory_stays(tmp_path):
    """Of the same features, the network computes other last bits when they lie in another order."""
    file = SlotFile(tmp_path)
    one = torch.arange(120.0).reshape(1, 2, 5, 12)
    other, part = one.contiguous(memory_format=torch.channels_last), one.repeat(2, 1, 1, 2)[1:, :, :, ::2]
    file.put("entry", [one, other, part])
    for found, put in zip(file.get("entry"), (one, other, part), strict=True):
        assert torch.equal(found, put)
        assert put is part or found.stride() == put.stride()


def test_the_least_recently_used_goes_when_the_file_is_full(tmp_path):
    file = SlotFile(tmp_path, 3 * 400 + 10)
    for value in range(3):
        file.put(value, tensors(value))
    file.get(0)
    file.put(3, tensors(3))
    assert [value in file for value in range(4)] == [True, False, True, True] and file.bytes == 1200
    for value in (0, 2, 3):
        assert_same(file.get(value), value)


def test_a_slot_is_handed_on(tmp_path):
    """Two entries in one slot would give a slice the features of another."""
    file = SlotFile(tmp_path)
    for value in range(4):
        file.put(value, tensors(value))
    file.discard(1)
    file.discard("never there")
    file.put(5, tensors(5))
    file.put(6, tensors(6))
    for value in (0, 2, 3, 5, 6):
        assert_same(file.get(value), value)
    assert file.get(1) is None


def test_an_entry_that_is_too_large_is_not_kept(tmp_path):
    file = SlotFile(tmp_path)
    file.put("usual", tensors(1))
    file.put("large", [*tensors(2), torch.zeros(50)])
    file.put("small", tensors(3)[:1])
    assert "large" not in file and torch.equal(file.get("small")[0], tensors(3)[0])


def test_the_folder_stays_empty_and_clearing_gives_the_space_back(tmp_path):
    """Nothing to clean up after a crash, nothing that a second Slicer could mistake for its own."""
    file = SlotFile(tmp_path / "new")
    file.put(1, tensors(1))
    assert list((tmp_path / "new").iterdir()) == []
    file.clear()
    assert len(file) == 0 and file.bytes == 0
    file.put(2, tensors(2))
    assert_same(file.get(2), 2)


def test_without_a_folder_there_is_still_a_file(tmp_path):
    (tmp_path / "file").write_text("in the way")
    file = SlotFile(tmp_path / "file" / "folder")
    file.put(1, tensors(1))
    assert_same(file.get(1), 1)


@pytest.mark.parametrize("part", ["write", "readinto"])
def test_a_disk_that_fails_is_done_without(tmp_path, part):
    file = SlotFile(tmp_path)
    file.put(1, tensors(1))
    real = file._file

    class Failing:
        def __getattr__(self, name):
            return getattr(real, name)

    def fail(*_):
        raise OSError("No space left on device")

    broken = Failing()
    setattr(broken, part, fail)
    file._file = broken
    file.put(2, tensors(2))
    assert file.get(1) is None and file.get(2) is None
    file.put(3, tensors(3))
    assert len(file) == 0


def fill(folder, value, pipe):
    file = SlotFile(folder)
    for number in range(50):
        file.put(number, tensors(value + number))
    pipe.send("full")
    pipe.recv()
    pipe.send(all(torch.equal(file.get(n)[0], tensors(value + n)[0]) for n in range(50)))


def test_two_processes_can_share_the_folder(tmp_path):
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for value in (0, 1000):
        ours, theirs = context.Pipe()
        processes.append(context.Process(target=fill, args=(tmp_path, value, theirs)))
        processes[-1].start()
        pipes.append(ours)
    assert [pipe.recv() for pipe in pipes] == ["full", "full"]
    for pipe in pipes:
        pipe.send("read")
    assert [pipe.recv() for pipe in pipes] == [True, True]
    for process in processes:
        process.join()
    assert list(tmp_path.iterdir()) == []


def test_a_cache_reads_back_what_its_budget_had_no_room_for(tmp_path):
    cache = TensorCache(800, CPU, SlotFile(tmp_path))
    for value in range(6):
        cache.put(value, tensors(value))
    assert len(cache) == 2 and cache.bytes == 800 and len(cache.overflow) == 4
    for value in range(6):
        assert value in cache
        assert_same(cache.get(value), value)
        assert len(cache) == 2 and cache.bytes == 800
    cache.discard(3)
    assert 3 not in cache and cache.get(3) is None
    cache.clear()
    assert 1 not in cache and cache.get(1) is None
