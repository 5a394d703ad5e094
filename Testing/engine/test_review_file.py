"""What a run kept, in a file: a review goes on another day, and a file that is something else is refused in words."""

import io
import json

import numpy as np
import pytest
from propagation_runs import result_of
from review_evidence import a_ball, a_volume, evidence_of, kept

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.progress import Steps
from SAM2VolumeSegLib.propagation import Request
from SAM2VolumeSegLib.review import Evidence, evidence_path, read_evidence, review_steps, write_evidence
from SAM2VolumeSegLib.review.evidence_file import from_bytes, to_bytes
from SAM2VolumeSegLib.seeds import add_absent
from SAM2VolumeSegLib.volume import Plane


def reviewed(volume, evidence):
    steps = Steps(review_steps(volume, evidence))
    list(steps)
    return steps.result


def test_a_review_of_a_file_is_the_review_of_the_run(a_fast_tracker, a_phantom, tmp_path):
    seeds = a_phantom.seeds("middle", names=("middle", "below"))
    seeds["middle"] = add_absent(seeds["middle"], [(Plane.AXIAL, 0)], a_phantom.volume)
    evidence = Evidence.of(Request.of(a_phantom.volume, seeds), result_of(a_fast_tracker, a_phantom.volume, seeds))
    path = evidence_path(tmp_path / "case.seg.nrrd")
    write_evidence(path, evidence)
    again = read_evidence(path)
    assert path.name == "case.evidence.npz" and again.segments.keys() == evidence.segments.keys()
    assert (again.fingerprint, again.window, again.run) == (evidence.fingerprint, evidence.window, evidence.run)
    for name, own in evidence.segments.items():
        found = again.segments[name]
        assert found.found == own.found and found.box == own.box
        assert (found.painted, found.absent) == (own.painted, own.absent)
        for kind in ("fused", "voted", "spread"):
            np.testing.assert_array_equal(getattr(found, kind), getattr(own, kind))
        for plane, slices in own.confidence.items():
            assert found.confidence[plane] == slices
    first, second = (reviewed(a_phantom.volume, one) for one in (evidence, again))
    for name, review in first.segments.items():
        assert review.expected == second.segments[name].expected


def test_it_is_small_and_is_replaced_only_where_this_program_wrote_it(tmp_path):
    """A CT has gigabytes; what is kept of a structure is a fraction of its box."""
    volume, ball = a_volume(), a_ball(10)
    path = tmp_path / "a.evidence.npz"
    write_evidence(path, evidence_of(volume, Knochen=kept(ball), Ωmega=kept(ball)))
    write_evidence(path, evidence_of(volume, Ωmega=kept(ball)))
    assert path.stat().st_size < ball.size / 4 and list(read_evidence(path).segments) == ["Ωmega"]
    other = tmp_path / "b.evidence.npz"
    np.savez(other, mine=np.zeros(3))
    with pytest.raises(InputError, match="not from this program"):
        write_evidence(other, evidence_of(volume, a=kept(ball)))


def of_another_version(data):
    with np.load(io.BytesIO(data)) as arrays:
        kept_arrays = dict(arrays)
    (head,) = (name for name in kept_arrays if name.startswith("SAM2VolumeSeg"))
    about = json.loads(kept_arrays[head].tobytes()) | {"format": 99}
    kept_arrays[head] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **kept_arrays)
    return buffer.getvalue()


def test_what_is_no_evidence_is_refused_in_words(tmp_path):
    volume, ball = a_volume(), a_ball(10)
    data = to_bytes(evidence_of(volume, a=kept(ball, painted=[(Plane.AXIAL, 3)])))
    assert from_bytes(data).segments["a"].painted == ((Plane.AXIAL, 3),)
    other = tmp_path / "other.npz"
    np.savez(other, mine=np.zeros(3))
    for damaged in (b"", b"no archive", data[:100], data[: len(data) // 2], other.read_bytes()):
        with pytest.raises(InputError, match="damaged, or the file is something else"):
            from_bytes(damaged)
    with pytest.raises(InputError, match="another version"):
        from_bytes(of_another_version(data))
    with pytest.raises(InputError, match="cannot be read"):
        read_evidence(tmp_path / "none.evidence.npz")
    with pytest.raises(InputError, match=r"other\.npz\" cannot be used.*Propagate again"):
        read_evidence(other)


def test_a_damaged_byte_is_no_fault():
    """Whatever a disk does to the file, it is read or refused; it never ends the review with a traceback."""
    volume, ball = a_volume(), a_ball(10)
    data = to_bytes(evidence_of(volume, a=kept(ball)))
    random = np.random.default_rng(0)
    refused = 0
    for place in random.integers(0, len(data), 200):
        changed = bytearray(data)
        changed[place] ^= int(random.integers(1, 256))
        try:
            from_bytes(bytes(changed))
        except InputError:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize(
    ("result", "kept_as"),
    [("a.b.seg.nrrd", "a.b.evidence.npz"), ("x.nii.gz", "x.evidence.npz"), ("x.nii", "x.evidence.npz")],
)
def test_the_evidence_of_a_result_is_found_by_its_name(tmp_path, result, kept_as):
    assert evidence_path(tmp_path / result) == tmp_path / kept_as
