"""A result beside a reference: who belongs to whom, and where they differ."""

import numpy as np
import pytest
from propagation_runs import finish

from SAM2VolumeSegLib.review import compare_steps, partners
from SAM2VolumeSegLib.volume import BoxMask


@pytest.fixture(scope="module")
def masks(a_phantom):
    return {name: BoxMask.of(mask) for name, mask in a_phantom.references.items()}


def test_a_segment_is_compared_with_that_of_its_name(masks):
    """Also where another one overlaps it more: to find names that were mixed up is one use of it."""
    mixed = {"middle": masks["above"], "above": masks["middle"]}
    assert partners({"middle": masks["middle"]}, mixed) == {"middle": "middle"}


def test_without_names_a_segment_is_compared_with_what_it_overlaps_most(masks):
    labels = {f"label {number}": mask for number, mask in enumerate(masks.values(), 1)}
    assert list(partners(masks, labels).values()) == ["label 1", "label 2", "label 3"]
    assert partners({"a": masks["middle"], "b": masks["middle"]}, {"label 3": masks["middle"]}) == {"a": "label 3"}
    assert partners({"a": masks["above"]}, {"label 3": masks["below"]}) == {}


def test_what_has_no_counterpart_is_said(masks, a_phantom):
    found = {"middle": masks["middle"], "rib": BoxMask.of(np.zeros(a_phantom.volume.voxels.shape, dtype=bool))}
    comparison = finish(compare_steps(a_phantom.volume, found, masks))[1]
    assert list(comparison.segments) == ["middle"] and comparison.without_reference == ("rib",)
    assert comparison.only_in_reference == ("above", "below")


def test_equal_masks_have_no_suspect(masks, a_phantom):
    compared = finish(compare_steps(a_phantom.volume, masks, masks))[1].segments["middle"]
    assert compared.agreement.dice == 1 and compared.agreement.surface_mm == 0 and compared.suspects == ()


@pytest.mark.parametrize(
    ("lacks", "words"), [(True, "missing: the reference has it"), (False, "too much: the reference does")]
)
def test_where_they_differ_most_is_the_first_suspect(masks, a_phantom, lacks, words):
    """With the slice on which most of it can be seen, and whether something is missing or too much."""
    whole = a_phantom.references["middle"]
    part = whole.copy()
    middle = np.argwhere(whole).mean(axis=0).astype(int)
    hole = tuple(slice(n - 3, n + 4) for n in middle)
    part[hole] = False
    result, reference = (part, whole) if lacks else (whole, part)
    found, references = ({"middle": BoxMask.of(mask)} for mask in (result, reference))
    compared = finish(compare_steps(a_phantom.volume, found, references))[1].segments["middle"]
    first = compared.suspects[0]
    assert first.headline.startswith(words)
    differs = whole & ~part
    assert sum(suspect.wrong_mm3 for suspect in compared.suspects) == pytest.approx(
        differs.sum() * 8, abs=10
    )  # mm³; less is no suspect
    assert a_phantom.volume.view(first.plane).slice(differs, first.index).any()


@pytest.mark.parametrize("leaks", [True, False])
@pytest.mark.parametrize(("strays", "is_one_kind"), [(1, True), (36, False)])
def test_a_leak_is_called_so_whatever_single_voxels_beside_it_do(a_phantom, leaks, strays, is_one_kind):
    """A tenth of the region is not worth a word; more says that the surface lies elsewhere."""
    whole = np.zeros(a_phantom.volume.voxels.shape, dtype=bool)
    whole[10:20, 10:20, 10:20] = True
    changed = whole.copy()
    changed[20:24, 10:16, 10:16] = True  # 144 voxels
    changed[19, 10:16, 10:16][np.arange(36).reshape(6, 6) < strays] = False
    result, reference = (changed, whole) if leaks else (whole, changed)
    found, references = ({"middle": BoxMask.of(mask)} for mask in (result, reference))
    (suspect,) = finish(compare_steps(a_phantom.volume, found, references))[1].segments["middle"].suspects
    kind = "too much" if leaks else "missing"
    assert suspect.headline.startswith(kind if is_one_kind else "surface elsewhere: some is missing, and some too much")
