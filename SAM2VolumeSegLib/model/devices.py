"""What a run uses of the machine: device, precision, input size, slices per batch, memory for embeddings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model.checkpoints import Model, config_image_size

IMAGE_SIZE_STEP = 32  # px: Hiera halves the picture five times
LARGEST_IMAGE_SIZE = 4096  # px: encoding one slice takes 16 GiB there, see ENCODER_BYTES_PER_PIXEL
CPU_IMAGE_SIZE = 512  # px: a quarter of the pixels, and of the time, of the official models' 1024
# Encoding took 0.5 to 0.9 KiB per pixel of the input (tiny and large at 256 and 512 px, float32, measured on a CPU).
ENCODER_BYTES_PER_PIXEL = 1024
MAX_BATCH = {"cuda": 16, "mps": 4, "cpu": 8}
# Of the memory that is free on a GPU; of all main memory on a CPU, where other programs need room as well.
BATCH_SHARE = 0.25
CACHE_SHARE = {"cuda": 0.4, "mps": 0.25, "cpu": 0.25}
UNKNOWN_MEMORY = 8 << 30  # bytes assumed where the system does not tell: a small laptop
AMPERE = 8  # first CUDA compute capability with bfloat16 arithmetic


@dataclass(frozen=True)
class DevicePlan:
    """How one model runs on one device.

    Attributes:
        device: Where.
        dtype: Precision of the network's arithmetic; weights stay float32.
        image_size: Side of the square input in pixels.
        batch_size: Slices encoded at once.
        cache_bytes: Memory that embeddings may take on the device.
    """

    device: torch.device
    dtype: torch.dtype
    image_size: int
    batch_size: int
    cache_bytes: int

    def autocast(self) -> torch.autocast:
        """Context manager: arithmetic in `dtype` inside, the state before it afterwards.

        With float32 it switches autocast off, so that what a program around us has switched on does not change results.
        """
        return torch.autocast(self.device.type, dtype=self._low_dtype(), enabled=self.dtype != torch.float32)

    def _low_dtype(self) -> torch.dtype | None:
        return None if self.dtype == torch.float32 else self.dtype


def plan(model: Model, device: str = "auto", image_size: int | None = None) -> DevicePlan:
    """Choose how `model` runs: see `choose_device`, `choose_dtype`, `choose_image_size`.

    Batch size: as many slices as fit a quarter of the memory (a CPU: as make up one picture of 512 px, more are no
    faster there).

    Raises:
        InputError: The device is absent, or the image size is no multiple of 32.
    """
    chosen = choose_device(device)
    size = choose_image_size(model, chosen, image_size)
    memory = _memory_bytes(chosen)
    pixels = CPU_IMAGE_SIZE**2 if chosen.type == "cpu" else BATCH_SHARE * memory / ENCODER_BYTES_PER_PIXEL
    batch_size = min(max(int(pixels // size**2), 1), MAX_BATCH[chosen.type])
    return DevicePlan(chosen, choose_dtype(chosen), size, batch_size, int(CACHE_SHARE[chosen.type] * memory))


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name ("cuda", "cuda:1", "mps", "cpu"), or the best one that works ("auto": cuda, mps, cpu).

    Raises:
        InputError: It is absent, or this build of PyTorch cannot compute on it; the message names what there is.
    """
    present = available_devices()
    if name == "auto":
        return next(device for device in present if _computes(device))
    wanted = {"cuda": "cuda:0", "cpu:0": "cpu", "mps:0": "mps"}.get(name, name)
    for device in present:
        if str(device) == wanted:
            if _computes(device):
                return device
            raise InputError(
                _("The device '{name}' is there, but this build of PyTorch cannot compute on it. Use 'cpu'.").format(
                    name=name
                )
            )
    raise InputError(
        _("This machine has no device '{name}'. It has: {names}.").format(name=name, names=", ".join(map(str, present)))
    )


def available_devices() -> list[torch.device]:
    """Every device that PyTorch reports on this machine, the fastest kind first; the CPU is always the last one."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    devices = [torch.device("cuda", index) for index in range(count)]
    if torch.backends.mps.is_available():
        devices.append(torch.device("mps"))
    return [*devices, torch.device("cpu")]


def describe(device: torch.device) -> str:
    """What decides how fast a device is, as text: "cuda NVIDIA A100", "cpu 8 threads", "mps"."""
    if device.type == "cuda":
        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"cpu {torch.get_num_threads()} threads" if device.type == "cpu" else device.type


def choose_dtype(device: torch.device) -> torch.dtype:
    """Precision of the network's arithmetic on a device.

    CUDA: bfloat16, as SAM2's own examples run, from compute capability 8.0 on; float16 on older GPUs, which only
    emulate bfloat16. Apple's MPS and the CPU: float32. MPS has reduced precision, but attention under autocast fails
    there before PyTorch 2.6 (pytorch issue 141774), and causal attention was silently wrong in it later (195910).
    """
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= AMPERE else torch.float16


def choose_image_size(model: Model, device: torch.device, image_size: int | None = None) -> int:
    """Side of the network's square input, in pixels.

    In this order: `image_size`; the model's own `image_size`; 512 for an official model on a CPU; what the model's yaml
    states (1024 for the official ones).

    Raises:
        InputError: It is no multiple of 32 between 32 and 4096.
    """
    size = image_size if image_size is not None else model.image_size
    if size is None:
        size = CPU_IMAGE_SIZE if model.is_official and device.type == "cpu" else config_image_size(model)
    whole = isinstance(size, int) and not isinstance(size, bool)
    if not whole or size % IMAGE_SIZE_STEP or not 0 < size <= LARGEST_IMAGE_SIZE:
        raise InputError(
            _(
                "The image size {size} cannot be used: it must be a multiple of 32 pixels, for example 512, and "
                "at most {largest_image_size}."
            ).format(size=size, largest_image_size=LARGEST_IMAGE_SIZE)
        )
    return size


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or in the machine (only CUDA has an exception for it)."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(sign in text for sign in _OUT_OF_MEMORY_SIGNS)


_OUT_OF_MEMORY_SIGNS = (
    "out of memory",  # CUDA's driver, MPS
    "Invalid buffer size",  # MPS, one tensor too large
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "DefaultCPUAllocator",  # CPU: "can't allocate memory" or "not enough memory"
)


def _computes(device: torch.device) -> bool:
    """Whether this build of PyTorch has kernels for the device (it may not, for an old or a very new GPU)."""
    try:
        return torch.ones(2, device=device).mul(2).sum().item() == 4
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        return is_out_of_memory(error)  # full, but able


def _memory_bytes(device: torch.device) -> int:
    """Bytes that are free on a GPU; all main memory on a CPU."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return max(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory(), 0)
    return main_memory_bytes()


def main_memory_bytes() -> int:
    """Bytes of main memory, or the limit that a Linux container sets below it; 8 GiB where the system does not tell."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        memory = UNKNOWN_MEMORY
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()  # cgroup v2
    except OSError:
        limit = "max"
    return min(memory, int(limit)) if limit.isdigit() else memory
