"""The section "Set up": what is missing on this computer, and installing it."""

from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import setup
from SAM2VolumeSegPanel.dialogs import confirm, errorsShown, say, tell
from SAM2VolumeSegPanel.install import SlicerTools
from SAM2VolumeSegPanel.section import Section


class SetupSection(Section):
    """Says what is missing, and installs it."""

    WIDGETS = ("readinessLabel", "setupButton")

    def __init__(self, state, logic, ui, tools=None):
        super().__init__(state, logic, ui)
        self.tools = tools or SlicerTools()
        self._lookedFor = None  # the choices that decide what is needed, as they were when we looked last
        self.ui.setupButton.connect("clicked(bool)", self.onSetup)
        state.readinessChanged.connect(self.update)
        state.choicesChanged.connect(self.onChoicesChanged)

    def update(self):
        """Say what is missing, and what is there."""
        requirements = self.state.requirements
        present = ", ".join(item.sentence for item in requirements if item.ready)
        lines = [f"\u2022 {item.sentence}" for item in requirements.missing]
        self.ui.readinessLabel.text = "\n".join([*lines, _("There: {present}.").format(present=present)])
        self.ui.setupButton.enabled = requirements.set_up_helps

    def onChoicesChanged(self):
        """Another model, or CLAHE, may need something else."""
        p = self.state.parameters
        needed = p.model, p.ownCheckpoint, p.ownArchitecture, p.clahe
        before, self._lookedFor = self._lookedFor, needed
        if before not in (None, needed):
            self.state.lookAtComputer()

    def onSetup(self, checked=False):
        """Install what is missing, after one question."""
        facts = self.state.facts
        with errorsShown():
            if reason := setup.refusal(self.state.requirements, facts):
                raise InputError(reason)
            wanted = setup.steps(facts, self.tools)
            if not confirm(setup.question(wanted), _("Set up SAM2 Volume Segmentation")):
                tell(setup.DECLINED)
                return
            self.ui.setupButton.enabled = False
            failed = ""
            try:
                setup.install(wanted, lambda step: say(_("Installing {name}...").format(name=step.title)))
            except setup.ShownError as error:  # in a box, by Slicer, with pip's own words
                failed = str(error)
            finally:
                self.state.lookAtComputer()
                say("")
            if failed:
                self.ui.readinessLabel.text = failed
