"""Tensors on disk: what main memory has no room for, and what takes longer to compute than to read."""

from __future__ import annotations

import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Hashable
from contextlib import suppress
from io import FileIO
from pathlib import Path

import torch

from SAM2VolumeSegLib.i18n import tr as _

DISK_SHARE = 0.25  # of what is free when the file is made: other programs need room as well


class SlotFile:
    """Lists of tensors by key in one file of equal slots; when it is full, the least recently used goes first.

    The file has no name in the folder (on Windows, it is deleted when it is closed): no other process can see it, and
    the system removes it however this process ends. It is made when the first entry is put. The size of that entry
    is the size of a slot; larger entries are not kept. When the disk is full, or no file can be made, nothing is
    kept, and nothing fails.

    Attributes:
        folder: Made if it is missing; where that fails, and for None, it is the system's folder for temporary files.
        budget_bytes: None is a quarter of what is free in the folder, once the file is made.
    """

    def __init__(self, folder: Path | None = None, budget_bytes: int | None = None):
        self.folder, self.budget_bytes = folder, budget_bytes
        self._file: FileIO | None = None
        self._slot_bytes = 0
        self._entries: OrderedDict[Hashable, tuple[int, list[tuple]]] = OrderedDict()
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._entries

    @property
    def bytes(self) -> int:
        """Bytes that the file takes on disk at most."""
        return (len(self._entries) + len(self._free)) * self._slot_bytes

    def get(self, key: Hashable) -> list[torch.Tensor] | None:
        """The tensors in main memory, or None where they are not kept.

        Their strides are what they were: another order of the same numbers in memory changes the last bits of what is
        computed from them.
        """
        if key not in self._entries or self._file is None:
            return None
        self._entries.move_to_end(key)
        slot, layouts = self._entries[key]
        try:
            self._file.seek(slot * self._slot_bytes)
            tensors = [torch.empty_strided(*layout, dtype=dtype) for dtype, *layout in layouts]
            complete = all(self._file.readinto(_raw(tensor)) == tensor.nbytes for tensor in tensors)
        except OSError:
            complete = False
        if not complete:
            self._give_up()
            return None
        return tensors

    def put(self, key: Hashable, tensors: list[torch.Tensor]) -> None:
        """Keep tensors, unless they are kept already: equal keys have equal tensors."""
        if key in self._entries:
            return
        tensors = [tensor.to("cpu", copy=True) for tensor in tensors]  # a copy has no gaps
        size = sum(tensor.nbytes for tensor in tensors)
        try:
            file, budget = self._opened(size)
            if size > self._slot_bytes or budget < self._slot_bytes:
                return
            if self._free:
                slot = self._free.pop()
            elif self.bytes + self._slot_bytes <= budget:
                slot = len(self._entries)
            else:
                slot = self._entries.popitem(last=False)[1][0]
            file.seek(slot * self._slot_bytes)
            for tensor in tensors:
                if file.write(_raw(tensor)) != tensor.nbytes:
                    raise OSError(_("The disk took only a part."))
        except OSError:
            self._give_up()
            return
        self._entries[key] = slot, [(tensor.dtype, tensor.shape, tensor.stride()) for tensor in tensors]

    def discard(self, key: Hashable) -> None:
        """Forget one entry, if it is there."""
        if key in self._entries:
            self._free.append(self._entries.pop(key)[0])

    def clear(self) -> None:
        """Forget everything, and give the disk's space back."""
        self._entries.clear()
        self._free.clear()
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _give_up(self) -> None:
        """The disk is full or broken: do without."""
        self.clear()
        self.budget_bytes = 0

    def _opened(self, first_bytes: int) -> tuple[FileIO, int]:
        """The file, made where the first entry, of that size, is put; and the budget in bytes."""
        if self._file is not None and self.budget_bytes is not None:
            return self._file, self.budget_bytes
        self._slot_bytes = first_bytes
        folder = self.folder
        try:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(buffering=0, dir=folder)
        except OSError:
            folder = None
            self._file = tempfile.TemporaryFile(buffering=0)
        if self.budget_bytes is None:
            free = shutil.disk_usage(folder or tempfile.gettempdir()).free
            self.budget_bytes = int(DISK_SHARE * free)
        return self._file, self.budget_bytes


def _raw(tensor: torch.Tensor) -> memoryview:
    """The bytes of a tensor without gaps, in the order in which they lie in memory."""
    return tensor.as_strided((tensor.numel(),), (1,)).view(torch.uint8).numpy().data
