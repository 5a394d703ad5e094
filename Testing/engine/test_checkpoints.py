"""The checkpoint store against a real server on loopback, and the reading of checkpoint files."""

import hashlib
import os
import shutil
import socket
import threading
from collections import namedtuple
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import answer, checkpoints, download

CHUNK = 1000
CONTENT = bytes(range(256)) * 20  # 5120 bytes: five chunks and a bit


class ModelServer(ThreadingHTTPServer):
    """Serves `content`; behaves as told; records (first byte, bytes sent) of every answer."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges = True
        self.break_after = None
        self.hide_length = False
        self.sent = []
        self.url = f"http://127.0.0.1:{self.server_port}/model.pt"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        content, start = self.server.content, 0
        if self.path != "/model.pt":
            self.send_error(404)
            return
        if self.server.ranges and "Range" in self.headers:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.server.sent.append((start, 0))
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if not self.server.hide_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        if self.server.break_after is not None:
            body = body[: self.server.break_after]
        self.server.sent.append((start, len(body)))
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def a_server():
    server = ModelServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def a_store(tmp_path, monkeypatch):
    folder = tmp_path / "models"
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(folder))
    monkeypatch.setattr(download, "CHUNK", CHUNK)
    return folder


@pytest.fixture
def a_model(a_server, a_store, monkeypatch):
    """An official model of 5 kB whose address is the loopback server."""
    digest = hashlib.sha256(CONTENT).hexdigest()
    model = replace(checkpoints.find("tiny"), source=checkpoints.Download(a_server.url, len(CONTENT), digest))
    monkeypatch.setitem(checkpoints.MODELS, "tiny", model)
    return model


def target_and_part(model):
    target = checkpoints.path_in_store(model)
    return target, download.part_of(target)


def fetch_all(model, **options):
    return list(checkpoints.fetch(model, **options))


# What the official models are


@pytest.mark.parametrize(
    ("name", "file_name", "size", "sha256"),
    [
        ("tiny", "tiny", 156008466, "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69"),
        ("small", "small", 184416285, "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38"),
        ("base+", "base_plus", 323606802, "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5"),
        ("large", "large", 898083611, "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318"),
    ],
)
def test_official_models_are_the_published_files(name, file_name, size, sha256):
    """A wrong digit here would refuse every user's download after minutes of waiting."""
    model = checkpoints.find(name)
    address = f"https://dl.fbaipublicfiles.com/segment_anything_2/092824/sam2.1_hiera_{file_name}.pt"
    assert model.source == checkpoints.Download(address, size, sha256)
    assert model.licence == "Apache-2.0"


@pytest.mark.parametrize(("name", "embed_dim"), [("tiny", 96), ("small", 96), ("base+", 112), ("large", 144)])
def test_official_models_name_their_own_architecture(name, embed_dim):
    """Exchanged yaml files would make the checkpoint of one model fail in the architecture of another."""
    from omegaconf import OmegaConf

    model = checkpoints.find(name)
    trunk = OmegaConf.load(checkpoints.config_file(model)).model.image_encoder.trunk
    assert trunk.embed_dim == embed_dim
    assert trunk.get("stages") == {"tiny": [1, 2, 7, 2], "small": [1, 2, 11, 2], "large": [2, 6, 36, 4]}.get(name)
    assert checkpoints.config_image_size(model) == 1024


def test_unknown_model_lists_the_known_ones():
    with pytest.raises(InputError, match=r"'huge'.*tiny, small, base\+, large, demo"):
        checkpoints.find("huge")


# Fetching


def test_fetch_stores_the_whole_file_and_reports_every_step(a_server, a_model):
    target, part = target_and_part(a_model)
    steps = fetch_all(a_model)
    assert steps == [(done, 5120) for done in (0, 1000, 2000, 3000, 4000, 5000, 5120)]
    assert target.read_bytes() == CONTENT
    assert not part.exists()
    assert checkpoints.path_of(a_model) == target
    assert checkpoints.stored() == {"tiny": target}


