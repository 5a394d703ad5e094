"""Another demonstration model: checked before it takes the old one's place, and the texts that state it follow."""

import shutil

import pytest
import torch

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model.download import sha256_of
from SAM2VolumeSegLib.research.study.demo_model import replace
from SAM2VolumeSegLib.research.study.readme import DEMO_MODEL, RESULTS, ROOT

CARD = DEMO_MODEL.with_name("README.md")


@pytest.fixture
def a_checkout(tmp_path):
    (tmp_path / RESULTS).mkdir(parents=True)
    shutil.copytree(ROOT / DEMO_MODEL.parent, tmp_path / DEMO_MODEL.parent)
    return tmp_path


@pytest.fixture
def weights():
    return torch.load(ROOT / DEMO_MODEL, weights_only=True)["model"]


def saved(weights, tmp_path):
    torch.save({"model": weights}, tmp_path / "new.pt")
    return tmp_path / "new.pt"


def test_a_new_model_takes_the_place_and_its_card_says_so(a_checkout, weights, tmp_path):
    name, value = next(iter(weights.items()))
    new = saved(weights | {name: value + 1}, tmp_path)
    assert replace(new, a_checkout) == [a_checkout / DEMO_MODEL, a_checkout / CARD]
    assert (a_checkout / DEMO_MODEL).read_bytes() == new.read_bytes()
    card = (a_checkout / CARD).read_text(encoding="utf-8")
    assert sha256_of(new) in card and sha256_of(ROOT / DEMO_MODEL) not in card


def test_what_cannot_be_used_replaces_nothing(a_checkout, weights, tmp_path):
    name, value = next((name, value) for name, value in weights.items() if value.is_floating_point())
    wrong = {
        "is of another network than demo.yaml: 1 arrays differ, such as ": weights | {"one more": value},
        "is of another network .* such as " + name: weights | {name: value[..., :0]},
        "at most 10: save it in half precision": {name: value.double() for name, value in weights.items()},
        "(?i)nan|finite": weights | {name: torch.full_like(value, torch.nan)},
    }
    for why, content in wrong.items():
        with pytest.raises(InputError, match=why):
            replace(saved(content, tmp_path), a_checkout)
    with pytest.raises(InputError, match="There is no checkpoint"):
        replace(tmp_path / "nowhere.pt", a_checkout)
    assert sha256_of(a_checkout / DEMO_MODEL) == sha256_of(ROOT / DEMO_MODEL)
