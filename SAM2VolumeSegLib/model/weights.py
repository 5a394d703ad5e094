"""The weights in a checkpoint file: read without running code, and whole, plain, finite numbers."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import torch

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _
from SAM2VolumeSegLib.model import devices
from SAM2VolumeSegLib.volume.paths import check_file


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint file. A checkpoint never runs code: it is read with weights_only=True.

    Args:
        path: A state dict, or a dict with one under "model", written by `torch.save`; or a .safetensors file where that
            package is installed.

    Returns:
        Parameter name -> tensor on the CPU; half precision becomes float32.

    Raises:
        InputError: It is missing, is damaged, needs more memory than there is, or holds something other than weights,
            or a NaN.
    """
    check_file(path)
    try:
        content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
        weights = content.get("model", content) if isinstance(content, dict) else content
        return _as_float32(weights, path)
    except InputError:
        raise
    except Exception as error:  # a damaged file raises nearly anything, from UnicodeDecodeError to RuntimeError
        if devices.is_out_of_memory(error):
            raise _too_large(path) from error
        raise InputError(
            _(
                "The checkpoint {path} cannot be read: it is damaged, or it holds more than weights. Get a fresh copy."
            ).format(path=path)
        ) from error


def _read_torch(path: Path) -> object:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:  # torch does not compress; another program's zip can hold terabytes
            if sum(entry.file_size for entry in archive.infolist()) > devices.main_memory_bytes():
                raise _too_large(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _read_safetensors(path: Path) -> object:
    if importlib.util.find_spec("safetensors") is None:
        raise InputError(
            _("To read {file}, install its package (pip install safetensors), or give a .pt file.").format(
                file=path.name
            )
        )
    from safetensors.torch import load_file

    return load_file(path)


def _as_float32(weights: object, path: Path) -> dict[str, torch.Tensor]:
    if not isinstance(weights, dict) or not weights or not all(isinstance(w, torch.Tensor) for w in weights.values()):
        raise InputError(
            _(
                "The file {path} holds no weights of SAM2: expected is a state dict, or a dict with one under 'model'."
            ).format(path=path)
        )
    return {name: _plain_float32(name, weight, path) for name, weight in weights.items()}


def _plain_float32(name: str, weight: torch.Tensor, path: Path) -> torch.Tensor:
    """An array of finite numbers, float32 where it is no array of integers; InputError for anything else."""
    if not _is_plain(weight):
        kind = "quantized" if weight.is_quantized else f"{weight.layout}, {weight.dtype}, on {weight.device}"
        raise InputError(
            _(
                "The checkpoint {path} cannot be used: its tensor '{name}' is no plain array of numbers "
                "({kind}). Save the weights as ordinary tensors on the CPU."
            ).format(path=path, name=name, kind=kind)
        )
    weight = weight.float() if weight.is_floating_point() else weight
    if not weight.sum().isfinite():  # a NaN or an infinity makes the sum one; ten times as fast as asking each number
        raise InputError(
            _(
                "The checkpoint {path} cannot be used: its tensor '{name}' has a value that is no number (NaN or "
                "infinity). The training that made it went wrong, or the file is damaged: take an earlier one."
            ).format(path=path, name=name)
        )
    return weight


def _is_plain(weight: torch.Tensor) -> bool:
    """Whether a tensor has all of its values in memory. A few bytes can claim to be a tensor of terabytes."""
    return (
        weight.layout == torch.strided
        and weight.device.type == "cpu"
        and not weight.is_quantized
        and not weight.is_complex()
        and weight.numel() * weight.element_size() <= weight.untyped_storage().nbytes()
    )


def _too_large(path: Path) -> InputError:
    return InputError(
        _(
            "The checkpoint {path} needs more memory than there is. Choose a smaller model, or close other programs."
        ).format(path=path)
    )
