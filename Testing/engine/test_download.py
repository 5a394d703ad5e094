"""Fetching against odd servers, and two programs at once: what has arrived survives, and each ends in a sentence."""

import hashlib
import os
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.model import answer, checkpoints, download

CONTENT = bytes(range(256)) * 20
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
BEGUN = 2500
PAGE = b"<!DOCTYPE html><html>Please sign in</html>"


@contextmanager
def a_server(*answers):
    """Gives one connection after the other its bytes, or hands it to a function; yields address and requests."""
    listener, requests = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        for one in answers:
            try:
                connection = listener.accept()[0]
            except OSError:  # closed: nobody asked for it
                return
            with connection:
                try:
                    requests.append(connection.recv(65536))
                    one(connection) if callable(one) else connection.sendall(one)
                except OSError:  # the client has seen enough
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/model.pt", requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def an_answer(*headers, body=b"", status="200 OK"):
    lines = [f"HTTP/1.1 {status}", *headers, "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + body


def fetch(url, target):
    return list(download.download(url, target, SIZE, SHA256))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def a_target(tmp_path):
    return tmp_path / "models" / "model.pt"


@pytest.fixture
def a_part(a_target):
    """What a fetch that broke off has left."""
    a_target.parent.mkdir()
    part = download.part_of(a_target)
    part.write_bytes(CONTENT[:BEGUN])
    return part


# ------------------------------------------------------------------------- answers that are not the rest of the file


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (an_answer(body=PAGE), "a web page in place of the file.*sign in first.*kept"),
        (an_answer("Content-Type: text/html; charset=utf-8", body=b"\n" + PAGE), "a web page in place of the file"),
        (an_answer(f"Content-Length: {SIZE}", body=PAGE * 200), "a web page"),
        (an_answer("Content-Range: bytes 2500-5119/5120", "Content-Type: Text/HTML", status="206 x"), "a web page"),
        (an_answer(body=CONTENT), "does not continue the file.*kept.*unfinished download to begin anew"),
        (an_answer(body=b'{"error": "sign in"}'), "does not continue the file.*kept"),
        (an_answer("Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"), "does not continue the file"),
        (an_answer("Content-Length: 5119", body=CONTENT), "another file: 5,119 bytes instead of 5,120 bytes.*kept"),
        (an_answer("Content-Length: \u00b2", body=CONTENT), "does not continue the file"),
        (an_answer("Content-Length: " + "9" * 5000, body=CONTENT), "does not continue the file"),
        (an_answer("Content-Length: -1", body=CONTENT), "does not continue the file"),
        *(
            (an_answer(f"Content-Range: {span}", body=CONTENT[BEGUN:], status="206 Partial Content"), message)
            for span, message in (
                ("bytes 1000-5119/5120", "does not continue the file"),
                ("bytes 0-5119/*", "does not continue the file"),
                ("bytes 2500-5119/6000", "another file: 6 kB instead of 5 kB"),
                ("bytes \u00b2500-5119/5120", "does not continue the file"),
                ("bytes 2500-5119/\u00b2", "does not continue the file"),
                (f"bytes {'9' * 5000}-1/5120", "does not continue the file"),
                ("bytes -2500-5119/5120", "does not continue the file"),
                ("bytes */5120", "does not continue the file"),
                ("nothing", "does not continue the file"),
            )
        ),
        (an_answer(body=CONTENT, status="206 Partial Content"), "does not continue the file"),
        (an_answer("Location: http://[::1", status="302 Found"), "No answer from"),
        (an_answer("Location: http://a:b/", status="302 Found"), "No answer from"),
        (an_answer("Location: file:///etc/hosts", status="302 Found"), "answered 302"),
        (b"garbage\r\n\r\n", "No answer from"),
        (b"HTTP/1.1 \xb200 OK\r\n\r\n", "No answer from"),
        (b"", "No answer from"),
    ],
    ids=lambda value: str(value)[:70],
)
def test_an_answer_that_is_not_the_rest_leaves_what_has_arrived(a_target, a_part, reply, message):
    """A sign-in page without a length replaced 15 MB by 20 kB; headers that are no numbers were a traceback."""
    with a_server(reply, reply) as (url, _), pytest.raises(InputError, match=message):
        fetch(url, a_target)
    assert a_part.read_bytes() == CONTENT[:BEGUN] and not a_target.exists()


@pytest.mark.parametrize("reply", [an_answer(body=PAGE), an_answer("Content-Type: text/html", body=b"sorry")])
def test_a_page_is_never_the_beginning_of_a_model(a_target, reply):
    """The next fetch went on behind it, and failed after 898 MB."""
    with a_server(reply) as (url, _), pytest.raises(InputError, match="a web page in place of the file"):
        fetch(url, a_target)
    assert not download.part_of(a_target).exists()


@pytest.mark.parametrize("length", ["", "Content-Length: \u00b2"])
def test_a_server_that_states_no_length_is_believed_where_nothing_has_arrived(a_target, length):
    with a_server(an_answer(length or "X: y", body=CONTENT)) as (url, _):
        fetch(url, a_target)
    assert a_target.read_bytes() == CONTENT


