"""Reading checkpoint files: no code runs, and what is no plain, finite tensor is refused by its name."""

import zipfile

import pytest
import torch

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import devices
from SAM2VolumeSegLib.model.weights import read_weights


@pytest.mark.parametrize("wrap", [lambda weights: weights, lambda weights: {"model": weights, "epoch": 3}])
def test_half_precision_weights_become_float32(tmp_path, wrap):
    """float16 weights beside float32 pictures would stop the run inside the first convolution."""
    file = tmp_path / "half.pt"
    torch.save(wrap({"a": torch.tensor([0.5, 2.0], dtype=torch.float16), "index": torch.tensor([3])}), file)
    weights = read_weights(file)
    assert weights["a"].dtype == torch.float32
    assert weights["a"].tolist() == [0.5, 2.0]
    assert weights["index"].dtype == torch.int64


def test_damaged_checkpoints_are_refused(tmp_path):
    file = tmp_path / "whole.pt"
    torch.save({"model": {"a": torch.arange(10000.0)}}, file)
    content = file.read_bytes()
    for name, damaged in {
        "empty": b"",
        "half": content[: len(content) // 2],
        "text": b"<html>not found</html>",
    }.items():
        broken = tmp_path / f"{name}.pt"
        broken.write_bytes(damaged)
        with pytest.raises(InputError, match=rf"{name}\.pt.*(cannot be read|is empty)"):
            read_weights(broken)


class RunsCode:
    def __reduce__(self):
        return print, ("this must never be printed",)


def test_checkpoint_that_would_run_code_is_refused(tmp_path, capsys):
    file = tmp_path / "evil.pt"
    torch.save({"model": RunsCode()}, file)
    with pytest.raises(InputError, match="more than weights"):
        read_weights(file)
    assert "never" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [{}, {"model": {}}, [1, 2], {"epoch": 3}, {"model": torch.ones(2)}])
def test_file_without_weights_is_refused(tmp_path, content):
    file = tmp_path / "other.pt"
    torch.save(content, file)
    with pytest.raises(InputError, match="holds no weights of SAM2"):
        read_weights(file)


def test_damaged_or_unreadable_safetensors_ends_in_a_message(tmp_path):
    """With the package the file is damaged; without it the message names the package."""
    file = tmp_path / "mine.safetensors"
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match="pip install safetensors|is damaged"):
        read_weights(file)


def test_missing_checkpoint_file(tmp_path):
    with pytest.raises(InputError, match=r"no file .*gone\.pt"):
        read_weights(tmp_path / "gone.pt")


def quantized():
    return torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.eye(2).to_sparse(),
        lambda: torch.empty(2, device="meta"),
        quantized,
        lambda: torch.ones(2, dtype=torch.complex64),
        lambda: torch.ones(1, dtype=torch.float16).expand(1 << 20, 1 << 20),
    ],
    ids=["sparse", "meta", "quantized", "complex", "two bytes that claim two terabytes"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # quantized tensors are deprecated, but files have them
def test_a_tensor_that_is_no_plain_array_is_named(tmp_path, make):
    """They pass a comparison of shapes, and fail inside of PyTorch."""
    file = tmp_path / "odd.pt"
    torch.save({"first": torch.ones(2), "odd": make()}, file)
    with pytest.raises(InputError, match=r"odd\.pt cannot be used: its tensor 'odd' is no plain array"):
        read_weights(file)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value, dtype):
    """The run went through, with "mean confidence nan" and nothing but what was painted."""
    file = tmp_path / "diverged.pt"
    torch.save({"first": torch.ones(2), "second": torch.tensor([1.0, value], dtype=dtype)}, file)
    with pytest.raises(InputError, match="its tensor 'second' has a value that is no number"):
        read_weights(file)


def test_a_checkpoint_larger_than_the_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    """40 kB on the disk that unpack to 40 MB: with terabytes the system would end Slicer."""
    plain, packed = tmp_path / "plain.pt", tmp_path / "packed.pt"
    torch.save({"a": torch.zeros(10_000_000)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    assert packed.stat().st_size < 100_000
    monkeypatch.setattr(devices, "main_memory_bytes", lambda: 30_000_000)
    monkeypatch.setattr(torch, "load", None)
    with pytest.raises(InputError, match="needs more memory than there is"):
        read_weights(packed)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory")])
def test_memory_that_runs_out_while_reading_is_said(tmp_path, monkeypatch, error):
    def load(*args, **options):
        raise error

    file = tmp_path / "large.pt"
    torch.save({"a": torch.ones(2)}, file)
    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(InputError, match=r"large\.pt needs more memory than there is"):
        read_weights(file)


def test_large_weights_are_no_infinity(tmp_path):
    """In half precision their sum is one."""
    file = tmp_path / "large.pt"
    torch.save({"a": torch.full((4,), 60000.0, dtype=torch.float16)}, file)
    assert read_weights(file)["a"].tolist() == [60000.0] * 4
