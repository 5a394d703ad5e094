"""Where batches run: in this process and in several on this machine."""

import sys

import pytest
import torch
from study_runs import SIZE, a_study

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research import study
from SAM2VolumeSegLib.research.study import worker_side, workers
from SAM2VolumeSegLib.research.study.workers import open_site


@pytest.fixture(autouse=True)
def no_trackers(monkeypatch):
    monkeypatch.setattr(workers, "_trackers", {})


def test_a_process_keeps_its_models(a_phantom_folder, tmp_path):
    """Loading a large one takes as long as segmenting a structure."""
    study = a_study(a_phantom_folder, "stride", cases=3)
    with open_site(a_phantom_folder, "cpu") as site:
        list(study.run(site, tmp_path))
        (tracker,) = workers._trackers.values()
        assert workers._tracker("demo", SIZE, "cpu", 1) is tracker and len(tracker.cache) == 0
        assert workers._tracker("demo", SIZE + 32, "cpu", 1) is not tracker


def test_neighbours_share_the_memory():
    alone = workers._tracker("demo", SIZE, "cpu", 1).cache.budget_bytes
    workers._trackers.clear()
    assert workers._tracker("demo", SIZE, "cpu", 4).cache.budget_bytes == alone // 4


@pytest.mark.parametrize(
    ("device", "gpus", "chosen"),
    [
        ("auto", 4, ["cuda:0", "cuda:1", "cuda:2", "cuda:3", "cuda:0"]),
        ("cuda", 2, ["cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:0"]),
        ("auto", 1, ["auto"] * 5),
        ("auto", 0, ["auto"] * 5),
        ("cuda:1", 4, ["cuda:1"] * 5),
        ("cpu", 4, ["cpu"] * 5),
    ],
)
def test_gpus_are_dealt_out(monkeypatch, device, gpus, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert [worker_side.one_of_the_gpus(device, number) for number in range(5)] == chosen


def test_a_model_that_is_not_here(a_phantom_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    with open_site(a_phantom_folder) as site:
        absent = site.absent(["demo", "large"])
    assert absent.keys() == {"large"} and "checkpoints fetch large" in absent["large"]


def test_no_workers_are_none(tmp_path):
    with pytest.raises(InputError, match="0 workers cannot work"), open_site(tmp_path, workers=0):
        pass


@pytest.mark.parametrize("missing", ["distributed", "cryptography"])
def test_without_dask(tmp_path, monkeypatch, missing):
    monkeypatch.delattr(study, "cluster", raising=False)
    monkeypatch.delitem(sys.modules, "SAM2VolumeSegLib.research.study.cluster", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=r"pip install 'sam2-volume-seg\[study\]'"), open_site(tmp_path, workers=2):
        pass
    with open_site(tmp_path) as site:  # one process needs no Dask
        assert site.workers == 1