def test_fetched_model_is_not_fetched_again(a_server, a_model):
    fetch_all(a_model)
    assert fetch_all(a_model) == [(5120, 5120)]
    assert len(a_server.sent) == 1


def test_only_fetch_uses_the_network(a_server, a_model):
    """Looking for a model must never start a download that nobody agreed to."""
    with pytest.raises(InputError):
        checkpoints.path_of(a_model)
    with pytest.raises(InputError):
        checkpoints.load_weights(a_model)
    assert checkpoints.stored() == {}
    checkpoints.fetch(a_model)  # a generator that nobody steps
    assert a_server.sent == []


def test_broken_off_download_resumes_with_the_missing_bytes_only(a_server, a_model):
    target, part = target_and_part(a_model)
    a_server.break_after = 2500
    with pytest.raises(InputError, match="broke off after 2 kB of 5 kB.*fetch again"):
        fetch_all(a_model)
    assert part.read_bytes() == CONTENT[:2500]
    assert not target.exists()
    assert checkpoints.stored() == {}
    assert checkpoints.unfinished() == {"tiny": 2500}

    a_server.break_after = None
    steps = fetch_all(a_model)
    assert steps[0] == (2500, 5120)
    assert a_server.sent == [(0, 2500), (2500, 2620)]
    assert target.read_bytes() == CONTENT


def test_connection_reset_in_mid_file_keeps_what_arrived(a_model, a_store):
    """A reset raises inside the read, where an orderly close does not."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer_then_reset():
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5120\r\n\r\n" + CONTENT[:1000])
        received.wait(60)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.close()

    received = threading.Event()
    thread = threading.Thread(target=answer_then_reset)
    thread.start()
    steps = checkpoints.fetch(a_model, url=f"http://127.0.0.1:{listener.getsockname()[1]}/model.pt")
    assert next(steps) == (0, 5120)
    assert next(steps) == (1000, 5120)
    received.set()
    thread.join()
    with pytest.raises(InputError, match="broke off"):
        list(steps)
    listener.close()
    assert target_and_part(a_model)[1].read_bytes() == CONTENT[:1000]


def test_cancelled_download_is_kept_for_the_next_time(a_server, a_model):
    target, part = target_and_part(a_model)
    steps = checkpoints.fetch(a_model)
    assert [next(steps) for _ in range(3)][-1] == (2000, 5120)
    steps.close()
    assert part.read_bytes() == CONTENT[:2000]
    assert not target.exists()
    fetch_all(a_model)
    assert a_server.sent[-1] == (2000, 3120)
    assert target.read_bytes() == CONTENT


def test_server_without_ranges_is_read_from_the_start(a_server, a_model):
    """Appending its answer to what is there would make a file of two beginnings."""
    target, part = target_and_part(a_model)
    part.parent.mkdir()
    part.write_bytes(CONTENT[:2500])
    a_server.ranges = False
    assert fetch_all(a_model)[0] == (0, 5120)
    assert target.read_bytes() == CONTENT


def test_server_that_hides_the_length_is_read_to_the_end(a_server, a_model):
    a_server.hide_length = True
    fetch_all(a_model)
    assert target_and_part(a_model)[0].read_bytes() == CONTENT


def test_refused_range_starts_over(a_server, a_model):
    """The server has a shorter file than before: 416. What it offers is then not the model, and is said so."""
    part = target_and_part(a_model)[1]
    part.parent.mkdir()
    part.write_bytes(CONTENT[:4000])
    a_server.content = CONTENT[:3000]
    with pytest.raises(InputError, match="another file: 3 kB instead of 5 kB"):
        fetch_all(a_model)
    assert a_server.sent[0] == (4000, 0)


def test_part_that_is_too_long_starts_over(a_server, a_model):
    target, part = target_and_part(a_model)
    part.parent.mkdir()
    part.write_bytes(CONTENT + b"more")
    fetch_all(a_model)
    assert a_server.sent == [(0, 5120)]
    assert target.read_bytes() == CONTENT


def test_whole_part_is_verified_without_network(a_server, a_model):
    """The program ended between the last byte and the rename."""
    target, part = target_and_part(a_model)
    part.parent.mkdir()
    part.write_bytes(CONTENT)
    fetch_all(a_model)
    assert target.read_bytes() == CONTENT
    assert a_server.sent == []


def test_wrong_bytes_never_reach_the_store(a_server, a_model):
    target, part = target_and_part(a_model)
    a_server.content = CONTENT[:-1] + b"!"
    with pytest.raises(InputError, match="SHA-256 differs"):
        fetch_all(a_model)
    assert not target.exists()
    assert not part.exists()
    a_server.content = CONTENT
    fetch_all(a_model)
    assert target.read_bytes() == CONTENT


def test_file_that_changed_on_the_server_is_noticed_after_resuming(a_server, a_model):
    part = target_and_part(a_model)[1]
    part.parent.mkdir()
    part.write_bytes(b"x" * 2500)
    with pytest.raises(InputError, match="SHA-256 differs"):
        fetch_all(a_model)
    assert not part.exists()


def test_sign_in_page_is_refused_and_keeps_the_part(a_server, a_model):
    part = target_and_part(a_model)[1]
    part.parent.mkdir()
    part.write_bytes(CONTENT[:2500])
    a_server.ranges, a_server.content = False, b"<html>Please sign in</html>"
    with pytest.raises(InputError, match="sign in first"):
        fetch_all(a_model)
    assert part.read_bytes() == CONTENT[:2500]


def test_missing_space_is_said_before_anything_is_sent(a_server, a_model, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 10**6 - 2000, 2000))
    with pytest.raises(InputError, match="Not enough space.*5 kB are needed and 2 kB are free.*SAM2VOLUMESEG_MODELS"):
        fetch_all(a_model)
    assert a_server.sent == []


def test_resuming_needs_space_for_the_rest_only(a_model, monkeypatch):
    target, part = target_and_part(a_model)
    part.parent.mkdir()
    part.write_bytes(CONTENT[:4000])
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 10**6 - 1200, 1200))
    fetch_all(a_model)
    assert target.read_bytes() == CONTENT


def test_disk_that_becomes_full_while_writing(a_server, a_model, monkeypatch):
    """Linux's /dev/full refuses every write with ENOSPC, as a full disk does."""
    target = target_and_part(a_model)[0]
    monkeypatch.setattr(download, "_open_no_link", lambda path, flags: os.open("/dev/full", os.O_WRONLY))
    with pytest.raises(InputError, match="disk became full"):
        fetch_all(a_model)
    assert not target.exists()


