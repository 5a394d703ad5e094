"""Figure 5: slices of real files, segmented again by the model that made the results."""

import shutil

import numpy as np
import pytest
from PIL import Image
from study_records import the_demo_model, write_results

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.study.report import write_report
from SAM2VolumeSegLib.research.study.report.pictures import most_different
from SAM2VolumeSegLib.research.study.report.rows import read_folders

CASE = "s0250"
FAST = 64  # pixels: where the model still runs


@pytest.fixture(scope="module")
def a_results_folder(a_split, tmp_path_factory):
    """Results of the five final methods; in s0250 they differ most on the second of its bones."""
    own = [one for one in a_split.structures if one.case == CASE]
    assert len(own) == 3
    gains = dict(zip(own, (0.1, -0.3, 0.0), strict=True))

    def dice(structure, _, row):
        return 0.6 + gains.get(structure, 0.0) * (row == "IS + SPS")

    folder = tmp_path_factory.mktemp("study") / "results"
    return write_results(folder, list(a_split.structures), ["final"], dice, the_demo_model() | {"image_size": FAST})


def test_the_structure_that_differs_most_is_shown_whichever_is_better(a_results_folder, a_split):
    results = read_folders([a_results_folder])
    shown = most_different(results, results.models()[0], CASE)
    assert shown == [one for one in a_split.structures if one.case == CASE][1]


def test_a_picture_shows_slices_of_the_case(a_results_folder, a_totalsegmentator_folder, tmp_path):
    report = write_report([a_results_folder], tmp_path, a_totalsegmentator_folder, [CASE], "cpu")
    name = f"demo-64-figure-5-{CASE}.png"
    assert f"![Figure 5]({name})" in report.read_text(encoding="utf-8")
    with Image.open(tmp_path / name) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape[1] > 600
    red, green, blue = np.moveaxis(pixels, -1, 0)
    assert (red - blue > 100).mean() > 0.003  # outlines of baseline and reference
    assert (blue - red > 80).mean() > 0.001  # and of IS + SPS


def test_pictures_need_the_cts_and_a_case_with_results(a_results_folder, a_totalsegmentator_folder, tmp_path):
    with pytest.raises(InputError, match="Pictures need the CTs"):
        write_report([a_results_folder], tmp_path / "report", None, [CASE])
    with pytest.raises(InputError, match=r'No picture can be made of "s9999".*Cases that have: s0004, s0011, s0250'):
        write_report([a_results_folder], tmp_path / "report", a_totalsegmentator_folder, ["s9999"])
    assert not (tmp_path / "report").exists()


def test_a_file_that_changed_or_is_gone_is_named(a_results_folder, a_totalsegmentator_folder, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(a_totalsegmentator_folder / CASE, data / CASE)
    ct = data / CASE / "ct.nii.gz"
    ct.write_bytes(ct.read_bytes() + b"\0")
    with pytest.raises(InputError, match=rf'"{CASE}/ct.nii.gz" of .* has changed since the split was drawn'):
        write_report([a_results_folder], tmp_path / "report", data, [CASE], "cpu")
    ct.unlink()
    with pytest.raises(InputError, match=rf'"{CASE}/ct.nii.gz" of .* is missing'):
        write_report([a_results_folder], tmp_path / "report", data, [CASE], "cpu")


def test_another_checkpoint_than_that_of_the_results_is_refused(a_split, a_totalsegmentator_folder, tmp_path):
    model = the_demo_model() | {"sha256": "ab" * 32, "image_size": FAST}
    structures = [one for one in a_split.structures if one.case == CASE]
    write_results(tmp_path / "results", structures, ["final"], lambda *_: 0.5, model)
    with pytest.raises(InputError, match="made with another checkpoint of the model 'demo'"):
        write_report([tmp_path / "results"], tmp_path / "report", a_totalsegmentator_folder, [CASE])
