"""What the scene keeps of runs, so that a review goes on when it is loaded again."""

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegPanel import review_steps as steps


class Kept:
    """Looks for it, and puts it in or takes it out.

    Attributes:
        problem: a sentence that says why what is kept with the result cannot be reviewed.
    """

    def __init__(self, logic):
        self._logic = logic
        self.forget()

    def forget(self):
        """The scene is about to be closed."""
        self._looked, self.problem = None, ""  # what was looked for last

    def restored(self, p):
        """The run that made the result that is worked on, a `state.Finished`, or None; looked for once.

        Args:
            p: the parameter node.
        """
        from SAM2VolumeSegLib.scene import evidence_stamp

        node = p.result or p.segmentation
        stamp = evidence_stamp(node) if node is not None and p.volume is not None else None
        wanted = None if stamp is None else (*stamp, node, p.volume)
        if wanted == self._looked:
            return None
        self._looked, self.problem = wanted, ""
        if wanted is None:
            return None
        try:
            found = steps.restored(self._logic, node, p.volume, p)
        except InputError as error:
            self.problem = str(error)
            return None
        self._looked = None
        return found

    def keep(self, finished, p):
        """Keep in the scene what a run knew, or take it out, as the user has it; not of an audit: no run of ours."""
        from SAM2VolumeSegLib.scene import evidence_stamp, forget_evidence, keep_evidence

        if finished is None or finished.isAudit or p.keepEvidence == (evidence_stamp(finished.node) is not None):
            return
        if p.keepEvidence:
            keep_evidence(finished.node, finished.evidence)
        else:
            forget_evidence(finished.node)
