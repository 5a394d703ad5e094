"""A review as files: a page that needs nothing else, and tables. The page's pictures are drawn without a library.

write_report(folder, Report(case, volume, window, review))   # review.html, review.csv, suspects.csv
"""

from SAM2VolumeSegLib.report.content import Report
from SAM2VolumeSegLib.report.tables import SegmentRow, segment_rows
from SAM2VolumeSegLib.report.write import FILES, check_folder, write_report

__all__ = ["FILES", "Report", "SegmentRow", "check_folder", "segment_rows", "write_report"]