def test_a_server_that_cannot_continue_but_has_the_file_is_read_from_the_start(a_target, a_part):
    whole = an_answer(f"Content-Length: {SIZE}", body=CONTENT)
    with a_server(an_answer(status="416 Range Not Satisfiable"), whole) as (url, requests):
        assert fetch(url, a_target)[0] == (0, SIZE)
    assert a_target.read_bytes() == CONTENT
    assert [b"Range: bytes=2500-" in request for request in requests] == [True, False]


HEADER = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=40)


@settings(max_examples=40, deadline=None)
@given(
    status=st.sampled_from(["200 OK", "206 Partial Content", "204 x", "416 x", "302 x", "500 x"]),
    length=HEADER | st.integers().map(str),
    span=HEADER | st.builds("bytes {}-{}/{}".format, st.integers(), st.integers(), st.integers() | st.just("*")),
    body=st.binary(max_size=40),
)
def test_no_header_is_a_traceback_or_costs_what_has_arrived(tmp_path_factory, status, length, span, body):
    target = tmp_path_factory.mktemp("models") / "model.pt"
    part = download.part_of(target)
    part.write_bytes(CONTENT[:BEGUN])
    headers = [f"Content-Length: {length}", f"Content-Range: {span}"]
    with a_server(*[an_answer(*headers, body=body, status=status)] * 2) as (url, _), pytest.raises(InputError):
        fetch(url, target)
    kept = part.read_bytes()
    assert kept[:BEGUN] == CONTENT[:BEGUN] or (status[:3] in ("200", "204") and length.strip() == str(SIZE))


# --------------------------------------------------------------------------------------------------- a line that crawls


def test_a_line_that_drips_shows_progress_and_can_be_cancelled(a_target, monkeypatch):
    """One byte a second: the program stood for hours, and Cancel with it."""
    monkeypatch.setattr(download, "PATIENCE", 0.05)
    cancelled = threading.Event()

    def drip(connection):
        connection.sendall(an_answer(f"Content-Length: {SIZE}"))
        for byte in CONTENT:
            if cancelled.wait(0.02):
                return
            connection.sendall(bytes([byte]))

    with a_server(drip) as (url, _):
        steps = download.download(url, a_target, SIZE, SHA256)
        seen = [next(steps)[0] for _ in range(4)]
        steps.close()
        cancelled.set()
    assert 0 == seen[0] < seen[1] < seen[2] < seen[3] < 100
    assert download.part_of(a_target).read_bytes() == CONTENT[: seen[3]]


def test_a_line_that_is_far_too_slow_ends_and_keeps_what_arrived(a_target, monkeypatch):
    monkeypatch.setattr(download, "SLOW_SECONDS", 0.2)
    ended = threading.Event()

    def drip(connection):
        connection.sendall(an_answer(f"Content-Length: {SIZE}") + CONTENT[:1000])
        for byte in CONTENT[1000:]:
            if ended.wait(0.02):
                return
            connection.sendall(bytes([byte]))

    with a_server(drip) as (url, _):
        with pytest.raises(InputError, match="is too slow after 1 kB of 5 kB.*kept: fetch again"):
            fetch(url, a_target)
        ended.set()
    kept = download.part_of(a_target).read_bytes()
    assert len(kept) >= 1000 and CONTENT.startswith(kept)


def test_a_fetch_that_waits_for_its_user_is_not_slow(a_target, monkeypatch):
    """Slicer steps it between two slices of something else: only the waiting for bytes counts."""
    monkeypatch.setattr(download, "SLOW_SECONDS", 0.2)
    monkeypatch.setattr(download, "CHUNK", 1000)
    with a_server(an_answer(f"Content-Length: {SIZE}", body=CONTENT)) as (url, _):
        for _ in download.download(url, a_target, SIZE, SHA256):
            threading.Event().wait(0.1)
    assert a_target.read_bytes() == CONTENT


def test_numbers_that_round_alike_are_told_in_bytes():
    """It said: 20 MB instead of 20 MB."""
    assert answer.told_apart(20_000_001, 20_000_000) == ("20,000,001 bytes", "20,000,000 bytes")
    assert answer.told_apart(19_000_000, 20_000_000) == ("19 MB", "20 MB")


# ------------------------------------------------------------------------------------------------ somebody else's hands


OTHER_PROGRAM = """
import sys
from pathlib import Path
from SAM2VolumeSegLib.model import download
download.CHUNK = 1000
steps = download.download(sys.argv[1], Path(sys.argv[2]), {size}, {sha256!r})
next(steps), next(steps)
print("begun", flush=True)
input()
list(steps)
"""


