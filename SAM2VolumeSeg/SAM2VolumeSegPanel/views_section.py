"""The slice views: whether they show slices of the CT, which one is shown, and going to another."""

import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import choices as ch
from SAM2VolumeSegPanel.dialogs import errorsShown
from SAM2VolumeSegPanel.section import Section


class ViewsSection(Section):
    """Says when the views lie at an angle to the CT, because what is painted there is no slice of it."""

    WIDGETS = ("viewsLabel", "rotateViewsButton")

    def __init__(self, state, logic, ui):
        super().__init__(state, logic, ui)
        self.ui.rotateViewsButton.connect("clicked(bool)", self.onRotate)
        state.seedsChanged.connect(self.update)

    def sliceNodes(self):
        """The three views that can be chosen in the panel, where they exist."""
        nodes = [slicer.mrmlScene.GetSingletonNode(choice.value, "vtkMRMLSliceNode") for choice in ch.ViewChoice]
        return [node for node in nodes if node is not None]

    def update(self):
        """Say whether the views are turned."""
        p, problem = self.state.parameters, ""
        if p is not None and p.volume is not None:
            from SAM2VolumeSegLib.scene import view_slice

            for node in self.sliceNodes():
                try:
                    view_slice(node, p.volume)
                except InputError as error:
                    problem = str(error)
        self.showText(self.ui.viewsLabel, problem)
        self.ui.rotateViewsButton.setVisible(bool(problem))

    def onRotate(self, checked=False):
        """Turn the views to the CT's planes."""
        from SAM2VolumeSegLib.scene import rotate_views_to_volume

        with errorsShown():
            rotate_views_to_volume(self.state.parameters.volume)
            self.update()

    def goTo(self, plane, index):
        """Move the views to a slice of the CT."""
        from SAM2VolumeSegLib.scene import jump_to_slice

        with errorsShown():
            if not jump_to_slice(self.state.parameters.volume, plane, index):
                text = _("No view shows {plane} slices of this CT. Press \u201cTurn the views to the CT\u201d first.")
                raise InputError(text.format(plane=plane.value))

    def shownSlice(self):
        """Plane and index of the slice in the chosen view.

        Raises:
            InputError: there is no such view, or what it shows is no slice of the CT.
        """
        from SAM2VolumeSegLib.scene import view_slice

        p = self.state.parameters
        node = slicer.mrmlScene.GetSingletonNode(p.view.value, "vtkMRMLSliceNode")
        if node is None or p.volume is None:
            raise InputError(_("There is no such slice view, or no CT in it. Choose another view and a CT."))
        return view_slice(node, p.volume)
