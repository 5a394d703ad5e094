"""The generated data set: what it holds, that it is the same again, and that training never saw it."""

import json
from collections import Counter

import numpy as np
import pytest
from propagation_runs import finish

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.layouts import open_data
from SAM2VolumeSegLib.research.data.phantoms import write_phantoms
from SAM2VolumeSegLib.research.study.split import draw
from SAM2VolumeSegLib.synthetic import volumes
from SAM2VolumeSegLib.volume import Plane, read_volume


def content(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_kinds_take_turns_and_give_the_classes_their_names(a_phantom_folder):
    data = open_data(a_phantom_folder)
    assert sorted({one.case for one in data.candidates}) == sorted(f"{kind}-1" for kind in volumes.KINDS)
    assert {one.bone for one in data.candidates} == {f"Phantom {kind}" for kind in volumes.KINDS}
    assert all(one.bone == f"Phantom {one.case.split('-')[0]}" for one in data.candidates)
    assert data.description == "6 phantoms of 32 voxels, seed 1" and data.left_out == ()


def test_every_kind_has_structures_to_draw_and_the_table_fits(a_phantom_folder):
    """In a small volume, all ribs may lie outside: then another is made."""
    split = finish(draw(open_data(a_phantom_folder)))[1]
    assert len(split.counts) == 6 and min(split.counts.values()) >= 1
    assert split.absent == 0 and all("axial slices" in one.reason for one in split.left_out)


def test_the_same_again_and_another_seed_is_another(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_phantoms(tmp_path / name, 7, seed, 24)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    other = content(tmp_path / "c")
    assert all(other[name] != data for name, data in content(tmp_path / "a").items() if name.endswith("ct.nrrd"))
    assert Counter(name[0:4] for name in other)["colu"] == 4  # two columns, each a CT and labels


def test_more_phantoms_begin_with_the_fewer(tmp_path):
    write_phantoms(tmp_path / "few", 2, 0, 24)
    write_phantoms(tmp_path / "more", 3, 0, 24)
    few, more = content(tmp_path / "few"), content(tmp_path / "more")
    assert all(more[name] == data for name, data in few.items() if name != "classes.json")


def test_a_column_stands_upright(a_phantom_folder):
    """Its objects lie one above the other along the axial axis, as the paper's vertebrae do."""
    ct, labels = (read_volume(a_phantom_folder / f"column-1-{name}.nrrd") for name in ("ct", "labels"))
    assert ct.same_grid(labels.voxels.shape, labels.ijk_to_ras) and ct.spacing == pytest.approx((1.5, 1.5, 1.5))
    centres = np.array([np.argwhere(labels.voxels == value).mean(axis=0) for value in np.unique(labels.voxels)[1:]])
    assert np.argmax(np.ptp(centres, axis=0)) == ct.view(Plane.AXIAL).axis


def test_training_never_saw_them(tmp_path, monkeypatch):
    """Training draws from (seed + step, worker). A SeedSequence is padded with zeros, so being longer is no help."""
    states, make = [], volumes.make_volume
    monkeypatch.setattr(
        "SAM2VolumeSegLib.research.data.phantoms.make_volume",
        lambda rng, *rest: states.append(rng.bit_generator.seed_seq.entropy[0]) or make(rng, *rest),
    )
    write_phantoms(tmp_path / "a", 6, 0, 24)
    assert len(states) >= 6 and min(states) > 100_000_000


def test_what_is_there_is_kept(tmp_path):
    """Results of a study point at these files by their hashes."""
    write_phantoms(tmp_path, 1, 0, 24)
    before = content(tmp_path)
    with pytest.raises(InputError, match="has a data set already, and it is kept"):
        write_phantoms(tmp_path, 2, 0, 24)
    assert content(tmp_path) == before


def test_writing_that_was_stopped_is_done_again(tmp_path):
    write_phantoms(tmp_path, 1, 0, 24)
    table = json.loads((tmp_path / "classes.json").read_text(encoding="utf-8"))
    (tmp_path / "classes.json").unlink()
    (tmp_path / "column-1-ct.nrrd").write_bytes(b"half")
    write_phantoms(tmp_path, 1, 0, 24)
    assert json.loads((tmp_path / "classes.json").read_text(encoding="utf-8")) == table
    assert read_volume(tmp_path / "column-1-ct.nrrd").voxels.shape == (24, 24, 24)


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (1, -1)])
def test_arguments_that_make_no_sense(tmp_path, count, seed):
    with pytest.raises(InputError, match=f"{count} phantoms with the seed {seed}"):
        write_phantoms(tmp_path / "a", count, seed)
    assert not (tmp_path / "a").exists()


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InputError, match="Phantoms cannot be written"):
        write_phantoms(tmp_path / "taken", 1, 0, 24)
