"""The command line, from files to files."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from cli_files import FAST, ROOT, paint, save_ct, save_labels
from dicom_files import upright, write_series

from SAM2VolumeSegLib import __version__, cli
from SAM2VolumeSegLib.command import segment as segment_command
from SAM2VolumeSegLib.command.parser import parse
from SAM2VolumeSegLib.model.volume_memory import STOCK
from SAM2VolumeSegLib.propagation import RECOMMENDED
from SAM2VolumeSegLib.seeds import paint_seeds, simulate_seeds
from SAM2VolumeSegLib.volume import Plane, Segment, Volume, read_provenance, read_seeds, read_volume, write_segmentation

TAGS = "TerminologyEntry:List~SCT^123037004^Structure~SCT^181827002^Spine~^^~~^^~^^|"


@pytest.fixture(scope="module")
def files(a_phantom, tmp_path_factory) -> Path:
    """ct.nrrd; seeds.nii.gz with labels 22 and 7; seeds.seg.nrrd with "L3" and "L4", axial first-last each."""
    folder = tmp_path_factory.mktemp("cli")
    save_ct(folder / "ct.nrrd", a_phantom.volume)
    middle, above = (paint(a_phantom, name) for name in ("middle", "above"))
    save_labels(folder / "seeds.nii.gz", a_phantom.volume, np.where(middle, 22, np.where(above, 7, 0)))
    segments = [Segment("L3", middle, (0.25, 0.5, 0.75), "spine_3", TAGS), Segment("L4", above, (0.8, 0.4, 0.2))]
    write_segmentation(folder / "seeds.seg.nrrd", a_phantom.volume, segments, {})
    return folder


def segment(*arguments):
    return cli.main(["segment", *map(str, arguments), *FAST])


def test_label_image_to_label_image(files, a_phantom, tmp_path, capsys):
    """Label 22 in, label 22 out, on the CT's grid; how it was made lies beside it."""
    out = tmp_path / "result.nii.gz"
    assert segment(files / "ct.nrrd", files / "seeds.nii.gz", "-o", out) == 0
    ct, result = sitk.ReadImage(str(files / "ct.nrrd")), sitk.ReadImage(str(out))
    np.testing.assert_allclose(result.GetOrigin(), ct.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(result.GetDirection(), ct.GetDirection(), atol=1e-5)
    labels = sitk.GetArrayFromImage(result)
    painted = sitk.GetArrayFromImage(sitk.ReadImage(str(files / "seeds.nii.gz")))
    for value in (7, 22):
        filled = np.flatnonzero((painted == value).any(axis=(1, 2)))
        np.testing.assert_array_equal(labels[filled] == value, painted[filled] == value)
        assert (labels == value).sum() > (painted == value).sum()
    note = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert note["labels"] == {"7": "label 7", "22": "label 22"}
    assert note["provenance"]["settings"]["planes"] == ["axial"] and note["provenance"]["model"]["name"] == "demo"
    said = capsys.readouterr()
    assert "demo model at 64 pixels on cpu" in said.out and "label 22:" in said.out and str(out) in said.out
    assert "left" in said.err, "no progress was shown"


def test_segmentation_to_segmentation(files, a_phantom, tmp_path):
    """Names, colors, ids and terminology of Slicer's segments are kept, and the provenance is in the header."""
    out = tmp_path / "result.seg.nrrd"
    assert segment(files / "ct.nrrd", files / "seeds.seg.nrrd", "-o", out, "--stock") == 0
    found = read_seeds(out, a_phantom.volume)
    assert list(found) == ["L3", "L4"]
    assert found["L3"].color == pytest.approx((0.25, 0.5, 0.75)) and found["L4"].color == pytest.approx((0.8, 0.4, 0.2))
    assert found["L3"].id == "spine_3" and found["L3"].tags == TAGS
    assert not (found["L3"].mask & found["L4"].mask).any()
    provenance = read_provenance(out)
    assert provenance["settings"]["memory"]["radius"] is None and provenance["segments"].keys() == {"L3", "L4"}
    assert len(list(tmp_path.iterdir())) == 1


def test_only_some_segments(files, a_phantom, tmp_path):
    out = tmp_path / "result.seg.nrrd"
    assert segment(files / "ct.nrrd", files / "seeds.seg.nrrd", "-o", out, "--segments", "L4") == 0
    assert list(read_seeds(out, a_phantom.volume)) == ["L4"]


def test_a_result_that_may_be_cut_off_is_told(files, tmp_path, capsys):
    """A script's log says it, and so does the result itself."""
    out = tmp_path / "result.seg.nrrd"
    inputs = (files / "ct.nrrd", files / "seeds.seg.nrrd", "-o", out)
    assert segment(*inputs, "--segments", "L3", "--margin", "0", "--no-extend") == 0
    assert '"L3" reaches the edge of what the model saw (' in capsys.readouterr().out
    assert read_provenance(out)["segments"]["L3"]["cut_off"]


def test_two_segments_of_one_name(a_phantom, files, tmp_path, capsys):
    """Slicer allows it: both get their own result and their own line."""
    both = [Segment("rib", paint(a_phantom, name)) for name in ("middle", "above")]
    write_segmentation(tmp_path / "seeds.seg.nrrd", a_phantom.volume, both, {})
    out = tmp_path / "result.seg.nrrd"
    assert segment(files / "ct.nrrd", tmp_path / "seeds.seg.nrrd", "-o", out, "--segments", "rib (2)") == 0
    ((name, found),) = read_seeds(out, a_phantom.volume).items()
    assert name == "rib" and found.mask[both[1].mask].all() and "rib (2):" in capsys.readouterr().out


def test_a_dicom_folder(a_phantom, tmp_path):
    """What a clinician has: a folder of slices, and seeds painted in Slicer."""
    write_series(tmp_path / "series", "1.2.3.5", upright(28), voxels=a_phantom.volume.voxels)
    volume = read_volume(tmp_path / "series")
    np.testing.assert_array_equal(volume.voxels, a_phantom.volume.voxels)
    painted = np.zeros(volume.voxels.shape, dtype=bool)
    painted[[6, 20]] = a_phantom.references["middle"][[6, 20]]
    write_segmentation(tmp_path / "seeds.seg.nrrd", volume, [Segment("L3", painted)], {})
    out = tmp_path / "result.seg.nrrd"
    assert segment(tmp_path / "series", tmp_path / "seeds.seg.nrrd", "-o", out, "--no-extend") == 0
    mask = read_seeds(out, volume)["L3"].mask
    np.testing.assert_array_equal(mask[[6, 20]], painted[[6, 20]])
    assert mask[7:20].any(axis=(1, 2)).any() and not mask[:6].any() and not mask[21:].any()


# ------------------------------------------------------------------------------------------------ choices


def settings_of(*arguments):
    return segment_command.settings_of(parse(["segment", "ct", "seeds", "-o", "out.nii", *arguments]))


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("bone", "bone"),
        ("soft tissue", "soft tissue"),
        ("min-max", "min-max"),
        ("-100,1000.5", (-100.0, 1000.5)),
        ("c400w1000", (-100.0, 900.0)),
        ("c-500w1400", (-1200.0, 200.0)),
        ("c40.5w1", (40.0, 41.0)),
    ],
)
def test_windows(text, window):
    """Lower limits are nearly always negative: --window=-100,1000."""
    assert settings_of(f"--window={text}").window == window


