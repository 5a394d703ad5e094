"""The plot of the chosen segment along an axis; a click on a point goes to its slice."""

import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegLib.panel.seed_table import along_mm, along_text
from SAM2VolumeSegLib.volume.planes import Plane
from SAM2VolumeSegPanel.section import Section

DELAY = 100  # ms: several changes are shown at once


class PlotSection(Section):
    """Shows area, confidence and disagreement of each slice in Slicer's plot view, with the painted slices marked.

    The layout is one with a plot meanwhile, and the one before comes back.
    """

    WIDGETS = ("plotComboBox",)

    def __init__(self, state, logic, ui, reviewing, views, timers):
        super().__init__(state, logic, ui)
        self.reviewing, self.views = reviewing, views
        self._plot = self._along = self._view = self._layout = None
        self._shown = (None, "", None)  # review, name of the segment, axis
        self._timer = timers.make(DELAY, self.update)
        reviewing.changed.connect(self.offer)
        state.sceneChanged.connect(self.onSceneChanged)
        for signal in (state.choicesChanged, reviewing.changed):
            signal.connect(self._timer.start)
        self.offer()

    def offer(self):
        """Without a review there is nothing to plot."""
        self.ui.plotComboBox.enabled = self.reviewing.segment is not None

    def update(self):
        """Plot the chosen segment along the chosen axis, or give the views back."""
        p, reviewing = self.state.parameters, self.reviewing
        if p is None or reviewing.segment is None or p.plot is ch.PlotAxis.NONE:
            self.hide()
            return
        wanted = (reviewing.review, reviewing.name, p.plot)
        if wanted != self._shown:
            self._show(Plane(p.plot.value))
            self._shown = wanted

    def _show(self, plane):
        import numpy as np

        from SAM2VolumeSegLib.scene import SlicePlot

        along = self._along = self.reviewing.along(plane)
        largest = max(along.area_mm2.max(initial=0), 1e-9)
        area = along.area_mm2 / largest
        lines = {
            _("Area (of the largest, {area:.0f} mm\u00b2)").format(area=largest): area,
            _("Confidence of SAM2"): along.confidence,
            _("Disagreement of the axes"): along.disagreement,
        }
        marks = {_("Painted slices"): np.where(along.painted, area, np.nan)}
        x = np.array([along_mm(self.reviewing.volume, plane, index) for index in along.indices.tolist()])
        self._plot = self._plot or SlicePlot()
        title = _("{name}, {plane} slices").format(name=self.reviewing.name, plane=plane.value)
        self._present(self._plot.show(title, along_text(plane), x, lines, marks))

    def _present(self, chart):
        """Put a chart into a plot view, in a layout that has one."""
        manager, layouts = slicer.app.layoutManager(), slicer.vtkMRMLLayoutNode
        if manager is None:
            return
        if self._view is None:
            if manager.plotViewCount == 0 or manager.layout != layouts.SlicerLayoutFourUpPlotView:
                self._layout = manager.layout
                manager.setLayout(layouts.SlicerLayoutFourUpPlotView)
            self._view = manager.plotWidget(0).plotView()
            self._view.connect("dataSelected(vtkStringArray*,vtkCollection*)", self.onPoint)
        manager.plotWidget(0).mrmlPlotViewNode().SetPlotChartNodeID(chart.GetID())

    def onPoint(self, series, selected):
        """A point was clicked: go to its slice. Of several, to the first."""
        for n in range(selected.GetNumberOfItems()):
            points = selected.GetItemAsObject(n)
            if points.GetNumberOfValues() and self._along is not None:
                self.views.goTo(self._along.plane, int(self._along.indices[points.GetValue(0)]))
                return

    def onSceneChanged(self):
        """Without a scene there is nothing to show."""
        if self.state.parameters is None:
            self.hide()

    def hide(self):
        """Remove the chart; the layout from before comes back, unless another one was chosen meanwhile."""
        self._shown, self._along = (None, "", None), None
        if self._plot is not None:
            self._plot.hide()
        if self._view is not None:
            self._view.disconnect("dataSelected(vtkStringArray*,vtkCollection*)", self.onPoint)
            manager, layouts = slicer.app.layoutManager(), slicer.vtkMRMLLayoutNode
            if self._layout is not None and manager.layout == layouts.SlicerLayoutFourUpPlotView:
                manager.setLayout(self._layout)
        self._view = self._layout = None
