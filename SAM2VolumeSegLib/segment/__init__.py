"""The run: one axis, three axes, fusion, progress, cancel."""

from SAM2VolumeSegLib.segment.result import Progress, Result, SegmentResult
from SAM2VolumeSegLib.segment.segmenter import Segmenter
from SAM2VolumeSegLib.segment.settings import RECOMMENDED, STOCK_SAM2, Settings

__all__ = ["RECOMMENDED", "STOCK_SAM2", "Progress", "Result", "SegmentResult", "Segmenter", "Settings"]