def test_without_options_the_settings_are_the_recommended_ones():
    """Help and manual say that the defaults are recommended."""
    assert settings_of() == RECOMMENDED


def test_every_choice_reaches_the_settings():
    chosen = settings_of(
        *("--clahe", "--axes", "coronal, axial", "--direction", "backward", "--margin", "7", "--crop", "each"),
        *("--fusion", "mean", "--keep-islands", "--no-edges", "--no-extend"),
        *("--passes", "2", "--radius", "0.7", "--recent", "5", "--embeddings", "sam2", "--stride", "4", "--gate", "3"),
    )
    assert chosen.clahe and chosen.crop == "each" and (chosen.passes, chosen.margin_mm) == (2, 7.0)
    assert chosen.planes == (Plane.CORONAL, Plane.AXIAL) and chosen.direction == "backward"
    assert chosen.fusion == "mean"
    assert not (chosen.drop_islands or chosen.edges or chosen.extend)
    memory = chosen.memory
    assert (memory.radius, memory.recent, memory.embeddings, memory.stride, memory.gate) == (0.7, 5, "sam2", 4, 3)
    assert settings_of("--stock").memory == STOCK and settings_of("--radius", "all").memory.radius is None


# -------------------------------------------------------------------------------------------------- seeds


def test_seeds_shows_what_was_found(files, a_phantom, capsys):
    assert cli.main(["seeds", str(files / "ct.nrrd"), str(files / "seeds.seg.nrrd"), "--segments", "L3"]) == 0
    first, last = (s.index for s in simulate_seeds(a_phantom.references["middle"], a_phantom.volume, "first-last"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "L3: 2 seeds" and len(lines) == 3
    assert lines[1].startswith(f"  axial slice {first} (S {2 * first:.1f} mm):") and lines[1].endswith("mm²")
    assert f"axial slice {last} " in lines[2]


def test_seeds_can_be_switched_off_and_declared_absent(files, a_phantom, capsys, tmp_path):
    first, last = (s.index for s in simulate_seeds(a_phantom.references["middle"], a_phantom.volume, "first-last"))
    inputs = [str(files / "ct.nrrd"), str(files / "seeds.seg.nrrd")]
    change = ["--skip", f"L3=axial:{first}", "--absent", f"L3=axial:{last - 6}"]
    assert cli.main(["seeds", *inputs, *change]) == 0
    shown = capsys.readouterr().out
    assert f"axial slice {first} " not in shown.split("L4")[0] and f"axial slice {last - 6} " in shown
    assert "absent here" in shown
    out = tmp_path / "result.seg.nrrd"
    assert segment(*inputs, "-o", out, *change) == 0
    assert not read_seeds(out, a_phantom.volume)["L3"].mask[: last - 5].any()
    assert read_provenance(out)["segments"]["L3"]["seeds"] == [f"axial:{last}", f"axial:{last - 6} absent"]
    alone = [*inputs, "--segments", "L3", "--skip", f"axial:{first}"]  # no name needed
    assert cli.main(["seeds", *alone]) == 0


def test_an_end_that_is_not_counted_is_said_with_the_way_to_count_it(
    a_ct, a_ct_labels, sample_ct_folder, tmp_path, capsys
):
    painted = paint_seeds(simulate_seeds(a_ct_labels == 21, a_ct, "first-middle-last", tuple(Plane)), a_ct)
    write_segmentation(tmp_path / "painted.seg.nrrd", a_ct, [Segment("L2", painted)], {})
    command = ["seeds", str(sample_ct_folder / "sub-ct_label-22_ct.nii.gz"), str(tmp_path / "painted.seg.nrrd")]
    assert cli.main(command) == 0
    said = capsys.readouterr()
    assert "L2: 8 seeds" in said.out and re.match(r'Note: "L2" may have been painted on sagittal slice 55 ', said.err)
    typed = said.err.split("To count it: ")[1].split()
    assert cli.main([*command, *typed]) == 0
    said = capsys.readouterr()
    assert "L2: 9 seeds" in said.out and "sagittal slice 55 " in said.out and not said.err


# ------------------------------------------------------------------------------------------- corrections


def a_corrected_result(files, folder, volume, name="result.seg.nrrd"):
    """A result, one slice of which somebody has drawn anew; returns both, the slice's index and what is on it."""
    result, corrected = folder / name, folder / f"corrected-{name}"
    assert segment(files / "ct.nrrd", files / "seeds.seg.nrrd", "-o", result) == 0
    segments = read_seeds(result, volume)
    first = list(segments)[0]
    index = int(np.median(np.flatnonzero(segments[first].mask.any(axis=(1, 2)))))
    mask = segments[first].mask.copy()
    mask[index] = False
    mask[index, 8:14, 9:15] = True
    segments[first] = segments[first].with_mask(mask)
    others = [one if key == first else one.with_mask(one.mask & ~mask) for key, one in segments.items()]
    write_segmentation(corrected, volume, others, {})
    return result, corrected, index, mask[index]


def test_a_corrected_slice_is_fed_back(files, a_phantom, tmp_path, capsys):
    """Who works in a shell had to copy the slice into the painted file by a program of their own."""
    _, corrected, index, drawn = a_corrected_result(files, tmp_path, a_phantom.volume)
    inputs = [str(files / "ct.nrrd"), str(files / "seeds.seg.nrrd")]
    change = ["--correct", str(corrected), f"L3=axial:{index}"]
    again = tmp_path / "again.seg.nrrd"
    before = corrected.read_bytes()
    assert segment(*inputs, "-o", again, *change) == 0
    assert corrected.read_bytes() == before
    found, painted = read_seeds(again, a_phantom.volume), read_seeds(inputs[1], a_phantom.volume)
    np.testing.assert_array_equal(found["L3"].mask[index], drawn)
    for place in np.flatnonzero(painted["L3"].mask.any(axis=(1, 2))):
        np.testing.assert_array_equal(found["L3"].mask[place], painted["L3"].mask[place])
    assert f"axial:{index}" in read_provenance(again)["segments"]["L3"]["seeds"]
    assert f"axial:{index}" not in read_provenance(again)["segments"]["L4"]["seeds"]
    assert cli.main(["seeds", *inputs, *change]) == 0
    assert "L3: 3 seeds" in capsys.readouterr().out
    # A second correction, of what the first one gave: the slice that was corrected before is still in it.
    change += [f"L3=axial:{index + 1}", "--correct", str(again), f"L4=axial:{index + 3}"]
    assert cli.main(["seeds", *inputs, *change]) == 0
    shown = capsys.readouterr().out
    assert "L3: 4 seeds" in shown and "L4: 3 seeds" in shown


def test_a_label_image_of_one_structure_needs_no_name(files, a_phantom, tmp_path, capsys):
    """It does not keep the name of the segment."""
    painted = read_seeds(files / "seeds.seg.nrrd", a_phantom.volume)["L3"].mask
    corrected = save_labels(tmp_path / "result.nii.gz", a_phantom.volume, a_phantom.references["middle"] * 5)
    index = int(np.flatnonzero(painted.any(axis=(1, 2)))[0]) + 2
    one = ["--segments", "L3", "--correct", str(corrected), f"axial:{index}"]
    assert cli.main(["seeds", str(files / "ct.nrrd"), str(files / "seeds.seg.nrrd"), *one]) == 0
    assert f"axial slice {index} " in capsys.readouterr().out


def test_a_correction_that_cannot_be_used_is_told(files, a_phantom, tmp_path, capsys):
    _, corrected, index, _ = a_corrected_result(files, tmp_path, a_phantom.volume)
    before = corrected.read_bytes()
    inputs = [files / "ct.nrrd", files / "seeds.seg.nrrd", "-o", tmp_path / "x.seg.nrrd"]
    for change, message in (
        ([corrected], "needs the corrected slices"),
        ([corrected, f"axial:{index}"], "could mean any of L3, L4"),
        ([corrected, "L3=axial:0"], "is empty on axial slice 0 of .*--absent L3=axial:0"),
        ([corrected, "L5=axial:3"], "names no segment"),
        ([corrected, "L3=axial:99"], "has no axial slice 99"),
        ([files / "seeds.nii.gz", f"L3=axial:{index}"], 'no segment "L3" in .*It has: label 7, label 22'),
        ([tmp_path / "no.nrrd", "L3=axial:9"], "no file .*no.nrrd"),
    ):
        assert segment(*inputs, "--correct", *change) == 2
        assert re.search(message, capsys.readouterr().err), message
    assert segment(*inputs[:3], corrected, "--correct", corrected, f"L3=axial:{index}") == 2
    assert "would be replaced by the result" in capsys.readouterr().err and corrected.read_bytes() == before


# -------------------------------------------------------------------------------------------- checkpoints


def test_checkpoints(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    (tmp_path / "sam2.1_hiera_small.pt.part").write_bytes(bytes(3_000_000))
    assert cli.main(["checkpoints"]) == 0
    shown = capsys.readouterr().out
    for name, state in (
        ("tiny", "not fetched, 156 MB"),
        ("small", "3 of 184 MB fetched"),
        ("demo", "bundled, 8 MB"),
    ):
        assert state in next(line for line in shown.splitlines() if line.startswith(name))
    assert str(tmp_path) in shown
    assert cli.main(["checkpoints", "delete", "small"]) == 0
    assert {file.suffix for file in tmp_path.iterdir()} <= {".lock"}  # empty; to remove it would let two programs in
    assert "Deleted: 3 MB" in capsys.readouterr().out
    assert cli.main(["checkpoints", "delete", "small"]) == 0 and "was not stored" in capsys.readouterr().out
    assert cli.main(["checkpoints", "verify", "demo"]) == 0
    assert len(capsys.readouterr().out.strip().removeprefix("demo: ")) == 64
    for arguments, message in (
        (["fetch"], "Which model"),
        (["fetch", "huge"], "no model named 'huge'"),
        (["fetch", "demo"], "nothing to fetch"),
        (["delete", "demo"], "not deleted"),
        (["verify", "tiny"], "checkpoints fetch tiny"),
    ):
        assert cli.main(["checkpoints", *arguments]) == 2
        assert message in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------- processes


def test_as_a_module(files):
    """`python -m SAM2VolumeSegLib`, in a process of its own: version, and exit code 2 with one line for bad input."""
    command = [sys.executable, "-m", "SAM2VolumeSegLib"]
    told = subprocess.run([*command, "--version"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == __version__
    wrong = [*command, "segment", str(files / "ct.nrrd"), str(files / "nothing.nii"), "-o", str(files / "out.nii")]
    told = subprocess.run([*wrong, "--model", "demo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 2 and told.stdout == ""
    said = f'Error: There is no file "{files / "nothing.nii"}". Check the path.'
    assert told.stderr.splitlines() == [said]


def test_bad_input_is_told_without_waiting_for_torch(files):
    """It takes seconds to import; a misspelt path should not."""
    code = (
        "import sys; from SAM2VolumeSegLib.cli import main; "
        f"assert main(['segment', {str(files / 'ct.nrrd')!r}, 'no.nii', '-o', 'out.nii', '--model', 'demo']) == 2; "
        f"assert main(['seeds', {str(files / 'ct.nrrd')!r}, {str(files / 'seeds.nii.gz')!r}]) == 0; "
        "assert main(['checkpoints']) == 0; "
        "assert 'torch' not in sys.modules and 'sam2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)


def test_a_console_without_the_letters_of_a_name(a_phantom, files, tmp_path):
    """Older Windows consoles know one alphabet; the names of segments know all."""
    seeds = tmp_path / "seeds.seg.nrrd"
    write_segmentation(seeds, a_phantom.volume, [Segment("右 L3", paint(a_phantom, "middle"))], {})
    command = [sys.executable, "-m", "SAM2VolumeSegLib", "seeds", str(files / "ct.nrrd"), str(seeds)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii:strict"}
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    assert told.stdout.startswith(b"? L3: 2 seeds")


def test_a_volume_is_measured_in_ml(files, a_phantom, tmp_path, capsys):
    """Voxels of 2 mm are 0.008 ml."""
    painted = np.zeros(a_phantom.volume.voxels.shape, dtype=bool)
    painted[10:12, 5:15, 5:15] = True
    small = Volume(a_phantom.volume.voxels, a_phantom.volume.ijk_to_ras)
    write_segmentation(tmp_path / "seeds.seg.nrrd", small, [Segment("block", painted)], {})
    assert segment(files / "ct.nrrd", tmp_path / "seeds.seg.nrrd", "--no-extend", "-o", tmp_path / "out.nii") == 0
    assert "block: 1.6 ml" in capsys.readouterr().out
