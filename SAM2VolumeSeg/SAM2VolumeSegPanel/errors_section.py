"""The switch that colours where the result is likely wrong."""

from slicer.i18n import tr as _

from SAM2VolumeSegPanel.section import Section

DELAY = 100  # ms, more than the model's pictures take to go: both need the foreground of the views
SEEN_FROM = 10  # %


class ErrorsSection(Section):
    """Shows likely errors of all segments in the slice views, and on their surfaces.

    What the model sees is shown in the same layer of the views, so the switch that is set last puts the other one back.

    Attributes:
        overlay: a `scene.Overlay`, which puts the colours there; made when it is first needed.
    """

    WIDGETS = ("showErrorsCheckBox",)

    def __init__(self, state, logic, ui, reviewing, timers):
        super().__init__(state, logic, ui)
        self.reviewing, self.overlay = reviewing, None
        self._shown = None  # the review whose errors are shown
        self._timer = timers.make(DELAY, self.update)
        self.offer()
        reviewing.changed.connect(self.offer)
        state.sceneChanged.connect(self.onSceneChanged)
        state.viewChanged.connect(self.onViewChanged)
        for signal in (state.choicesChanged, reviewing.changed):
            signal.connect(self._timer.start)

    def offer(self):
        """Without a review there is nothing to switch on."""
        self.ui.showErrorsCheckBox.enabled = self.reviewing.review is not None

    def update(self):
        """Show the errors of the review as it is now, or put the views back."""
        p, review = self.state.parameters, self.reviewing.review
        if p is None or review is None or not review.segments or not p.showErrors:
            self.hide()
        elif p.showWindow:
            if self._shown is not None:
                p.showErrors = False
            else:
                p.showWindow = False  # calls us again
        elif self._shown is not review:
            self._show(review)

    def _show(self, review):
        import numpy as np

        from SAM2VolumeSegLib.report.colors import CHANCE_COLORS
        from SAM2VolumeSegLib.review import highest_chance
        from SAM2VolumeSegLib.scene import Overlay, Scale

        if self.overlay is None:
            self.overlay = Overlay(Scale(_("Chance of an error (%)"), CHANCE_COLORS, 0.0, 100.0, SEEN_FROM))
        reviewing = self.reviewing
        box, chance = highest_chance([own.errors for own in review.segments.values()])
        percent = np.rint(100 * chance).astype(np.uint8)
        self.overlay.show_in_slices(self.state.parameters.volume, reviewing.volume, box, percent)
        ids = list(reviewing.segmentIDs.values())
        self.overlay.show_on_surface(reviewing.node, ids, reviewing.volume, box, percent)
        self._shown = review

    def onViewChanged(self):
        """Another view may have been opened."""
        if self._shown is not None:
            self.overlay.follow_views()

    def onSceneChanged(self):
        """Without a scene there is nothing to show."""
        if self.state.parameters is None:
            self.hide()

    def hide(self):
        """Give the views back."""
        self._timer.stop()
        self._shown = None
        if self.overlay is not None:
            self.overlay.hide()
