"""What the network made of slices, kept so that nothing is computed twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

import torch

from SAM2VolumeSegLib.model.slot_file import SlotFile


class TensorCache:
    """Lists of tensors by key, the least recently used going first when the byte budget is spent.

    The key has to name everything that the tensors depend on: for the features of a slice volume, window, crop, plane,
    slice, model and input size; for a prediction its identity (model/identity.py).

    Attributes:
        budget_bytes: What the entries may take on the device.
        device: Where they lie.
        overflow: Takes what the budget has no room for; None: it is forgotten.
        bytes: What the entries take now.
    """

    def __init__(self, budget_bytes: int, device: torch.device, overflow: SlotFile | None = None):
        self.budget_bytes = budget_bytes
        self.device = device
        self.overflow = overflow
        self.bytes = 0
        self._entries: OrderedDict[Hashable, list[torch.Tensor]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._entries or (self.overflow is not None and key in self.overflow)

    def get(self, key: Hashable) -> list[torch.Tensor] | None:
        """The tensors on the cache's device, or None."""
        if key in self._entries:
            self._entries.move_to_end(key)
        elif self.overflow is not None and (found := self.overflow.get(key)) is not None:
            self._hold(key, found)
        return self._entries.get(key)

    def put(self, key: Hashable, tensors: list[torch.Tensor]) -> None:
        """Keep tensors. The newest entry always stays, even when it alone exceeds the budget."""
        self.discard(key)
        self._hold(key, tensors)

    def discard(self, key: Hashable) -> None:
        """Forget one entry, if it is there."""
        self.bytes -= _size(self._entries.pop(key, []))
        if self.overflow is not None:
            self.overflow.discard(key)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.bytes = 0
        if self.overflow is not None:
            self.overflow.clear()

    def move_to(self, device: torch.device, budget_bytes: int) -> None:
        """Move every entry that the new budget holds, for example to main memory when a GPU's is full."""
        self.device, self.budget_bytes = device, budget_bytes
        self._keep_budget()
        for key in list(self._entries):
            self._entries[key] = [tensor.to(device) for tensor in self._entries[key]]

    def _hold(self, key: Hashable, tensors: list[torch.Tensor]) -> None:
        self._entries[key] = [tensor.to(self.device) for tensor in tensors]
        self.bytes += _size(tensors)
        self._keep_budget()

    def _keep_budget(self) -> None:
        while self.bytes > self.budget_bytes and len(self._entries) > 1:
            key, tensors = self._entries.popitem(last=False)
            self.bytes -= _size(tensors)
            if self.overflow is not None:
                self.overflow.put(key, tensors)


def _size(tensors: list[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
