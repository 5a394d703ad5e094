"""Bad input: one sentence that names the thing, exit code 2, no traceback, no output file."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from cli_files import FAST, ROOT, paint, save_ct, save_image, save_labels
from dicom_files import upright, write_series

from SAM2VolumeSegLib import cli
from SAM2VolumeSegLib.model import checkpoints
from SAM2VolumeSegLib.volume import Segment, write_segmentation


@pytest.fixture(scope="module")
def bad(a_phantom, tmp_path_factory) -> Path:
    """A good CT, good seeds, and everything that can be wrong with either."""
    folder = tmp_path_factory.mktemp("bad")
    volume, painted = a_phantom.volume, paint(a_phantom, "middle")
    voxels = np.array(volume.voxels)
    save_ct(folder / "ct.nrrd", volume)
    save_labels(folder / "seeds.nii.gz", volume, painted)
    write_segmentation(folder / "seeds.seg.nrrd", volume, [Segment("L3", painted), Segment("wide", painted)], {})
    half = [Segment("L3", painted), Segment("L4", np.zeros_like(painted))]
    write_segmentation(folder / "half_empty.seg.nrrd", volume, half, {})

    save_labels(folder / "empty.nii.gz", volume, np.zeros_like(painted))
    far, coarse = volume.ijk_to_ras.copy(), volume.ijk_to_ras.copy()
    far[:3, 3] += 2000
    coarse[:3, :3] *= 1.5
    save_image(folder / "outside.nii.gz", painted.astype(np.uint8), far)
    save_image(folder / "other_grid.nii.gz", painted.astype(np.uint8), coarse)

    sitk.WriteImage(sitk.GetImageFromArray(np.stack([voxels] * 2), isVector=False), str(folder / "time.nrrd"))
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([voxels] * 3, -1), isVector=True), str(folder / "colour.nrrd"))
    for name, value in (("nan", np.nan), ("inf", np.inf)):
        broken = voxels.astype(np.float32)
        broken[3, 4, 5] = value
        save_image(folder / f"{name}.nrrd", broken, volume.ijk_to_ras)
    save_image(folder / "one_slice.nrrd", voxels[:1], volume.ijk_to_ras)
    (folder / "text.nrrd").write_text("this is no image")
    header, data = (folder / "ct.nrrd").read_bytes().split(b"\n\n", 1)
    header = re.sub(rb"space directions: .*", b"space directions: (2,0,0) (2,0,0) (0,0,2)", header)
    (folder / "singular.nrrd").write_bytes(header + b"\n\n" + data)

    tilt = np.array([(0.0, 0.4 * n, 0.0) for n in range(6)])
    write_series(folder / "tilted", "1.2.3.4", upright() + tilt)
    write_series(folder / "uneven", "1.2.3.5", upright(7)[[0, 1, 2, 3, 5, 6]])
    write_series(folder / "two", "1.2.3.6", upright(), "bone")
    write_series(folder / "two", "1.2.3.7", upright(), "soft")
    (folder / "no_dicom").mkdir()

    (folder / "damaged.pt").write_bytes(checkpoints.path_of(checkpoints.find("demo")).read_bytes()[:100_000])
    torch.save({"model": {"weight": torch.zeros(3)}}, folder / "other.pt")
    (folder / "wrong.yaml").write_text("no: network")
    (folder / "results").mkdir()
    return folder


CT, SEEDS, OUT = "ct.nrrd", "seeds.nii.gz", "results/out.seg.nrrd"


@pytest.mark.parametrize(
    ("ct", "seeds", "out", "options", "message"),
    [
        (CT, "empty.nii.gz", OUT, [], r"Nothing is painted in .*empty\.nii\.gz"),
        (CT, "half_empty.seg.nrrd", OUT, [], '"L4" is not painted on any slice'),
        (CT, "outside.nii.gz", OUT, [], "outside the CT"),
        (CT, "other_grid.nii.gz", OUT, [], r"grid of .other_grid\.nii\.gz.*spacing"),
        (CT, CT, OUT, [], "not a label image"),
        (CT, "missing.nii.gz", OUT, [], r"no file .*missing\.nii\.gz"),
        (CT, "text.nrrd", OUT, [], r"text\.nrrd.* cannot be read"),
        ("missing.nrrd", SEEDS, OUT, [], r"no file or folder .*missing\.nrrd"),
        ("time.nrrd", SEEDS, OUT, [], r"time\.nrrd.* has 4 dimensions"),
        ("colour.nrrd", SEEDS, OUT, [], r"colour\.nrrd.* is a colour"),
        ("nan.nrrd", SEEDS, OUT, [], '"nan" has 1 voxels that are not a number'),
        ("inf.nrrd", SEEDS, OUT, [], '"inf" has 1 voxels.* infinite'),
        ("one_slice.nrrd", SEEDS, OUT, [], "one_slice.* single slice"),
        ("text.nrrd", SEEDS, OUT, [], r"text\.nrrd.* cannot be read"),
        ("singular.nrrd", SEEDS, OUT, [], "singular.* singular"),
        ("seeds.seg.nrrd", SEEDS, OUT, [], "is a segmentation"),
        ("tilted", SEEDS, OUT, [], "tilted gantry"),
        ("uneven", SEEDS, OUT, [], "unevenly spaced"),
        ("two", SEEDS, OUT, [], "2 DICOM series.*bone.*soft"),
        ("two", SEEDS, OUT, ["--series", "9.9"], "no DICOM series"),
        ("no_dicom", SEEDS, OUT, [], "no DICOM images"),
        (CT, SEEDS, OUT, ["--window", "bones"], 'no intensity window "bones"'),
        (CT, SEEDS, OUT, ["--window", "100,low"], "--window: 'low' is not a number"),
        (CT, SEEDS, OUT, ["--window", "900,100"], "window from 900 to 100 HU is empty"),
        (CT, SEEDS, OUT, ["--window", "c40w0"], "empty"),
        (CT, SEEDS, OUT, ["--model", "huge"], "no model named 'huge'"),
        (CT, SEEDS, OUT, ["--model", "tiny"], "checkpoints fetch tiny"),
        (CT, SEEDS, OUT, ["--device", "cuda:9"], "no device 'cuda:9'"),
        (CT, SEEDS, OUT, ["--image-size", "100"], "image size 100"),
        (CT, SEEDS, OUT, ["--axes", "axial,oblique"], "no axis 'oblique'"),
        (CT, SEEDS, OUT, ["--axes", "coronal"], '"label 1" has no painted coronal slice'),
        (CT, SEEDS, OUT, ["--margin", "-3"], "margin is -3"),
        (CT, SEEDS, OUT, ["--passes", "3"], "passes is 3"),
        (CT, SEEDS, OUT, ["--radius", "wide"], "--radius: 'wide' is not a number"),
        (CT, SEEDS, OUT, ["--radius", "2"], "radius is 2"),
        (CT, SEEDS, OUT, ["--recent", "4"], "IS has an embedding for two"),
        (CT, SEEDS, OUT, ["--segments", "L9"], 'no segment "L9".*label 1'),
        (CT, SEEDS, OUT, ["--skip", "axial:0"], "axial:0 cannot be skipped"),
        (CT, SEEDS, OUT, ["--skip", "top:3"], '"top:3" names no plane'),
        (CT, SEEDS, OUT, ["--absent", "axial:99"], "no axial slice 99"),
        (CT, "seeds.seg.nrrd", OUT, ["--absent", "axial:0"], "could mean any of L3, wide"),
        (CT, "seeds.seg.nrrd", OUT, ["--absent", "L9=axial:0"], "names no segment"),
        (CT, SEEDS, OUT, ["--checkpoint", "{}/damaged.pt", "--config", "demo"], r"damaged\.pt cannot be read"),
        (CT, SEEDS, OUT, ["--checkpoint", "{}/other.pt", "--config", "demo"], r"other\.pt belongs to another arch"),
        (CT, SEEDS, OUT, ["--checkpoint", "{}/other.pt"], "needs --config"),
        (CT, SEEDS, OUT, ["--checkpoint", "{}/other.pt", "--config", "huge"], "'huge' is neither a known model"),
        (CT, SEEDS, OUT, ["--checkpoint", "{}/other.pt", "--config", "{}/wrong.yaml"], r"wrong\.yaml"),
        (CT, SEEDS, OUT, ["--checkpoint", "{}/none.pt", "--config", "demo"], r"no file .*none\.pt"),
        (CT, SEEDS, "results/out.png", [], r"out\.png"),
        (CT, SEEDS, "nowhere/out.nii.gz", [], "no folder .*nowhere"),
        (CT, SEEDS, "results", [], "results"),
        (CT, SEEDS, "text.nrrd/out.nii", [], "no folder"),
        (CT, "seeds.seg.nrrd", "results/out.nii.gz", [], '"wide" and "L3" overlap.*seg\\.nrrd'),
    ],
)
def test_bad_input(bad, monkeypatch, capsys, tmp_path, ct, seeds, out, options, message):
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    options = [option.format(bad) for option in options]
    arguments = [str(bad / ct), str(bad / seeds), "-o", str(bad / out), *FAST, *options]
    assert cli.main(["segment", *arguments]) == 2
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: ")
    assert re.search(message, lines[0]), lines[0]
    assert "slices" not in said.out and not list((bad / "results").iterdir())


def test_an_unreadable_file(bad, capsys):
    """A folder in place of a file, and (not for root, who may read everything) a file without permission."""
    for seeds in ("tilted", "locked.nii.gz"):
        if seeds == "locked.nii.gz":
            (bad / seeds).write_bytes((bad / SEEDS).read_bytes())
            (bad / seeds).chmod(0)
            if os.access(bad / seeds, os.R_OK):
                return
        assert cli.main(["segment", str(bad / CT), str(bad / seeds), "-o", str(bad / OUT), *FAST]) == 2
        assert seeds in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--direction", "up"], ["--embeddings", "none"], ["--passes", "two"], ["--colour"], []], ids=str
)
def test_bad_usage(bad, capsys, options):
    """argparse's own message: usage, and what was wrong."""
    output = ["-o", str(bad / OUT)] if options else []
    assert cli.main(["segment", str(bad / CT), str(bad / SEEDS), *output, *options]) == 2
    assert "usage: sam2-volume-seg" in capsys.readouterr().err


