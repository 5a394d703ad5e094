"""The chart along an axis, as Slicer's plot view takes it, and no trace of it."""

import numpy as np
from vtk.util.numpy_support import vtk_to_numpy

from SAM2VolumeSegLib.scene import SlicePlot

X = np.array([0.0, 1.5, 3.0])


def show(plot):
    lines = {"Area": np.array([0.5, 1.0, 0.25]), "Confidence": np.array([np.nan, 0.9, 0.8])}
    return plot.show("L3", "S (mm)", X, lines, {"Painted": np.array([np.nan, 1.0, np.nan])})


def test_a_chart_has_a_series_for_each_number_and_marks_what_is_painted(nodes):
    chart = show(SlicePlot())
    series = [chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]
    assert [each.GetName() for each in series] == ["Area", "Confidence", "Painted"]
    for each in series:
        table = each.GetTableNode().GetTable()
        np.testing.assert_array_equal(vtk_to_numpy(table.GetColumnByName(each.GetXColumnName())), X)
        assert len(vtk_to_numpy(table.GetColumnByName(each.GetYColumnName()))) == 3
    assert len({each.GetColor() for each in series}) == 3 and len({each.GetLineStyle() for each in series}) == 3
    assert [each.GetMarkerStyleAsString(each.GetMarkerStyle()) for each in series] == ["none", "none", "square"]


def test_a_chart_is_made_anew_and_leaves_no_trace(nodes, tmp_path):
    before, plot = nodes.ids(), SlicePlot()
    show(plot)
    made = len(nodes.ids() - before)
    show(plot)
    assert len(nodes.ids() - before) == made == 5
    assert not any(nodes.scene.GetNodeByID(name).GetSaveWithScene() for name in nodes.ids() - before)
    plot.hide()
    plot.hide()
    assert nodes.ids() == before
