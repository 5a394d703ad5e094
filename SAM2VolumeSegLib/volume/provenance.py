"""How a result was made, as JSON: whatever it holds, it never costs the result."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from SAM2VolumeSegLib.volume.text import valid_text

_DEPTH = 20


def to_json(provenance: Mapping[str, Any], indent: int | None = None) -> str:
    """Return JSON (UTF-8 can hold it) of any mapping: what JSON cannot say becomes text, NaN and infinity too."""
    return json.dumps(_plain(provenance, _DEPTH), indent=indent, ensure_ascii=False)


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value if not isinstance(value, int) or abs(value) < 2**64 else _text(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if depth and isinstance(value, Mapping):
        return {_text(key): _plain(inner, depth - 1) for key, inner in value.items()}
    if depth and isinstance(value, (list, tuple)):
        return [_plain(inner, depth - 1) for inner in value]
    return _text(value)


def _text(value: Any) -> str:
    try:
        return valid_text(str(value))
    except Exception:  # a value's own str() may raise anything
        return f"<{type(value).__name__}>"
