"""Tables, figures and findings from results folders: `sam2-volume-seg study report`."""

from SAM2VolumeSegLib.research.study.report.write import write_report

__all__ = ["write_report"]
