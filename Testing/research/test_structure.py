"""One sample of the study: its files and what is wrong with them."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from cli_files import save_image

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.data.structure import Structure


@pytest.fixture
def a_labelled_structure(tmp_path):
    """A folder and the structure with the value 7 of a label volume, 4 x 5 x 6 voxels [k, j, i]."""
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1:3, 2, 3:5] = 7
    labels[0, 0, 0] = 8
    matrix = np.diag([-1.5, -1.5, 3.0, 1.0])
    save_image(tmp_path / "ct.nrrd", np.arange(120, dtype=np.int16).reshape(4, 5, 6), matrix)
    save_image(tmp_path / "labels.nrrd", labels, matrix)
    return tmp_path, Structure("case", "hip left", "Hip", "ct.nrrd", "labels.nrrd", 7, "", "")


def test_one_value_of_a_label_volume(a_labelled_structure):
    folder, structure = a_labelled_structure
    volume, mask = structure.load(folder)
    assert volume.voxels[1, 0, 0] == 30 and volume.spacing == pytest.approx((1.5, 1.5, 3.0))
    assert mask.dtype == bool and np.argwhere(mask).tolist() == [[1, 2, 3], [1, 2, 4], [2, 2, 3], [2, 2, 4]]


def test_a_mask_of_its_own(a_totalsegmentator_folder, a_split):
    structure = next(one for one in a_split.structures if one.bone == "Rib")
    volume, mask = structure.load(a_totalsegmentator_folder)
    stored = sitk.GetArrayFromImage(sitk.ReadImage(str(a_totalsegmentator_folder / structure.mask)))
    np.testing.assert_array_equal(mask, stored != 0)
    assert mask.any() and volume.voxels.shape == mask.shape


def test_a_mask_with_other_values_than_one(a_totalsegmentator_folder, a_split, tmp_path):
    """Some tools write 255; every value of the structure's own file is the structure."""
    shutil.copytree(a_totalsegmentator_folder, tmp_path / "data")
    structure = a_split.structures[0]
    path = tmp_path / "data" / structure.mask
    image = sitk.ReadImage(str(path))
    _, expected = structure.load(tmp_path / "data")
    array = sitk.GetArrayFromImage(image) * 255
    array[expected.nonzero()[0][0]] //= 5
    changed = sitk.GetImageFromArray(array)
    changed.CopyInformation(image)
    sitk.WriteImage(changed, str(path))
    np.testing.assert_array_equal(structure.load(tmp_path / "data")[1], expected)


def test_what_is_wrong_is_said(a_labelled_structure):
    folder, structure = a_labelled_structure
    with pytest.raises(InputError, match=r'labels\.nrrd" has no voxel with the label 9 \(hip left\)'):
        replace(structure, label=9).load(folder)
    with pytest.raises(InputError, match=r'no file or folder ".*other\.nrrd"'):
        replace(structure, ct="other.nrrd").load(folder)
    with pytest.raises(InputError, match=r'no file ".*other\.nrrd"'):
        replace(structure, mask="other.nrrd").load(folder)
    save_image(folder / "labels.nrrd", np.ones((4, 5, 6), np.uint8), np.diag([-1.5, -1.5, 2.0, 1.0]))
    with pytest.raises(InputError, match="spacing 1.5 x 1.5 x 2 mm instead of 1.5 x 1.5 x 3 mm"):
        structure.load(folder)


def test_plain_values_and_back(a_labelled_structure):
    _, structure = a_labelled_structure
    assert Structure(**json.loads(json.dumps(structure.to_dict()))) == structure
    assert str(structure) == "case hip left"
