"""Who may speak to the processes of a study: its user alone, and on a cluster whoever has the certificate."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import urlopen

import dask.config
import psutil
import pytest
from distributed import Client
from distributed.comm import connect
from distributed.security import Security
from study_runs import a_scheduler, a_study, a_worker, table

from SAM2VolumeSegLib.errors import InputError
from SAM2VolumeSegLib.research.study import cluster
from SAM2VolumeSegLib.research.study.store import read_results
from SAM2VolumeSegLib.research.study.workers import open_site

QUIET = {"DASK_LOGGING__DISTRIBUTED": "critical"}


def listening() -> set[int]:
    """The ports at which this process and those below it wait for others."""
    own = psutil.Process()
    found = [one for process in (own, *own.children(recursive=True)) for one in process.net_connections(kind="inet")]
    assert {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN} <= {"127.0.0.1"}
    return {one.laddr.port for one in found if one.status == psutil.CONN_LISTEN}


def pages(ports: set[int]) -> set[int]:
    """Those of them that are web servers, which give none of Dask's pages."""
    web = set()
    for port in ports:
        for path in ("", "health", "status", "info/main/workers.html", "json/identity.json", "api/v1", "metrics"):
            try:
                urlopen(f"http://127.0.0.1:{port}/{path}", timeout=2)
            except HTTPError as error:
                assert error.code == 404
                web.add(port)
            except (OSError, HTTPException):
                break
            else:
                raise AssertionError(f"{port} shows /{path} to everybody")
    return web


def answers(address: str, security: Security | None) -> bool:
    """Whether Dask's handshake succeeds, after which any code can be sent."""

    async def try_to():
        arguments = security.get_connection_args("client") if security else {}
        comm = await connect(address, timeout=3, **arguments)
        await comm.close()

    try:
        asyncio.run(asyncio.wait_for(try_to(), 10))
    except (OSError, asyncio.TimeoutError):
        return False
    return True


def test_an_own_cluster_is_closed_to_others_and_gives_the_same_results(a_phantom_folder, tmp_path):
    """Another user of the machine could run code as the one who ran the study."""
    study = a_study(a_phantom_folder, "stride", cases=1)
    with open_site(a_phantom_folder, "cpu") as site:
        list(study.run(site, tmp_path / "alone"))
    before = listening()
    with open_site(a_phantom_folder, "cpu", workers=2) as site:
        client, ports = site._client, listening() - before
        address = client.scheduler.address
        assert address.startswith("tls://127.0.0.1:") and len(ports) >= 3  # the scheduler and two workers
        assert answers(address, client.security)
        with pytest.raises(OSError):
            Client(address, security=Security.temporary(), timeout=2, set_as_default=False)
        for port in ports - pages(ports):
            assert not answers(f"tcp://127.0.0.1:{port}", None), port
            assert not answers(f"tls://127.0.0.1:{port}", Security.temporary()), port  # a certificate of one's own
        list(study.run(site, tmp_path / "cluster"))
    assert table(read_results(tmp_path / "cluster")[0]) == table(read_results(tmp_path / "alone")[0])


@contextmanager
def certificates(folder):
    """As the study's README has it: Dask's environment variables that name two files. In this process, too."""
    own = Security.temporary()
    for name, content in (("dask.pem", own.tls_client_cert), ("dask.key", own.tls_client_key)):
        (folder / name).write_text(content)
    pem, key = str(folder / "dask.pem"), str(folder / "dask.key")
    roles = {f"distributed.comm.tls.{role}": {"cert": pem, "key": key} for role in ("client", "scheduler", "worker")}
    names = {"distributed.comm.require-encryption": True, "distributed.comm.tls.ca-file": pem}
    for role, files in roles.items():
        names |= {f"{role}.{kind}": file for kind, file in files.items()}
    with dask.config.set(names):
        yield {f"DASK_{name.replace('.', '__').replace('-', '_').upper()}": str(value) for name, value in names.items()}


def test_a_cluster_with_certificates_as_the_readme_starts_it(a_phantom_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 2)
    study = a_study(a_phantom_folder, "stride", cases=1)
    with certificates(tmp_path) as names, a_scheduler(tmp_path, "--protocol", "tls", **names, **QUIET) as (address, _):
        assert address.startswith("tls://")
        with a_worker(address, "--no-nanny", "--protocol", "tls", **names, **QUIET):
            with open_site(a_phantom_folder, "cpu", scheduler=address) as site:
                assert list(study.run(site, tmp_path))[-1].done == len(study.tasks)
            names = ["ca-file", *(f"{role}.{kind}" for role in ("client", "scheduler") for kind in ("cert", "key"))]
            nothing = {f"distributed.comm.tls.{name}": None for name in names}
            with dask.config.set(nothing | {"distributed.comm.require-encryption": False}):
                for one in (address, address.replace("tls", "tcp")):
                    with pytest.raises(InputError, match=f"No Dask scheduler answers at {one} .*tls:// needs the cert"):
                        with open_site(a_phantom_folder, "cpu", scheduler=one):
                            pass


INTERRUPTED = """
import os, signal, sys, threading
from pathlib import Path
from SAM2VolumeSegLib.research.study import cluster
if __name__ == "__main__":
    threading.Timer(float(sys.argv[1]), lambda: os.killpg(0, signal.SIGINT)).start()
    try:
        with cluster.own(Path(sys.argv[2]), "cpu", 2):
            print("started")
            threading.Event().wait(30)
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Ctrl-C reaches the processes of a terminal otherwise on Windows")
@pytest.mark.parametrize("seconds", [0.1, 1.5])
def test_ctrl_c_while_a_cluster_starts_is_no_traceback(tmp_path, seconds):
    """It was an AssertionError of Dask's, once in a while."""
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED)
    command = [sys.executable, str(script), str(seconds), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, start_new_session=True, check=False)
    assert (done.stdout.split()[-1], done.stderr, done.returncode) == ("interrupted", "", 0)


def test_ctrl_c_is_not_lost_while_a_cluster_starts(request):
    # A shell switches the signal off for what it starts in the background, these tests perhaps.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    with pytest.raises(KeyboardInterrupt), cluster._interrupts_wait():
        os.kill(os.getpid(), signal.SIGINT)
        came_later = True
    assert came_later and signal.getsignal(signal.SIGINT) is signal.default_int_handler
