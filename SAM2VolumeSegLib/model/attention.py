"""How much each remembered token counted, from the network's own attention: for lessons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

QUERIES_AT_ONCE = 256  # so that the weights of a large picture's places need no gigabytes


class WatchedAttention(TorchFunctionMode):
    """In its block, notes of every attention how much each key counted. What is computed stays as it is.

    `scaled_dot_product_attention` does not say its weights. They are computed a second time, from the queries and keys
    that it was given: projected, and turned by their places, as the network did it.

    Attributes:
        shares: Of each call in order, [B, T] of T keys: means over heads and queries, each row sums to 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shares: list[torch.Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            self.shares.append(_shares(*args[:2]))
        return func(*args, **(kwargs or {}))


def _shares(queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """How much each key counts: [B, heads, Q, C] and [B, heads, T, C] -> [B, T]."""
    scaled, turned = queries.float() / queries.shape[-1] ** 0.5, keys.float().transpose(-2, -1)
    total = sum((part @ turned).softmax(dim=-1).sum(dim=-2) for part in scaled.split(QUERIES_AT_ONCE, dim=-2))
    return total.mean(dim=1) / queries.shape[-2]
