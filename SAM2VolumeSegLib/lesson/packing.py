"""Arrays and pictures as text that a page holds: numbers exactly, and pictures without loss."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, features

SHEET_COLUMNS = 8
OPTIONS: dict[str, dict[str, Any]] = {"webp": {"lossless": True, "quality": 30, "method": 3}, "png": {"optimize": True}}
"""Both without loss. More effort makes WebP hardly smaller, and much slower."""
GREYS = 64
"""Levels of pictures and maps: nobody sees the difference to 256, and noise takes a third less room."""
LOGIT_STEPS = 254
"""Logits are kept in as many steps between the limits at which they are clamped."""


def packed(values: np.ndarray) -> dict[str, Any]:
    """Bytes of any shape; `unpacked` and the page's script read them.

    Args:
        values: uint8, or bool, which is kept as a bit for each.
    """
    bits = values.dtype == bool
    raw = np.packbits(values.ravel()) if bits else np.ascontiguousarray(values)
    assert raw.dtype == np.uint8
    text = base64.b64encode(zlib.compress(raw.tobytes(), 9)).decode()
    return {"shape": list(values.shape), "bits": bits, "data": text}


def unpacked(value: dict[str, Any]) -> np.ndarray:
    """The array of `packed`."""
    shape = tuple(value["shape"])
    raw = np.frombuffer(zlib.decompress(base64.b64decode(value["data"])), dtype=np.uint8)
    return (
        np.unpackbits(raw, count=int(np.prod(shape))).astype(bool).reshape(shape)
        if value["bits"]
        else raw.reshape(shape)
    )


def logits_to_bytes(logits: np.ndarray, limit: float) -> np.ndarray:
    """Logits within +-limit as 1 ... 255, NaN as 0."""
    steps = np.rint((np.clip(logits, -limit, limit) + limit) / (2 * limit) * LOGIT_STEPS) + 1
    return np.where(np.isnan(logits), 0, steps).astype(np.uint8)


def bytes_to_logits(values: np.ndarray, limit: float) -> np.ndarray:
    """The way back; no logit is further off than half a step."""
    return np.where(values == 0, np.nan, (values.astype(np.float32) - 1) / LOGIT_STEPS * 2 * limit - limit)


def to_byte(values: np.ndarray, levels: int = 256) -> np.ndarray:
    """Values in 0..1 as 0 ... 255, in so many levels."""
    return (np.rint(np.clip(values, 0, 1) * (levels - 1)) * (256 // levels)).astype(np.uint8)


def sheet(pictures: Sequence[np.ndarray]) -> dict[str, Any]:
    """Pictures of one size, uint8 [S, S], side by side in one file.

    Returns:
        "source", a data address; "columns" in the sheet, and "size" of a picture in pixels.
    """
    size = pictures[0].shape[0]
    rows = -(-len(pictures) // SHEET_COLUMNS)
    whole = np.zeros((rows * size, SHEET_COLUMNS * size), dtype=np.uint8)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, SHEET_COLUMNS)
        whole[row * size : (row + 1) * size, column * size : (column + 1) * size] = picture
    file = io.BytesIO()
    kind = "webp" if features.check("webp") else "png"  # a sixth smaller; a Pillow built by somebody may lack it
    Image.fromarray(whole).convert("RGB").save(file, kind, **OPTIONS[kind])
    source = f"data:image/{kind};base64," + base64.b64encode(file.getvalue()).decode()
    return {"source": source, "columns": SHEET_COLUMNS, "size": size}