def test_store_that_cannot_be_a_folder(a_model, a_store):
    a_store.write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cannot be used to store models.*SAM2VOLUMESEG_MODELS"):
        fetch_all(a_model)


def test_no_network_tells_the_way_around(a_model):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(InputError, match=r"No answer .*connected to the network.*another computer to .*model\.pt"):
        fetch_all(a_model, url=f"http://127.0.0.1:{port}/model.pt")


def test_silent_server_ends_in_a_message(a_model, monkeypatch):
    """A dead line must not freeze the program for ever."""
    monkeypatch.setattr(answer, "TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(InputError, match="No answer"):
        fetch_all(a_model, url=f"http://127.0.0.1:{silent.getsockname()[1]}/model.pt")


def test_missing_file_on_the_server(a_server, a_model):
    with pytest.raises(InputError, match="answered 404"):
        fetch_all(a_model, url=a_server.url + "x")


def test_address_that_is_not_http(a_model, tmp_path):
    with pytest.raises(InputError, match="must begin with http"):
        fetch_all(a_model, url=tmp_path.as_uri())


# The store


def test_missing_model_says_how_to_get_it(a_store):
    with pytest.raises(InputError, match=r"fetch small \(184 MB\), or copy sam2\.1_hiera_small\.pt .* to .*models"):
        checkpoints.path_of(checkpoints.find("small"))


def test_file_put_there_by_hand_is_found(a_model, a_server):
    target = target_and_part(a_model)[0]
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    assert checkpoints.path_of(a_model) == target
    assert checkpoints.verify(a_model) == a_model.source.sha256
    assert a_server.sent == []


def test_incomplete_file_put_there_by_hand_is_refused(a_model):
    target = target_and_part(a_model)[0]
    target.parent.mkdir()
    target.write_bytes(CONTENT[:-1])
    assert checkpoints.stored() == {}
    with pytest.raises(InputError, match="not the official model 'tiny'.*checkpoints delete tiny"):
        checkpoints.path_of(a_model)


def test_damage_after_verification_is_noticed(a_model):
    """The SHA-256 is remembered per file state; a file that changed on the disk must be looked at again."""
    target = target_and_part(a_model)[0]
    fetch_all(a_model)
    checkpoints.verify(a_model)
    target.write_bytes(CONTENT[:-1] + b"!")
    os.utime(target, (0, 0))  # the test is faster than some file systems' clocks
    with pytest.raises(InputError, match="not the official model"):
        checkpoints.verify(a_model)
    with pytest.raises(InputError, match="not the official model"):
        checkpoints.load_weights(a_model)


def test_delete_frees_model_and_unfinished_download(a_model):
    target, part = target_and_part(a_model)
    fetch_all(a_model)
    part.write_bytes(b"123")
    assert checkpoints.delete(a_model) == len(CONTENT) + 3
    assert not target.exists()
    assert not part.exists()
    assert checkpoints.stored() == {}
    assert checkpoints.delete(a_model) == 0


def test_bundled_and_own_models_are_neither_fetched_nor_deleted():
    demo = checkpoints.find("demo")
    with pytest.raises(InputError, match="nothing to fetch"):
        fetch_all(demo)
    with pytest.raises(InputError, match="not deleted"):
        checkpoints.delete(demo)


def test_store_is_per_user_unless_the_environment_says_otherwise(a_store, monkeypatch, tmp_path):
    assert checkpoints.store_folder() == a_store
    monkeypatch.delenv("SAM2VOLUMESEG_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = checkpoints.store_folder()
    assert folder.is_absolute()
    assert "sam2-volume-seg" in folder.parts
    assert not folder.exists()


# A checkpoint of the user's


def test_own_checkpoint_with_a_named_configuration(tmp_path):
    file = tmp_path / "vertebrae.pt"
    torch.save({"model": {"weight": torch.ones(2)}}, file)
    model = checkpoints.user_model(file, "tiny", image_size=512)
    assert (model.name, model.image_size, model.is_official) == ("vertebrae", 512, False)
    assert checkpoints.config_file(model) == checkpoints.config_file(checkpoints.find("tiny"))
    assert checkpoints.path_of(model) == file
    assert checkpoints.verify(model) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_own_checkpoint_with_an_own_configuration(tmp_path):
    file, config = tmp_path / "mine.pt", tmp_path / "mine.yaml"
    torch.save({"weight": torch.ones(2)}, file)
    config.write_text("model:\n  image_size: 320\n")
    assert checkpoints.config_image_size(checkpoints.user_model(file, config)) == 320


@pytest.mark.parametrize(
    ("text", "message"),
    [("model: [", "not a readable yaml"), ("model: {}", "no model.image_size"), ("", "describes no SAM2 network")],
)
def test_own_configuration_that_is_none(tmp_path, text, message):
    file, config = tmp_path / "mine.pt", tmp_path / "mine.yaml"
    file.write_bytes(b"weights")
    config.write_text(text)
    with pytest.raises(InputError, match=message):
        checkpoints.config_image_size(checkpoints.user_model(file, config))


def test_own_checkpoint_or_configuration_that_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"no file .*gone\.pt"):
        checkpoints.user_model(tmp_path / "gone.pt", "tiny")
    file = tmp_path / "mine.pt"
    file.write_bytes(b"weights")
    with pytest.raises(InputError, match="'tiniest' is neither a known model"):
        checkpoints.user_model(file, "tiniest")
