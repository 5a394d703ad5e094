"""Choice of device, precision, input size and memory. GPUs are announced by replaced functions: none is used."""

import pytest
import torch

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import checkpoints, devices

GIB = 1 << 30


@pytest.fixture
def two_gpus(monkeypatch):
    """Two NVIDIA GPUs: a Turing (compute capability 7.5, 4 GiB free) and a Hopper (9.0, 130 GiB free)."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: ((7, 5), (9, 0))[device.index])
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: ((4 * GIB, 130 * GIB)[device.index], 140 * GIB))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(devices, "_computes", lambda _: True)


@pytest.fixture
def a_mac(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 12 * GIB)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 2 * GIB)
    monkeypatch.setattr(devices, "_computes", lambda _: True)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def an_own_model(tmp_path):
    file = tmp_path / "mine.pt"
    file.write_bytes(b"weights")
    return checkpoints.user_model(file, "tiny", image_size=320)


def test_automatic_choice_takes_the_fastest_kind(two_gpus):
    assert devices.choose_device() == torch.device("cuda:0")


def test_automatic_choice_on_a_mac(a_mac):
    assert devices.choose_device("auto") == torch.device("mps")


def test_automatic_choice_without_gpu(no_gpu):
    assert devices.choose_device("auto") == torch.device("cpu")


def test_gpu_that_this_pytorch_cannot_use_is_passed_over(two_gpus, monkeypatch):
    """An old GPU is announced and then fails with 'no kernel image': the run must start all the same, on the CPU."""
    monkeypatch.setattr(devices, "_computes", lambda device: device.type == "cpu")
    assert devices.choose_device("auto") == torch.device("cpu")
    with pytest.raises(InputError, match="'cuda' is there, but this build of PyTorch cannot compute on it"):
        devices.choose_device("cuda")


def test_a_device_without_kernels_does_not_compute():
    """Vulkan can be named in every build of PyTorch, and none that pip installs has kernels for it."""
    assert not devices._computes(torch.device("vulkan"))
    assert devices._computes(torch.device("cpu"))


@pytest.mark.parametrize(("name", "expected"), [("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("cpu", "cpu")])
def test_device_by_name(two_gpus, name, expected):
    assert str(devices.choose_device(name)) == expected


@pytest.mark.parametrize("name", ["cuda:2", "mps", "gpu", ""])
def test_absent_device_says_what_is_there(two_gpus, name):
    with pytest.raises(InputError, match=f"no device '{name}'. It has: cuda:0, cuda:1, cpu."):
        devices.choose_device(name)


def test_cuda_without_gpu(no_gpu):
    with pytest.raises(InputError, match="no device 'cuda'. It has: cpu."):
        devices.choose_device("cuda")


@pytest.mark.parametrize(
    ("name", "dtype"), [("cuda:0", torch.float16), ("cuda:1", torch.bfloat16), ("cpu", torch.float32)]
)
def test_precision_per_device(two_gpus, name, dtype):
    assert devices.plan(checkpoints.find("tiny"), name).dtype == dtype


def test_precision_on_a_mac(a_mac):
    assert devices.plan(checkpoints.find("tiny")).dtype == torch.float32


def test_official_models_are_smaller_on_a_cpu(two_gpus):
    """1024 pixels on a CPU would make a run of minutes one of an hour."""
    assert devices.plan(checkpoints.find("small"), "cuda").image_size == 1024
    assert devices.plan(checkpoints.find("small"), "cpu").image_size == 512


def test_own_model_keeps_its_size_on_every_device(two_gpus, an_own_model):
    assert devices.plan(an_own_model, "cuda").image_size == 320
    assert devices.plan(an_own_model, "cpu").image_size == 320


def test_image_size_on_request(no_gpu, an_own_model):
    assert devices.plan(an_own_model, image_size=96).image_size == 96
    assert devices.plan(checkpoints.find("large"), image_size=768).image_size == 768


@pytest.mark.parametrize("size", [0, -32, 500, 33, 512.0, True])
def test_image_size_that_is_no_multiple_of_32(no_gpu, size):
    """The mask decoder's grids would not fit together, deep inside SAM2."""
    with pytest.raises(InputError, match=f"image size {size} cannot be used: it must be a multiple of 32"):
        devices.plan(checkpoints.find("tiny"), image_size=size)


def test_batches_fill_a_quarter_of_the_free_gpu_memory(two_gpus):
    """Too large a batch ends the run with 'out of memory' on a small GPU; a batch of one leaves a large GPU idle."""
    assert devices.plan(checkpoints.find("small"), "cuda:0").batch_size == 1
    assert devices.plan(checkpoints.find("small"), "cuda:0", image_size=512).batch_size == 4
    assert devices.plan(checkpoints.find("small"), "cuda:1").batch_size == 16


def test_batch_on_a_cpu_is_one_picture_of_512(no_gpu):
    sizes = {size: devices.plan(checkpoints.find("tiny"), image_size=size).batch_size for size in (1024, 512, 256, 128)}
    assert sizes == {1024: 1, 512: 1, 256: 4, 128: 8}


def test_cache_stays_within_the_memory_that_is_there(two_gpus, monkeypatch):
    monkeypatch.setattr(devices, "main_memory_bytes", lambda: 16 * GIB)
    assert devices.plan(checkpoints.find("tiny"), "cuda:0").cache_bytes == int(0.4 * 4 * GIB)
    assert devices.plan(checkpoints.find("tiny"), "cpu").cache_bytes == 4 * GIB


def test_cache_on_a_mac_shares_the_memory_of_the_programs(a_mac):
    assert devices.plan(checkpoints.find("tiny")).cache_bytes == int(0.25 * 10 * GIB)


def test_main_memory_of_this_machine_is_plausible():
    assert GIB // 2 < devices.main_memory_bytes() < 64 << 40


def test_float32_is_not_changed_by_a_program_that_left_autocast_on(no_gpu):
    """In Slicer other extensions share the interpreter; their precision must not leak into our masks."""
    matrix = torch.ones(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with devices.plan(checkpoints.find("tiny")).autocast():
            assert (matrix @ matrix).dtype == torch.float32
        assert (matrix @ matrix).dtype == torch.bfloat16


def test_autocast_ends_with_its_block():
    low = devices.DevicePlan(torch.device("cpu"), torch.bfloat16, 512, 1, GIB)
    matrix = torch.ones(2, 2)
    with pytest.raises(ZeroDivisionError), low.autocast():
        assert (matrix @ matrix).dtype == torch.bfloat16
        raise ZeroDivisionError
    assert (matrix @ matrix).dtype == torch.float32


def test_out_of_main_memory_is_recognised():
    """The real error of PyTorch for 128 PiB, not one made up here."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 55)
    assert devices.is_out_of_memory(caught.value)
    assert devices.is_out_of_memory(MemoryError())


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB, other: 1.2 GB, max allowed: 18.1 GB)."),
        RuntimeError("Invalid buffer size: 64.00 GB"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_out_of_gpu_memory_is_recognised(error):
    """Messages as PyTorch words them; the run then makes its batches smaller in place of failing."""
    assert devices.is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("size mismatch"), ValueError("out of memory"), KeyboardInterrupt()])
def test_other_errors_are_not_taken_for_missing_memory(error):
    """Retrying a real bug with smaller batches would hide it."""
    assert not devices.is_out_of_memory(error)
