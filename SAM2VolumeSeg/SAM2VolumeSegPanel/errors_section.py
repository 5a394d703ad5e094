"""The switches that colour where the result is likely wrong, and how far it lies from a reference."""

from slicer.i18n import tr as _

from SAM2VolumeSegPanel.section import Section

DELAY = 100  # ms, more than the model's pictures take to go: both need the foreground of the views
SEEN_FROM = 10  # %
FURTHEST = 3.0  # mm, where the colours of the distance end


class ErrorsSection(Section):
    """Shows likely errors of all segments in the slice views and on their surfaces; or there the distance.

    What the model sees is shown in the same layer of the views, so the switch that is set last puts the other one back.

    Attributes:
        errors, distance: `scene.Overlay`s, which put the colours there; made when they are first needed.
    """

    WIDGETS = ("showErrorsCheckBox", "showDistanceCheckBox")

    def __init__(self, state, logic, ui, reviewing, timers):
        super().__init__(state, logic, ui)
        self.reviewing, self.errors, self.distance = reviewing, None, None
        self._shown = (None, None, None)  # review in the slices, review on the surface, comparison there
        self._timer = timers.make(DELAY, self.update)
        self.offer()
        reviewing.changed.connect(self.offer)
        state.sceneChanged.connect(self.onSceneChanged)
        state.viewChanged.connect(self.onViewChanged)
        for signal in (state.choicesChanged, reviewing.changed):
            signal.connect(self._timer.start)

    def offer(self):
        """Without a review or a comparison there is nothing to switch on."""
        self.ui.showErrorsCheckBox.enabled = self.reviewing.review is not None
        self.ui.showDistanceCheckBox.enabled = self.reviewing.comparison is not None

    def update(self):
        """Show what is ticked, of the review as it is now, or put the views back."""
        p, review, comparison = self.state.parameters, self.reviewing.review, self.reviewing.comparison
        if p is None or review is None or not review.segments:
            self.hide()
            return
        if p.showErrors and p.showWindow:
            if self._shown[0] is not None:
                p.showErrors = False
            else:
                p.showWindow = False  # calls us again
            return
        errors = review if p.showErrors else None
        distance = comparison if p.showDistance and comparison is not None and comparison.segments else None
        wanted = (errors, None if distance is not None else errors, distance)
        if wanted != self._shown:
            self.hide()
            self._shown = wanted
            if errors is not None:
                self._showErrors(errors, onSurface=distance is None)
            if distance is not None:
                self._showDistance(distance)

    def _showErrors(self, review, onSurface):
        import numpy as np

        from SAM2VolumeSegLib.report.colors import CHANCE_COLORS
        from SAM2VolumeSegLib.review import highest_chance
        from SAM2VolumeSegLib.scene import Overlay, Scale

        if self.errors is None:
            self.errors = Overlay(Scale(_("Chance of an error (%)"), CHANCE_COLORS, 0.0, 100.0, SEEN_FROM))
        reviewing = self.reviewing
        box, chance = highest_chance([own.errors for own in review.segments.values()])
        percent = np.rint(100 * chance).astype(np.uint8)
        self.errors.show_in_slices(self.state.parameters.volume, reviewing.volume, box, percent)
        if onSurface:
            ids = list(reviewing.segmentIDs.values())
            self.errors.show_on_surface(reviewing.node, [(ID, box, percent) for ID in ids], reviewing.volume)

    def _showDistance(self, comparison):
        from SAM2VolumeSegLib.report.colors import DISTANCE_COLORS
        from SAM2VolumeSegLib.review import signed_distance_mm
        from SAM2VolumeSegLib.scene import Overlay, Scale

        if self.distance is None:
            title = _("Distance to the reference (mm)")
            self.distance = Overlay(Scale(title, DISTANCE_COLORS, -FURTHEST, FURTHEST, -FURTHEST))
        reviewing, parts = self.reviewing, []
        for name, ID in reviewing.segmentIDs.items():
            if name in comparison.segments:
                errors = reviewing.review.segments[name].errors
                box = errors.found.trimmed().box.grown(FURTHEST, reviewing.volume)
                away = signed_distance_mm(comparison.segments[name].reference, box, reviewing.volume)
                parts.append((ID, box, away))
        self.distance.show_on_surface(reviewing.node, parts, reviewing.volume)

    def onViewChanged(self):
        """Another view may have been opened."""
        if self._shown[0] is not None:
            self.errors.follow_views()

    def onSceneChanged(self):
        """Without a scene there is nothing to show."""
        if self.state.parameters is None:
            self.hide()

    def hide(self):
        """Give the views back."""
        self._shown = (None, None, None)
        for overlay in (self.errors, self.distance):
            if overlay is not None:
                overlay.hide()
