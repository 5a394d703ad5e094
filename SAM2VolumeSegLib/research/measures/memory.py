"""Peak memory of one part of a process."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def reset_peak_memory() -> None:
    """Start a new peak where the system can (Linux); elsewhere the peak is that of the whole process so far."""
    with suppress(OSError):
        _RESET.write_text("5")


def peak_memory_mb() -> float:
    """Largest resident memory since the last reset, in MB (1e6 bytes)."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource  # not on Windows, where nothing but the processes' own tools tells the peak

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
