"""Numbers along an axis in Slicer's own plot: table, series and chart, hidden from lists and not saved."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import slicer
import vtk.util.numpy_support

from SAM2VolumeSegLib.scene.foreground import kept_out

COLORS = ((0.0, 0.33, 0.62), (0.9, 0.6, 0.0), (0.8, 0.35, 0.0), (0.0, 0.0, 0.0))
"""Of the series, which colour-blind people tell apart; dashes and marks tell them apart as well."""


class SlicePlot:
    """A chart with a point for each slice.

    Attributes:
        chart: its node; None: there is none.
    """

    def __init__(self):
        self.chart = self._table = None
        self._series = []

    def show(
        self, title: str, x_title: str, x: np.ndarray, lines: Mapping[str, np.ndarray], marks: Mapping[str, np.ndarray]
    ) -> slicer.vtkMRMLPlotChartNode:
        """Make the chart, in place of the one before.

        Args:
            title: of the chart.
            x_title: what `x` is, with the unit.
            x: float [n], of each slice.
            lines: numbers of each slice by their name; NaN is not drawn.
            marks: likewise, drawn as squares without a line.
        """
        self.hide()
        scene = slicer.mrmlScene
        self._table = scene.AddNode(kept_out(slicer.vtkMRMLTableNode()))
        self._table.SetName(title)
        for name, values in {x_title: x, **lines, **marks}.items():
            column = vtk.util.numpy_support.numpy_to_vtk(np.ascontiguousarray(values, dtype=np.float64), deep=True)
            column.SetName(name)
            self._table.AddColumn(column)
        self.chart = scene.AddNode(kept_out(slicer.vtkMRMLPlotChartNode()))
        self.chart.SetName(title)
        self.chart.SetTitle(title)
        self.chart.SetXAxisTitle(x_title)
        self.chart.SetYAxisTitleVisibility(False)
        for n, name in enumerate([*lines, *marks]):
            self._add_series(name, x_title, n, is_line=name in lines)
        return self.chart

    def _add_series(self, name: str, x_title: str, number: int, is_line: bool) -> None:
        node = slicer.mrmlScene.AddNode(kept_out(slicer.vtkMRMLPlotSeriesNode()))
        node.SetName(name)
        node.SetAndObserveTableNodeID(self._table.GetID())
        node.SetXColumnName(x_title)
        node.SetYColumnName(name)
        node.SetPlotType(node.PlotTypeScatter)
        styles = (node.LineStyleSolid, node.LineStyleDash, node.LineStyleDot)
        node.SetLineStyle(styles[number % len(styles)] if is_line else node.LineStyleNone)
        node.SetMarkerStyle(node.MarkerStyleNone if is_line else node.MarkerStyleSquare)
        node.SetColor(*COLORS[number % len(COLORS)])
        self._series.append(node)
        self.chart.AddAndObservePlotSeriesNodeID(node.GetID())

    def hide(self) -> None:
        """Remove all of it. May be called at any time."""
        for node in (self.chart, *self._series, self._table):
            if node is not None and node.GetScene() is not None:
                node.GetScene().RemoveNode(node)
        self.chart = self._table = None
        self._series = []