def test_two_programs_that_fetch_one_model_do_not_mix(a_target):
    """Both appended to one part: the file that was checked grew afterwards (8 of 8)."""
    whole = an_answer(f"Content-Length: {SIZE}", body=CONTENT)
    with a_server(whole, whole) as (url, requests):
        code = OTHER_PROGRAM.format(size=SIZE, sha256=SHA256)
        command = [sys.executable, "-c", code, url, str(a_target)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout.readline() == "begun\n"
            for _ in range(2):
                with pytest.raises(InputError, match="Another program is fetching this model to .*models"):
                    fetch(url, a_target)
            other.communicate("go on\n")
        assert other.returncode == 0 and len(requests) == 1
    assert a_target.read_bytes() == CONTENT and not download.part_of(a_target).exists()


def test_a_program_that_was_killed_blocks_nobody(a_target):
    whole = an_answer(f"Content-Length: {SIZE}", body=CONTENT)
    rest = an_answer("Content-Range: bytes 1000-5119/5120", body=CONTENT[1000:], status="206 Partial Content")
    with a_server(whole, rest) as (url, requests):
        code = OTHER_PROGRAM.format(size=SIZE, sha256=SHA256)
        command = [sys.executable, "-c", code, url, str(a_target)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout.readline() == "begun\n"
            other.kill()
        fetch(url, a_target)
    assert a_target.read_bytes() == CONTENT and len(requests) == 2


def test_a_model_that_is_being_fetched_is_not_deleted(tmp_path, monkeypatch):
    """The fetch then failed at its end, and said that the folder cannot be used."""
    monkeypatch.setenv("SAM2VOLUMESEG_MODELS", str(tmp_path))
    model = checkpoints.find("tiny")
    target = checkpoints.path_in_store(model)
    part = download.part_of(target)
    part.write_bytes(b"123")
    with download.only_writer(target), pytest.raises(InputError, match="Another program is fetching this model"):
        checkpoints.delete(model)
    assert part.exists() and checkpoints.delete(model) == 3


def test_a_part_that_is_a_link_is_not_written_through(a_target):
    """Whoever may write to the folder chose a file of the user's that was overwritten."""
    a_target.parent.mkdir()
    victim = a_target.parent.parent / "thesis.txt"
    for held in (CONTENT[:BEGUN], b"x" * SIZE, b"x" * (SIZE + 1)):
        victim.write_bytes(held)
        download.part_of(a_target).symlink_to(victim)
        with a_server(an_answer(f"Content-Length: {SIZE}", body=CONTENT)) as (url, requests):
            fetch(url, a_target)
        assert victim.read_bytes() == held and b"Range" not in requests[0]
        assert a_target.read_bytes() == CONTENT and not a_target.is_symlink()


def test_a_part_that_becomes_a_link_meanwhile_is_not_written_through(a_target):
    if not hasattr(os, "O_NOFOLLOW"):
        return  # Windows: links need a privilege there
    a_target.parent.mkdir()
    victim = a_target.parent.parent / "thesis.txt"
    victim.write_bytes(b"mine")

    def late(connection):
        download.part_of(a_target).symlink_to(victim)
        connection.sendall(an_answer(f"Content-Length: {SIZE}", body=CONTENT))

    with a_server(late) as (url, _), pytest.raises(InputError, match="cannot be used to store models"):
        fetch(url, a_target)
    assert victim.read_bytes() == b"mine"


def test_without_filelock_it_says_what_to_install(a_target, monkeypatch):
    monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(InputError, match="pip install filelock"):
        fetch("http://127.0.0.1:1/model.pt", a_target)


# ------------------------------------------------------------------------------------------- proxies and certificates


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_dead_proxy_is_named(a_target, monkeypatch, scheme):
    """ "Is this computer connected to the network?" sends people to the wrong place. Its password is not shown."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv(f"{scheme}_proxy", f"http://me:secret@127.0.0.1:{port}")
    with pytest.raises(InputError, match=f"through the proxy 127.0.0.1:{port} .*{scheme.upper()}_PROXY") as caught:
        fetch(f"{scheme}://model.invalid/model.pt", a_target)
    assert "secret" not in str(caught.value) and "another computer" in str(caught.value)


def test_a_proxy_that_wants_a_password_is_named(a_target, monkeypatch):
    with a_server(an_answer(status="407 Proxy Authentication Required")) as (url, _):
        monkeypatch.setenv("https_proxy", url.removesuffix("/model.pt"))
        with pytest.raises(InputError, match=r"through the proxy 127\.0\.0\.1:\d+ .*407 Proxy Authentication"):
            fetch("https://model.invalid/model.pt", a_target)


def test_a_certificate_that_cannot_be_trusted_is_said(a_target, tmp_path):
    """A proxy or a virus scanner that opens connections shows one of its own."""
    from distributed.security import Security

    own = Security.temporary()  # a self-signed certificate
    pem = tmp_path / "own.pem"
    pem.write_text(own.tls_client_key + own.tls_client_cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with listener.accept()[0] as connection, pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    thread = threading.Thread(target=serve)
    thread.start()
    url = f"https://127.0.0.1:{listener.getsockname()[1]}/model.pt"
    with pytest.raises(InputError, match=r"certificate that 127\.0\.0\.1 shows cannot be trusted \(self.signed"):
        fetch(url, a_target)
    thread.join()
    listener.close()
