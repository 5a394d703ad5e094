"""The place of a result may belong to somebody: to the CT, the seeds, another program, another person."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.volume import Segment, Volume, check_output, write_segmentation
from SAM2VolumeSegLib.volume.target import write_json

SAME_FILE = "is read here and would be replaced"


@pytest.fixture
def place(tmp_path):
    """ct.nii.gz, seeds.nii.gz with its names, dicom/ with IM1.nii, link (to this folder)."""
    volume = Volume(np.zeros((4, 5, 6), np.int16), np.eye(4))
    mask = volume.voxels == 0
    for name in ("ct.nii.gz", "seeds.nii.gz", "seeds.seg.nrrd"):
        write_segmentation(tmp_path / name, volume, [Segment("L3", mask)], {})
    (tmp_path / "ct.json").write_text('{"EchoTime": 1}')
    (tmp_path / "dicom").mkdir()
    (tmp_path / "dicom" / "IM1.nii").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    os.symlink("ct.nii.gz", tmp_path / "other.nii.gz")
    os.link(tmp_path / "seeds.seg.nrrd", tmp_path / "hard.seg.nrrd")
    return tmp_path


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("ct.nii.gz", SAME_FILE),
        ("seeds.nii.gz", SAME_FILE),
        ("seeds.seg.nrrd", SAME_FILE),
        ("dicom/../ct.nii.gz", SAME_FILE),
        ("./link/./seeds.nii.gz", SAME_FILE),
        ("other.nii.gz", SAME_FILE),
        ("hard.seg.nrrd", SAME_FILE),
        ("dicom/IM1.nii", "is a file of the CT's folder"),
        ("link/dicom/IM1.nii", "is a file of the CT's folder"),
        ("seeds.nii", r"seeds\.json.* is read here"),
        ("ct.nii", r"ct\.json.* is read here"),
        ("Sch\udce4del.nii", "not valid text"),
        ("x" * 300 + ".nii.gz", "cannot be written: File name too long"),
    ],
)
def test_what_is_read_is_never_the_output(place, output, message):
    """The CT once was replaced by its own segmentation, with "Written" and exit code 0."""
    before = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}
    inputs = [place / name for name in ("ct.nii.gz", "seeds.nii.gz", "seeds.seg.nrrd", "dicom", "not there.pt")]
    with pytest.raises(InputError, match=message):
        check_output(place / output, *inputs)
    assert {file: file.read_bytes() for file in place.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize(
    "content", ['{"EchoTime": 1}', '{"labels": {}}', "", "[]", "[" * 100_000, '["labels", "provenance"]', "text"]
)
@pytest.mark.parametrize("output", ["sub-01.nii.gz", "sub-01.nii"])
def test_a_json_of_another_program_is_kept(a_segment, tmp_path, output, content):
    """BIDS keeps how an image was made in the .json beside it."""
    (tmp_path / "sub-01.json").write_text(content)
    for attempt in (check_output, lambda path: write_segmentation(path, *a_segment, {})):
        with pytest.raises(InputError, match=r"sub-01\.json.* was not written by this program"):
            attempt(tmp_path / output)
    assert os.listdir(tmp_path) == ["sub-01.json"] and (tmp_path / "sub-01.json").read_text() == content
    write_segmentation(tmp_path / "sub-01.seg.nrrd", *a_segment, {})


@pytest.fixture
def a_segment():
    volume = Volume(np.zeros((4, 5, 6), np.int16), np.eye(4))
    return volume, [Segment("L3", volume.voxels == 0)]


def test_an_older_result_is_replaced_with_its_names(a_segment, tmp_path):
    (tmp_path / "scan").mkdir()
    for run in (1, 2):
        for name in ("r.nii.gz", "s.seg.nrrd"):
            check_output(tmp_path / "scan" / name, tmp_path / "scan")  # among the DICOM files
            write_segmentation(tmp_path / "scan" / name, *a_segment, {"run": run})
    assert json.loads((tmp_path / "scan" / "r.json").read_bytes())["provenance"] == {"run": 2}


def test_names_that_go_with_another_image_are_kept(a_segment, tmp_path):
    write_segmentation(tmp_path / "r.nii.gz", *a_segment, {"run": 1})
    with pytest.raises(InputError, match=r'goes with "r\.nii\.gz"'):
        check_output(tmp_path / "r.nii")


def test_a_folder_in_the_place_of_the_names_is_found_before_the_run(tmp_path):
    (tmp_path / "r.json").mkdir()
    with pytest.raises(InputError, match=r"r\.json.* is a folder"):
        check_output(tmp_path / "r.nii.gz")


@pytest.mark.parametrize("name", ["r.nii.gz", "r.json", "r.seg.nrrd"])
def test_a_write_protected_file_is_kept(a_segment, tmp_path, name):
    """Also from root, whom the system would let."""
    output = tmp_path / name.replace(".json", ".nii.gz")
    write_segmentation(output, *a_segment, {})
    (tmp_path / name).chmod(0o444)
    with pytest.raises(InputError, match=f"{name}.* write-protected"):
        check_output(output)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_place(tmp_path):
    os.mkfifo(tmp_path / "r.nii.gz")
    with pytest.raises(InputError, match="is a pipe"):
        check_output(tmp_path / "r.nii.gz")


def test_a_json_file_is_whole_or_what_it_was(tmp_path, monkeypatch):
    """A measurement of hours is not lost for a full disk, nor for a number that JSON has not."""
    file = tmp_path / "bench.json"
    write_json(file, {"seconds": 1.5, "worst": float("nan"), "device": Path("cpu")})
    assert json.loads(file.read_text()) == {"seconds": 1.5, "worst": "nan", "device": "cpu"}
    before = file.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write_json(file, {"seconds": 2.5})
    assert file.read_bytes() == before and [path.name for path in tmp_path.iterdir()] == ["bench.json"]
