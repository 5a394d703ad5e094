"""Data sets that the tests of the study share: small, made from phantoms, laid out as real ones. Only for reading."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_files import save_ct, save_labels
from propagation_runs import finish

from SAM2VolumeSegLib.model.download import sha256_of
from SAM2VolumeSegLib.research.data.layouts import open_data
from SAM2VolumeSegLib.research.data.phantoms import write_phantoms
from SAM2VolumeSegLib.research.data.structure import Structure
from SAM2VolumeSegLib.research.study.split import Split, draw
from SAM2VolumeSegLib.synthetic.volumes import make_volume
from SAM2VolumeSegLib.volume import Volume

SPACING_MM = 1.5
CT, MASK = "sub-ct_label-22_ct.nii.gz", "sub-ct_seg-vert_label-22_msk.nii.gz"
CASES = {  # kind and random seed of a phantom, and names of its objects
    "s0004": ("column", 6, ("vertebrae_L1", "vertebrae_L2", "vertebrae_L3", "vertebrae_L4", "vertebrae_L5")),
    "s0011": ("tubes", 2, ("femur_left", "femur_right", "humerus_left")),
    "s0250": ("shells", 2, ("skull", "scapula_left", "scapula_right")),
    "s1363": ("ribs", 1, ("rib_left_1", "rib_left_2", "rib_right_1", "rib_right_12", "vertebrae_S1")),
}


def write_case(folder: Path, case: str, volume: Volume, masks: dict[str, np.ndarray]) -> None:
    """Write one case as TotalSegmentator's data set has it; masks are bool [k, j, i]."""
    (folder / case / "segmentations").mkdir(parents=True)
    save_ct(folder / case / "ct.nii.gz", volume)
    for name, mask in masks.items():
        save_labels(folder / case / "segmentations" / f"{name}.nii.gz", volume, mask)


@pytest.fixture(scope="session")
def a_totalsegmentator_folder(tmp_path_factory) -> Path:
    """Four CTs of 28 voxels: 15 bones of six classes, one more on a single slice, empty masks of a sternum, livers."""
    folder = tmp_path_factory.mktemp("data") / "Totalsegmentator_dataset_v201"
    for case, (kind, seed, names) in CASES.items():
        made = make_volume(np.random.default_rng(seed), 28, kind)
        volume = Volume(made.voxels, np.diag([-SPACING_MM, -SPACING_MM, SPACING_MM, 1.0]), case)
        masks = {name: made.labels == label for label, name in enumerate(names, 1)}
        masks |= {"sternum": np.zeros_like(made.labels), "liver": made.voxels > 0}
        write_case(folder, case, volume, masks)
    (folder / "meta.csv").write_text("image_id;age;gender\n")
    return folder


@pytest.fixture(scope="session")
def a_phantom_folder(tmp_path_factory) -> Path:
    """A phantom of 32 voxels of each of the six kinds, with label volumes and a class table."""
    folder = tmp_path_factory.mktemp("data") / "phantoms"
    write_phantoms(folder, count=6, seed=1, size=32)
    return folder


@pytest.fixture(scope="session")
def a_split(a_totalsegmentator_folder) -> Split:
    """Up to two structures of each class of ``a_totalsegmentator_folder``."""
    return finish(draw(open_data(a_totalsegmentator_folder), per_class=2))[1]


@pytest.fixture(scope="session")
def structure(sample_ct_folder) -> Structure:
    """L3 of tptbox's CT, as it was drawn."""
    hashes = (sha256_of(sample_ct_folder / name) for name in (CT, MASK))
    return Structure("sample", "vertebrae_L3", "Vertebrae", CT, MASK, 22, *hashes)


@pytest.fixture(scope="session")
def three(structure) -> list[Structure]:
    """Three structures of one CT, as they were drawn."""
    return [
        replace(structure, name=f"vertebrae_{name}", label=label)
        for name, label in (("L2", 21), ("L3", 22), ("L4", 23))
    ]
