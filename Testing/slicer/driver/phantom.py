"""What is known of the phantom: where its bones are, how to fill one with a brush, and how right a result is."""

import re
from pathlib import Path

import numpy as np
import slicer
from scipy import ndimage

from SAM2VolumeSegLib.synthetic.phantom import make_phantom

DOCS = Path(__file__).parents[3] / "docs"
VIEWS = {"Red": "axial", "Green": "coronal", "Yellow": "sagittal"}
AXES = {"axial": 0, "coronal": 1, "sagittal": 2}
"""Of an array [k, j, i], by plane."""


class Phantom:
    """The answer.

    Attributes:
        volume, labels, names: as `make_phantom` has them.
    """

    def __init__(self):
        self.volume, self.labels, self.names, _seeds = make_phantom()

    def extent(self, label, plane):
        """First and last slice of a bone."""
        filled = np.flatnonzero((self.labels == label).any(axis=tuple({0, 1, 2} - {AXES[plane]})))
        return int(filled[0]), int(filled[-1])

    def between(self, label, plane, part):
        """The slice of a bone that lies so far (0 to 1) from its first one."""
        first, last = self.extent(label, plane)
        return round(first + part * (last - first))

    def on_slice(self, label, plane, index):
        """A bone on a slice: bool, [rows, columns]."""
        return np.take(self.labels == label, index, axis=AXES[plane])

    def fill(self, label, plane, index, brush):
        """Where a round brush has to go to fill a bone on a slice.

        Args:
            brush: its diameter in mm.

        Returns:
            Points in mm, RAS: line by line, to and fro, at least half a brush away from the edge.
        """
        mask, spacing = self.on_slice(label, plane, index), self.volume.spacing[0]
        reachable = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] * spacing >= brush / 2
        points = []
        for row in np.flatnonzero(reachable.any(axis=1))[:: max(1, round(brush / 2 / spacing))]:
            runs, count = ndimage.label(reachable[row])
            longest = max(range(1, count + 1), key=lambda run: (runs == run).sum())  # noqa: B023 - used at once
            ends = np.flatnonzero(runs == longest)[[0, -1]]
            for column in ends if len(points) % 4 == 0 else ends[::-1]:
                place = np.insert([row, column], AXES[plane], index)[::-1]  # i, j, k
                points.append(tuple((self.volume.ijk_to_ras @ [*place, 1.0])[:3]))
        assert points, f"a brush of {brush} mm is too large for the {plane} slice {index}"
        return points

    def dice(self, node, volume_node, label):
        """Dice of a bone in a segmentation of the scene, found by its name."""
        found = self.voxels(node, volume_node, self.names[label])
        wanted = self.labels == label
        return 2 * (found & wanted).sum() / (found.sum() + wanted.sum())

    @staticmethod
    def voxels(node, volume_node, name):
        """A segment on the CT's grid: bool, [k, j, i]."""
        segment_id = node.GetSegmentation().GetSegmentIdBySegmentName(name)
        assert segment_id, f"{node.GetName()} has no segment {name}"
        return slicer.util.arrayFromSegmentBinaryLabelmap(node, segment_id, volume_node) > 0


def tutorial_figures():
    """Dice of both bones by preset, as docs/tutorial.md has them."""
    text = (DOCS / "tutorial.md").read_text("utf-8")
    found = re.findall(r"^\| \*\*(.+?)\*\*.*?\| ([\d.]+) \| ([\d.]+) \|$", text, re.MULTILINE)
    return {preset: (float(first), float(second)) for preset, first, second in found}


def steps_of_the_main_way():
    """What is pressed and drawn, in order, as docs/real-slicer.md has it."""
    text = (DOCS / "real-slicer.md").read_text("utf-8").split("## The main way")[1].split("##")[0]
    return re.findall(r"^\d+\. \*\*(.+?)\*\*", text, re.MULTILINE)
