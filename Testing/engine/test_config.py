"""A yaml of the user's: it builds SAM2's own parts, runs nothing else, and what it cannot be is said in words."""

import importlib.util
import time
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from propagation_runs import AXIAL, result_of

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import build, checkpoints, config
from SAM2VolumeSegLib.model.build import build_network
from SAM2VolumeSegLib.model.config import image_size, read_config

DEMO = checkpoints.find("demo")
TEXT = checkpoints.config_file(DEMO).read_text(encoding="utf-8")
SAM2 = Path(importlib.util.find_spec("sam2").origin).parent
OWN_FILES = sorted(SAM2.rglob("*.yaml"))


def a_yaml(folder, text):
    path = folder / "mine.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def with_part(part: str) -> str:
    """The demo's yaml with something more in its neck: it would be an argument of a class that SAM2 has."""
    place = "      d_model: 128\n      backbone_channel_list"
    assert TEXT.count(place) == 1
    return TEXT.replace(place, f"      more: {part}\n{place}")


def targets(node) -> set:
    if isinstance(node, dict):
        return {node["_target_"]} if set(node) == {"_target_"} else set().union(*map(targets, node.items()))
    if isinstance(node, (list, tuple)):
        if len(node) == 2 and node[0] == "_target_":
            return {node[1]}
        return set().union(*map(targets, node))
    return set()


def test_the_list_is_what_the_configurations_of_sam2_build():
    """A class that is missing here refuses an official model; one too many is one that nobody looked at."""
    models = [OmegaConf.to_container(OmegaConf.load(path)).get("model", {}) for path in OWN_FILES]
    assert len(OWN_FILES) >= 8 and set().union(*map(targets, models)) == config.TARGETS


@pytest.mark.parametrize("name", checkpoints.MODELS)
def test_the_known_models_are_read_as_they_are(name):
    path = checkpoints.config_file(checkpoints.find(name))
    assert read_config(path) == OmegaConf.to_container(OmegaConf.load(path)).get("model")


@pytest.mark.parametrize(
    "part",
    [
        "{_target_: pathlib.Path.touch, self: {_target_: pathlib.Path, _args_: [TRACE]}}",
        "{_target_: torch.load, f: TRACE, weights_only: false}",
        "[1, [{a: {_target_: shutil.copy, src: MINE, dst: TRACE}}]]",
        "{_target_: sam2.modeling.memory_encoder.CXBlock, _args_: [{_target_: shutil.copy, src: MINE, dst: TRACE}]}",
        "{_recursive_: false, x: {_target_: shutil.copy, src: MINE, dst: TRACE}}",
        "{_target_: functools.partial, _partial_: true, _args_: [1]}",
        "{_convert_: all}",
        "{_target_: '${oc.env:HOME}'}",
        "${oc.env:HOME}",
        "${oc.decode:'1'}",
        "${model.image_size}",
        '"\\x24{oc.env:HOME}"',
        "{'${oc.env:HOME}': 1}",
        "{? [_target_] : shutil.copy}",
        "{_target_: [shutil.copy]}",
        "!!python/object/apply:os.getcwd []",
        "!!python/object/apply:pathlib.Path [TRACE]",
        "{weights_path: TRACE}",
        "{_target_: sam2.modeling.backbones.hieradet.Hiera, weights_path: TRACE}",
        "{_target_: sam2.modeling.sam2_base.torch.load, f: TRACE}",
    ],
)
def test_a_configuration_never_runs_what_sam2_does_not_name(tmp_path, monkeypatch, part):
    """A checkpoint is handed out with its yaml; whoever opens both must not run a stranger's code."""

    def no_instantiate(*args, **options):
        raise AssertionError("something was built")

    trace = tmp_path / "trace"
    path = a_yaml(tmp_path, with_part(part.replace("TRACE", str(trace)).replace("MINE", str(tmp_path / "mine.yaml"))))
    monkeypatch.setattr("hydra.utils.instantiate", no_instantiate)
    for read in (read_config, image_size, build_network):
        with pytest.raises(InputError, match=r"mine\.yaml is not (used: .*Take the name|a readable yaml)"):
            read(path)
    assert not trace.exists()


