"""The yaml of a SAM2 architecture: read here alone, and checked before anything is built from it.

Whoever hands out a checkpoint hands out its yaml as well. Hydra calls whatever function such a file names, so what may
be named is what SAM2's own files name.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from SAM2VolumeSegLib.errors import InputError

LARGEST_FILE = 32 << 10  # bytes; SAM2's own files have at most 12 kB
DEEPEST = 32  # sections in sections; SAM2's own have 6, and a thousand take the yaml parser minutes
LARGEST_NUMBER = 1 << 14  # SAM2's own files have at most 10,000; a billion layers would fill the memory, unnoticed
TARGETS = frozenset(
    f"sam2.modeling.{name}"
    for name in (
        "backbones.hieradet.Hiera",
        "backbones.image_encoder.FpnNeck",
        "backbones.image_encoder.ImageEncoder",
        "memory_attention.MemoryAttention",
        "memory_attention.MemoryAttentionLayer",
        "memory_encoder.CXBlock",
        "memory_encoder.Fuser",
        "memory_encoder.MaskDownSampler",
        "memory_encoder.MemoryEncoder",
        "position_encoding.PositionEmbeddingSine",
        "sam.transformer.RoPEAttention",
        "sam2_base.SAM2Base",
    )
)
"""All that the yaml files of the package sam2 1.1.0 build a network from."""
FILE_KEYS = ("weights_path",)  # Hiera reads that file with torch.load, which could run code before PyTorch 2.6


def read_config(path: Path | str) -> dict[str, Any]:
    """The section `model` of a yaml file, as plain dicts, lists, numbers and text; nothing was built or looked up.

    What is outside of that section is not used.

    Raises:
        InputError: The file cannot be read, is no yaml, has no such section, or asks for more than SAM2's own files do
            (another `_target_`, hydra's other keys, `${...}`, aliases).
    """
    from omegaconf import OmegaConf

    text = _read(path)
    try:
        problem = _unfolding(text)
        content = None if problem else OmegaConf.to_container(OmegaConf.load(io.StringIO(text)), resolve=False)
    except Exception as error:  # yaml and omegaconf have a family each, and deep brackets a RecursionError
        raise InputError(
            f"The configuration {path} is not a readable yaml file ({type(error).__name__}). Get a fresh copy of it."
        ) from error
    if problem:
        raise _refused(path, problem)
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict):
        raise no_network(path, "it has no section 'model'")
    _check(model, path)
    return model


def image_size(path: Path | str) -> int:
    """Side of the square input in pixels that a yaml states (its key model.image_size).

    Raises:
        InputError: It states none, or see `read_config`.
    """
    size = read_config(path).get("image_size")
    if isinstance(size, bool) or not isinstance(size, int):
        raise InputError(f"The configuration {path} states no model.image_size: it is not a configuration of SAM2.")
    return size


def no_network(path: Path | str, why: str) -> InputError:
    """The error for a yaml of something else."""
    return InputError(
        f"The configuration {path} describes no SAM2 network ({why}). Take the name of a known model, or a yaml made "
        "for sam2 1.1.0."
    )


def _read(path: Path | str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"The configuration {path} cannot be read ({error.strerror or error}).") from error
    if len(content) > LARGEST_FILE:
        raise no_network(path, f"it is larger than {LARGEST_FILE >> 10} kB")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"The configuration {path} is not a readable yaml file: it is not text.") from error


def _unfolding(text: str) -> str | None:
    """What in a small text can grow: ten lines can mean a billion nodes, and `${...}` can run a function."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            return "it has aliases (*name): write out what they stand for"
        if isinstance(event, yaml.ScalarEvent) and "${" in event.value:
            return f"{event.value[:80]!r} refers to something else: write its value there"
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return f"it has more than {DEEPEST} levels"
    return None


def _check(node: object, path: Path | str) -> None:
    """Refuse a node (InputError) unless all below it is plain and names nothing but `TARGETS`."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "_target_":
                if not isinstance(value, str) or value not in TARGETS:
                    raise _refused(path, f"it would run {str(value)[:80]!r}, which no configuration of SAM2 names")
            elif not isinstance(key, str) or key.startswith("_") or key in FILE_KEYS:
                raise _refused(path, f"no configuration of SAM2 has the key {str(key)[:80]!r}: remove it")
            else:
                _check(value, path)
    elif isinstance(node, list):
        for value in node:
            _check(value, path)
    elif isinstance(node, (int, float)) and not abs(node) <= LARGEST_NUMBER:  # also a NaN
        raise _refused(path, f"it has a number beyond {LARGEST_NUMBER}, which no configuration of SAM2 has")
    elif node is not None and not isinstance(node, (str, int, float)):
        raise _refused(path, f"a {type(node).__name__} is no value for a network")


def _refused(path: Path | str, why: str) -> InputError:
    return InputError(
        f"The configuration {path} is not used: {why}. Take the name of a known model, or a yaml that comes with sam2 "
        "1.1.0."
    )
