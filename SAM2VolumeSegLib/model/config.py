"""The yaml of a SAM2 architecture: read here alone, and checked before anything is built from it.

Whoever hands out a checkpoint hands out its yaml as well. Hydra calls whatever function such a file names, so what may
be named is what SAM2's own files name.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.i18n import tr as _

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
            _("The configuration {path} is not a readable yaml file ({name}). Get a fresh copy of it.").format(
                path=path, name=type(error).__name__
            )
        ) from error
    if problem:
        raise _refused(path, problem)
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict):
        raise no_network(path, _("it has no section 'model'"))
    _check(model, path)
    return model


def image_size(path: Path | str) -> int:
    """Side of the square input in pixels that a yaml states (its key model.image_size).

    Raises:
        InputError: It states none, or see `read_config`.
    """
    size = read_config(path).get("image_size")
    if isinstance(size, bool) or not isinstance(size, int):
        raise InputError(
            _("The configuration {path} states no model.image_size: it is not a configuration of SAM2.").format(
                path=path
            )
        )
    return size


def no_network(path: Path | str, why: str) -> InputError:
    """The error for a yaml of something else."""
    return InputError(
        _(
            "The configuration {path} describes no SAM2 network ({why}). Take the name of a known model, or "
            "a yaml made for sam2 1.1.0."
        ).format(path=path, why=why)
    )


def _read(path: Path | str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(
            _("The configuration {path} cannot be read ({reason}).").format(path=path, reason=error.strerror or error)
        ) from error
    if len(content) > LARGEST_FILE:
        raise no_network(path, _("it is larger than {size} kB").format(size=LARGEST_FILE >> 10))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            _(
                "The configuration {path} is not a readable yaml file: it is not text in UTF-8. Save it with this "
                "encoding, or get a fresh copy."
            ).format(path=path)
        ) from error


def _unfolding(text: str) -> str | None:
    """What in a small text can grow: ten lines can mean a billion nodes, and `${...}` can run a function."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            return _("it has aliases (*name): write out what they stand for")
        if isinstance(event, yaml.ScalarEvent) and "${" in event.value:
            return _("{event!r} refers to something else: write its value there").format(event=event.value[:80])
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return _("it has more than {levels} levels").format(levels=DEEPEST)
    return None


def _check(node: object, path: Path | str) -> None:
    """Refuse a node (InputError) unless all below it is plain and names nothing but `TARGETS`."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "_target_":
                if not isinstance(value, str) or value not in TARGETS:
                    raise _refused(
                        path,
                        _("it would run {value!r}, which no configuration of SAM2 names").format(value=str(value)[:80]),
                    )
            elif not isinstance(key, str) or key.startswith("_") or key in FILE_KEYS:
                raise _refused(
                    path, _("no configuration of SAM2 has the key {key!r}: remove it").format(key=str(key)[:80])
                )
            else:
                _check(value, path)
    elif isinstance(node, list):
        for value in node:
            _check(value, path)
    elif isinstance(node, (int, float)) and not abs(node) <= LARGEST_NUMBER:  # also a NaN
        raise _refused(
            path,
            _("it has a number beyond {number}, which no configuration of SAM2 has").format(number=LARGEST_NUMBER),
        )
    elif node is not None and not isinstance(node, (str, int, float)):
        raise _refused(path, _("a {name} is no value for a network").format(name=type(node).__name__))


def _refused(path: Path | str, why: str) -> InputError:
    return InputError(
        _(
            "The configuration {path} is not used: {why}. Take the name of a known model, or a yaml that "
            "comes with sam2 1.1.0."
        ).format(path=path, why=why)
    )