def test_the_refusal_names_what_would_run(tmp_path):
    with pytest.raises(InputError, match="would run 'os.getcwd', which no configuration of SAM2 names.*Take the name"):
        read_config(a_yaml(tmp_path, with_part("{_target_: os.getcwd}")))


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{one}: &{one} [{', '.join(['*' + other] * 9)}]\n" for one, other in zip("bcdefghi", "abcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: {", "not a readable yaml"),
        ("model:\n\t- 1", "not a readable yaml"),
        (b"\x80\x02}q\x00." * 100, "not a readable yaml"),
        ("model: {a: 1, a: 2}", "not a readable yaml"),
        ("model: [1]", "describes no SAM2 network"),
        ("[model]", "describes no SAM2 network"),
        ("model", "describes no SAM2 network|not a readable"),
        ("3", "describes no SAM2 network|not a readable"),
        ("", "describes no SAM2 network"),
        ("trainer: {model: {}}", "describes no SAM2 network"),
        ("x: 1\n" * 100_000, "larger than 32 kB"),
        (LAUGHS + "model: {image_size: 64, a: *i}", "aliases"),
        ("model: " + "[" * 30_000, "more than 32 levels"),
        ("model: " + "[" * 900 + "]" * 900, "more than 32 levels"),
        ("- " * 10_000, "more than 32 levels"),
        ("model: {a: '" + "${" * 15_000 + "'}", "refers to something else"),
        ("model: {image_size: " + "1" * 5000 + "}", "not a readable yaml"),
        ("model: {image_size: 64, num_layers: 1" + ":1" * 10_000 + "}", "a number beyond 16384"),
        ("model: {image_size: 64, num_layers: 1000000000}", "a number beyond 16384"),
        ("model: {image_size: 64, scale: .nan}", "a number beyond 16384"),
        ("model: {image_size: 64, since: 2024-01-01, data: !!binary aGk=}", "a bytes is no value"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_configuration_that_is_none_ends_in_a_sentence_at_once(tmp_path, text, message):
    """With and without an input size of the user's; ten lines of aliases took minutes."""
    path = a_yaml(tmp_path, text)
    started = time.monotonic()
    for read in (image_size, build_network, lambda one: build_network(one, 64)):
        with pytest.raises(InputError, match=message):
            read(path)
    assert time.monotonic() - started < 10  # on a loaded machine; it is below one


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("num_heads: 1\n        downsample_rate", "num_heads: 0\n        downsample_rate"),
        ("embed_dim: 32", "embed_dim: wide"),
        ("stages: [1, 2, 3, 1]", "stages: 7"),
        ("num_layers: 2", "num_layers: -1.5"),
        ("scalp: 1", "unheard_of: 1"),
        ("image_size: 160", "image_size: 160\n  sam_mask_decoder_extra_args: [1]"),
        ("num_maskmem: 7", "num_maskmem: ???"),
        ("window_spec: [8, 4, 8, 4]", "window_spec: [8]"),
        ("activation: relu", "activation: nothing"),
    ],
)
def test_what_sams_classes_cannot_be_is_said_in_words(tmp_path, old, new):
    """ZeroDivisionError, AssertionError, TypeError... reached the user as a traceback."""
    assert old in TEXT
    with pytest.raises(InputError, match=r"mine\.yaml describes no SAM2 network \(\w+\)"):
        build_network(a_yaml(tmp_path, TEXT.replace(old, new)), 64)


def test_a_network_too_large_for_the_memory_is_said(tmp_path, monkeypatch):
    def full(*args, **options):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(torch.nn.init, "trunc_normal_", full)
    monkeypatch.setattr("sam2.modeling.sam2_base.trunc_normal_", full)
    with pytest.raises(InputError, match="needs more memory than there is"):
        build_network(a_yaml(tmp_path, TEXT), 64)


def test_a_missing_or_locked_file_is_said(tmp_path):
    for path in (tmp_path / "gone.yaml", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_config(path)


def test_the_overrides_of_the_predictor_are_not_taken_from_the_file(tmp_path):
    network = build_network(a_yaml(tmp_path, TEXT + "  binarize_mask_from_pts_for_mem_enc: false\n"), 64)
    assert network.binarize_mask_from_pts_for_mem_enc is True and len(build.PREDICTOR_OVERRIDES) == 4


def test_an_answer_that_is_no_number_ends_the_run(a_fast_tracker, a_phantom):
    """An overflow in half precision, or a window that divides by nothing: the result was what had been painted."""
    seeds = a_phantom.seeds("first-last", AXIAL)
    with torch.no_grad():
        a_fast_tracker.network.sam_mask_decoder.output_upscaling[0].bias[0] = float("nan")
    with pytest.raises(InputError, match="model demo answered with something that is no number .on cpu, float32."):
        result_of(a_fast_tracker, a_phantom.volume, seeds)
