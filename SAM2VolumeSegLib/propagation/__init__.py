"""The run: one axis, three axes, fusion, progress, cancel.

Importing this does not import torch; asking for `Segmenter` does. So a program can show and check settings before torch
is installed, and without the seconds that it takes to load.
"""

from typing import TYPE_CHECKING

from SAM2VolumeSegLib.propagation.request import Request
from SAM2VolumeSegLib.propagation.result import Progress, Result, SegmentResult
from SAM2VolumeSegLib.propagation.settings import PAPER, RECOMMENDED, STOCK_SAM2, Settings
from SAM2VolumeSegLib.propagation.sight import Sight

if TYPE_CHECKING:
    from SAM2VolumeSegLib.propagation.segmenter import Segmenter

__all__ = [
    "PAPER",
    "RECOMMENDED",
    "STOCK_SAM2",
    "Progress",
    "Request",
    "Result",
    "SegmentResult",
    "Segmenter",
    "Settings",
    "Sight",
]


def __getattr__(name: str) -> "type[Segmenter]":
    if name == "Segmenter":
        from SAM2VolumeSegLib.propagation.segmenter import Segmenter

        return Segmenter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
