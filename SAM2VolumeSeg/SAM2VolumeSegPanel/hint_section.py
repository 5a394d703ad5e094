"""The yellow line: what stands in the way, with the button that puts it right; or what is offered."""

import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import hint
from SAM2VolumeSegLib.panel.finished import is_finished, longest_run
from SAM2VolumeSegPanel.dialogs import errorsShown
from SAM2VolumeSegPanel.section import Section


class HintSection(Section):
    """Shows one line at a time, and none where nothing is to be said.

    Attributes:
        hint: what is said now, a `hint.Hint`, or None.
        handlers: what is done, by `hint.Way`.
    """

    WIDGETS = (
        "hintBar",
        "hintLabel",
        "hintButton",
        "hintOtherButton",
        "hintThirdButton",
        "advancedCollapsibleButton",
        "scrollArea",
    )

    def __init__(self, state, logic, ui, views, setup, models, correct, editor, review):
        super().__init__(state, logic, ui)
        self.views, self.editor, self.hint = views, editor, None
        self._offers = []  # what could be done with what is in the scene
        self.handlers = {
            hint.Way.TURN_VIEWS: views.turn,
            hint.Way.SHOW_VIEWS: views.showViews,
            hint.Way.CONVERT: self.convert,
            hint.Way.DATA: lambda: slicer.util.selectModule("Data"),
            hint.Way.IMPORT: self.takeLabels,
            hint.Way.CORRECT: correct.correctFinished,
            hint.Way.AUDIT: lambda: review.audit(correct.correctFinished),
            hint.Way.PAINTED: self.leaveSegmentation,
            hint.Way.LEAVE: self.leaveLabels,
            hint.Way.SET_UP: setup.onSetup,
            hint.Way.DOWNLOAD: models.onDownload,
            hint.Way.CHOOSE_FILE: self.openAdvanced,
        }
        self.ui.hintButton.connect("clicked(bool)", lambda checked=False: self.onWay(0))
        self.ui.hintOtherButton.connect("clicked(bool)", lambda checked=False: self.onWay(1))
        self.ui.hintThirdButton.connect("clicked(bool)", lambda checked=False: self.onWay(2))
        for signal in (state.segmentChanged, state.seedsChanged):
            signal.connect(self.onScene)
        for signal in (
            state.sceneChanged, state.choicesChanged, state.viewChanged, state.readinessChanged, state.workChanged,
        ):  # fmt: skip
            signal.connect(self.update)

    def onScene(self):
        """Something was painted, loaded or selected."""
        self._offers = [] if self.state.parameters is None else self._find()
        self.update()

    def update(self):
        """Say what is to be said."""
        state = self.state
        self.hint = None
        if state.parameters is not None:
            self.hint = hint.hint_for(
                views=self.views.hint(),
                problem=state.found.problem,
                remedy=state.found.remedy,
                offers=self._offers,
                requirements=state.requirements,
            )
        self.ui.hintBar.setVisible(self.hint is not None)
        if self.hint is not None:
            self.ui.hintLabel.text = self.hint.sentence
        ways = self.hint.ways if self.hint is not None else ()
        for n, button in enumerate((self.ui.hintButton, self.ui.hintOtherButton, self.ui.hintThirdButton)):
            button.setVisible(n < len(ways))
            button.enabled = state.propagation is None and state.checking is None  # nothing is changed below a run
            if n < len(ways):
                button.text = ways[n].label

    def _find(self):
        """What could be done with what is in the scene."""
        from SAM2VolumeSegLib.scene.labels import LEFT

        p, found, segment = self.state.parameters, self.state.found, self.state.segment
        offers = [hint.label_volume(node.GetName()) for node in self._labels()[:1]]
        seeds = found.seeds.get(segment.ID, ())
        if p.segmentation is not None and p.segmentation.GetAttribute(LEFT) is None and is_finished(seeds):
            offers.append(hint.finished_segment(segment.name, longest_run(seeds)))
        return offers

    def _labels(self):
        """Label volumes that can be taken: not what the user has chosen as CT."""
        from SAM2VolumeSegLib.scene import label_volumes

        return [node for node in label_volumes() if node is not self.state.parameters.volume]

    def onWay(self, number):
        """Do what is on a button."""
        if self.hint is not None and number < len(self.hint.ways):
            with errorsShown():
                self.handlers[self.hint.ways[number]]()
            self.onScene()

    # ------------------------------------------------------------------------------------------------ what only is here

    def convert(self):
        """Make a segmentation that is kept as surfaces one that can be painted."""
        from SAM2VolumeSegLib.scene.reading import check_labelmaps

        p = self.state.parameters
        check_labelmaps(p.segmentation, p.volume, convert=True)
        self.state.findSeeds()

    def takeLabels(self):
        """Make a segmentation of a label volume, and work on it."""
        from SAM2VolumeSegLib.scene import segmentation_from_labels

        volume = self.state.parameters.volume
        self.editor.show(segmentation_from_labels(self._labels()[0]), volume)
        if volume is None:
            raise InputError(_("Load the CT that belongs to it as well."))

    def leaveLabels(self):
        """The label volume stays as it is."""
        from SAM2VolumeSegLib.scene.labels import LEFT

        self._labels()[0].SetAttribute(LEFT, "1")

    def leaveSegmentation(self):
        """Every slice was painted: the segmentation is taken as it is."""
        from SAM2VolumeSegLib.scene.labels import LEFT

        self.state.parameters.segmentation.SetAttribute(LEFT, "1")

    def openAdvanced(self):
        """Bring the field for a file of one's own into sight."""
        self.ui.advancedCollapsibleButton.collapsed = False
        self.ui.scrollArea.ensureWidgetVisible(self.ui.advancedCollapsibleButton)
