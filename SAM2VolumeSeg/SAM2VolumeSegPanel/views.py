"""The slice views: whether they show slices of the CT, which one is shown, and going to another."""

from contextlib import suppress

import slicer
from slicer.i18n import tr as _

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.panel import hint
from SAM2VolumeSegPanel.dialogs import errorsShown


class Views:
    """The slice views that the user sees. Buttons act on the current one: where the mouse was, or what was gone to.

    Attributes:
        current: the node of that view; None: there was none yet.
    """

    def __init__(self, state):
        self.state = state
        self.current = None

    def nodes(self):
        """Those that the layout shows (without a window, all of the scene): the current one first, else Red."""
        from SAM2VolumeSegLib.scene.views import slice_nodes

        manager = slicer.app.layoutManager()
        nodes = [node for node in slice_nodes() if manager is None or node.IsMappedInLayout()]
        return sorted(nodes, key=lambda node: (node is not self.current, node.GetLayoutName() != "Red"))

    def onCursor(self, crosshair, event=None):
        """The mouse moved in a view, or left it."""
        node = crosshair.GetCursorPositionXYZ([0.0, 0.0, 0.0])
        if node is not None and node is not self.current:
            self.current = node
            self.state.viewChanged.emit()

    def hint(self):
        """What is wrong with the views, a `hint.Hint`, or None."""
        from SAM2VolumeSegLib.scene import views_at_angle

        p, nodes = self.state.parameters, self.nodes()
        if p is None or p.volume is None:
            return None
        if slicer.app.layoutManager() is not None and not nodes:
            return hint.NO_VIEWS
        try:
            turned = views_at_angle(p.volume, nodes)
        except InputError:  # said elsewhere
            return None
        return hint.turned_views(turned, p.volume.GetName()) if turned else None

    def turn(self):
        """Turn the views to the CT's planes."""
        from SAM2VolumeSegLib.scene import rotate_views_to_volume

        rotate_views_to_volume(self.state.parameters.volume)
        self.state.viewChanged.emit()

    def showViews(self):
        """Choose a layout that has all three."""
        slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    def goTo(self, plane, index):
        """Move the views to a slice of the CT."""
        from SAM2VolumeSegLib.scene import jump_to_slice

        with errorsShown():
            jump_to_slice(self.state.parameters.volume, plane, index)
            for node in self.nodes():
                with suppress(InputError):
                    if self._sliceIn(node) == (plane, index):
                        self.current = node
                        break
            else:
                if not self.nodes():
                    raise InputError(hint.NO_VIEWS.sentence)
                text = _(
                    "No view shows {plane} slices of this CT. Press \u201c{button}\u201d, or choose another layout."
                )
                raise InputError(text.format(plane=plane.value, button=hint.Way.TURN_VIEWS.label))
            self.state.viewChanged.emit()

    def shown(self):
        """(plane, index) of each slice of the CT that is in sight; that of the current view first."""
        places = []
        for node in self.nodes():
            with suppress(InputError):  # at an angle, or beside the CT
                places.append(self._sliceIn(node))
        return places

    def shownSlice(self):
        """Plane and index of the slice in the current view; in the first one, where there was none yet.

        Raises:
            InputError: there is no view, or what it shows is no slice of the CT.
        """
        nodes = self.nodes()
        if not nodes or self.state.parameters.volume is None:
            raise InputError(_("There is no slice view, or no CT in it. Choose a layout with slice views, and a CT."))
        return self._sliceIn(nodes[0])

    def _sliceIn(self, node):
        from SAM2VolumeSegLib.scene import view_slice

        return view_slice(node, self.state.parameters.volume)
