"""What is seen of result, painted slices, and what the result is compared with."""

import slicer

from SAM2VolumeSegPanel.section import Section


class ResultSection(Section):
    """Shows one result at a time, and another segmentation as an outline over it.

    What the user hides or shows by other means stays so, until it is changed here.
    """

    WIDGETS = ("showResultCheckBox", "showPaintedCheckBox", "showComparedCheckBox")

    def __init__(self, state, logic, ui):
        super().__init__(state, logic, ui)
        self._shown = {}  # node: (whether it is seen, whether as an outline), as we have set it
        state.choicesChanged.connect(self.update)

    def update(self):
        """Show what is ticked."""
        from SAM2VolumeSegLib.scene import show

        p, hasResult = self.state.parameters, self.state.hasResult
        self.ui.showResultCheckBox.enabled = self.ui.showPaintedCheckBox.enabled = hasResult
        self.ui.showComparedCheckBox.enabled = p.compared is not None
        wanted = {}
        if p.compared is not None and p.compared is not p.segmentation:
            wanted[p.compared] = (p.showCompared, True)
        if hasResult:
            wanted[p.segmentation], wanted[p.result] = (p.showPainted, False), (p.showResult, False)
        before, self._shown = self._shown, wanted
        for node in before:
            if node not in wanted and node.GetScene() is not None:
                # An older result, or what was compared before, goes; what was painted comes back without a result.
                show(node, node is p.segmentation)
        for node, (visible, outline) in wanted.items():
            if before.get(node) != (visible, outline):
                show(node, visible, outline=outline)

    def onExchange(self):
        """Show the painted slices in place of the result, and back."""
        p = self.state.parameters
        if p is not None and self.state.hasResult:
            with slicer.util.NodeModify(p):
                p.showPainted, p.showResult = p.showResult, not p.showResult
