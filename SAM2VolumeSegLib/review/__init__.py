"""Where is a result wrong, how wrong, and where does correcting it help most? Plain numpy, no torch.

evidence = Evidence.of(request, result)                     # what the run kept
check = yield from self_check(request, evidence, segmenter.run_alike)  # the user's own slices, left out in turn
review = yield from review_steps(volume, evidence, check)   # expected Dice and suspects of each segment
"""

from SAM2VolumeSegLib.review.agreement import Agreement, signed_distance_mm
from SAM2VolumeSegLib.review.along import Along
from SAM2VolumeSegLib.review.audit import AGREEMENT_MEANS, audit_seeds
from SAM2VolumeSegLib.review.compare import Compared, Comparison, compare_steps, partners
from SAM2VolumeSegLib.review.evidence import Evidence, SegmentEvidence, run_identity
from SAM2VolumeSegLib.review.evidence_file import evidence_path, from_bytes, read_evidence, to_bytes, write_evidence
from SAM2VolumeSegLib.review.expected import ExpectedDice
from SAM2VolumeSegLib.review.likely_errors import LikelyErrors, highest_chance
from SAM2VolumeSegLib.review.review import Review, SegmentReview, review_steps
from SAM2VolumeSegLib.review.self_check import LeftOut, SelfCheck, self_check
from SAM2VolumeSegLib.review.shape import Bridge, Contact, Shape, shape_of
from SAM2VolumeSegLib.review.suspects import SIGNS, Gain, Suspect, suspects_of
from SAM2VolumeSegLib.review.verdict import DECISIONS, STARS, Verdict

__all__ = [
    "AGREEMENT_MEANS",
    "DECISIONS",
    "SIGNS",
    "STARS",
    "Agreement",
    "Along",
    "Bridge",
    "Compared",
    "Comparison",
    "Contact",
    "Evidence",
    "ExpectedDice",
    "Gain",
    "LeftOut",
    "LikelyErrors",
    "Review",
    "SegmentEvidence",
    "SegmentReview",
    "SelfCheck",
    "Shape",
    "Suspect",
    "Verdict",
    "audit_seeds",
    "compare_steps",
    "evidence_path",
    "from_bytes",
    "highest_chance",
    "partners",
    "read_evidence",
    "review_steps",
    "run_identity",
    "self_check",
    "shape_of",
    "signed_distance_mm",
    "suspects_of",
    "to_bytes",
    "write_evidence",
]
