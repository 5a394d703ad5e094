"""How a result was made, as text: whatever it holds, it never costs the result."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

_DEPTH = 20


def to_json(provenance: Mapping[str, Any], indent: int | None = None) -> str:
    """Return JSON (UTF-8 can hold it) of any mapping: what JSON cannot say becomes text, NaN and infinity too."""
    return json.dumps(_plain(provenance, _DEPTH), indent=indent, ensure_ascii=False)


def plain_text(text: str) -> str:
    """Return text that every file here can hold and give back: valid Unicode, no carriage returns, no outer spaces."""
    return _unicode(text).replace("\r", " ").strip()


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
        return _unicode(str(value))
    except Exception:  # a value's own str() may raise anything
        return f"<{type(value).__name__}>"


def _unicode(text: str) -> str:
    """Lone surrogates (bytes of a name that Python could not read) become "?"."""
    return text.encode("utf-8", "replace").decode("utf-8")