# A shell may start background programs with SIGINT ignored, and then so are their children.
INTERRUPTIBLE = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from SAM2VolumeSegLib.cli import main; raise SystemExit(main())"
)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT cannot be sent to one process on Windows")
@pytest.mark.parametrize("name", ["out.seg.nrrd", "out.nii.gz"])
def test_ctrl_c_leaves_no_partial_file(sample_ct_folder, tmp_path, name):
    """In the middle of a run; an older result of the same name stays as it was."""
    ct, labels = (sample_ct_folder / f"sub-ct_{rest}.nii.gz" for rest in ("label-22_ct", "seg-vert_label-22_msk"))
    image = sitk.ReadImage(str(labels))
    painted = sitk.GetArrayFromImage(image)
    painted[:, np.arange(painted.shape[1]) % 12 > 0] = 0  # every twelfth axial slice is left
    sparse = sitk.GetImageFromArray(painted)
    sparse.CopyInformation(image)
    seeds = tmp_path.with_suffix(".nii.gz")
    sitk.WriteImage(sparse, str(seeds))
    (tmp_path / name).write_text("an older result")
    command = [sys.executable, "-c", INTERRUPTIBLE, "segment", ct, seeds, "-o", tmp_path / name, *FAST[:-6]]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        seen = b""
        while b" left" not in seen and (byte := process.stderr.read(1)):
            seen += byte
        assert b" left" in seen, seen
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=600)
    assert process.returncode == 130
    assert b"Cancelled. Nothing was written." in rest and b"Traceback" not in rest
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "an older result"
