"""What the README tells a user to type has to work."""

import re
from pathlib import Path

import SimpleITK as sitk

from SAM2VolumeSegLib.command.parser import parser
from SAM2VolumeSegLib.seeds import paint_seeds, simulate_seeds
from SAM2VolumeSegLib.volume import Segment, write_segmentation

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(a_ct, a_ct_labels, sample_ct_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "find_seeds" in block)
    sitk.WriteImage(sitk.ReadImage(str(sample_ct_folder / "sub-ct_label-22_ct.nii.gz")), "ct.nrrd")
    seeds = simulate_seeds(a_ct_labels == 22, a_ct, "first-middle-last")
    write_segmentation("painted.seg.nrrd", a_ct, [Segment("L3", paint_seeds(seeds, a_ct))], {})
    names = {}
    exec(code, names)
    assert names["mask"].shape == a_ct.voxels.shape
    assert names["mask"].sum() > paint_seeds(seeds, a_ct).sum()


def test_the_shell_examples_are_understood():
    """An option that was renamed would stop the reader at the first line."""
    lines = re.findall(r"^sam2-volume-seg (.*?)(?:\s+#.*)?$", README, re.MULTILINE)
    assert len(lines) >= 4
    for line in lines:
        if "--help" not in line:
            parser().parse_args(line.split())
