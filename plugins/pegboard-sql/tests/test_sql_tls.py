"""Connections to a PostgreSQL server that are encrypted, and prove who is there."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
from pegboard import Database, DocumentStore, KeyValue, Pegboard
from pegboard.errors import CallError, ConnectionFailed
from pegboard.testing.documents import PETS
from sqlalchemy import text

MODULE = runpy.run_path(str(Path(__file__).with_name("postgres.py")))
OURS = text("SELECT ssl, client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
ACCESS = """
hostssl  closed  all  127.0.0.1/32  scram-sha-256  clientcert=verify-ca
hostssl  all     all  127.0.0.1/32  scram-sha-256
"""
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def with_openssl():
    """Return where the programs of a server are that speaks TLS, if there is one."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        command = [folder / "pg_config", "--configure"]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if "openssl" in built.stdout and (folder / "postgres").exists():
            return folder
    return None


BINARIES = with_openssl()
pytestmark = pytest.mark.skipif(
    BINARIES is None or shutil.which("openssl") is None,
    reason="the server of the other tests speaks no TLS; install Debian's postgresql",
)


class Certificates:
    """An authority, and those whom it vouches for."""

    def __init__(self, folder):
        self.folder = folder
        self._openssl(
            *("req", "-x509", *CURVE, "-days", "2", "-subj", "/CN=authority"),
            *("-keyout", "authority.key", "-out", "authority.pem"),
        )

    def __getitem__(self, name):
        return str(self.folder / name)

    def add(self, name, place):
        """Make a certificate for *name*, who is at *place*."""
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={place}")
        self._openssl(
            *("req", *CURVE, "-subj", f"/CN={name}"),
            *("-keyout", f"{name}.key", "-out", f"{name}.request"),
        )
        self._openssl(
            *("x509", "-req", "-days", "2", "-in", f"{name}.request"),
            *("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial"),
            *("-extfile", f"{name}.ext", "-out", f"{name}.pem"),
        )
        (self.folder / f"{name}.key").chmod(0o600)

    def _openssl(self, *arguments):
        command = ["openssl", *arguments]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Return certificates of a server, of a client, and of somebody else."""
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.add("server", "IP:127.0.0.1")
    made.add("client", "DNS:client")
    strangers = Certificates(tmp_path_factory.mktemp("strangers"))
    shutil.copy(strangers["authority.pem"], made["stranger.pem"])
    return made


@pytest.fixture(scope="module")
def server(certificates):
    """Run a server that takes encrypted connections alone."""
    files = {"ssl_cert_file": "server.pem", "ssl_key_file": "server.key"}
    files["ssl_ca_file"] = "authority.pem"
    settings = ("ssl=on", *(f"{name}={file}" for name, file in files.items()))
    server = MODULE["Postgres"](BINARIES, *settings)
    for file in files.values():
        shutil.copy(certificates[file], server.data)
        shutil.chown(f"{server.data}/{file}", MODULE["OWNER"] or os.getuid())
    Path(server.data, "pg_hba.conf").write_text(ACCESS)
    server.start()
    with psycopg.connect(f"{server.url()}?sslmode=require", autocommit=True) as one:
        one.execute("CREATE DATABASE closed")
    yield server
    server.remove()


@pytest.fixture
def board_of(server, certificates):
    """Return what makes boards that trust the authority."""

    def make(database="postgres", **more):
        url = server.url(database)
        trust = {"tls": "verify-full", "tls_root": certificates["authority.pem"]}
        section = {"provider": "postgresql", "url": url, **trust, **more}
        return Pegboard.isolated({"storage": {"main": section}})

    return make


async def test_everything_is_encrypted(board_of):
    """Sessions, values and documents work, on connections that the server calls so."""
    async with board_of(pool_size=1, max_overflow=0) as board:
        database = board.storage("main", Database)
        await board.storage("main", KeyValue).set("key", 1)
        await board.storage("main", DocumentStore).put_document(PETS, "a", {"age": 1})
        async with database.session() as session:
            assert (await session.execute(OURS)).one() == (True, None)
        with database.blocking.session() as session:
            assert session.execute(OURS).one() == (True, None)


async def test_encryption_is_the_default_where_there_is_one(board_of):
    """Without a word in the settings, a server that speaks TLS is spoken to by it."""
    async with (
        board_of(tls=None, tls_root=None) as board,
        board.storage("main", Database).session() as session,
    ):
        assert (await session.execute(OURS)).one() == (True, None)


async def test_client_shows_its_certificate(board_of, certificates):
    """Where the server asks for one, it is shown and known."""
    mine = {
        "tls_certificate": certificates["client.pem"],
        "tls_key": certificates["client.key"],
    }
    async with (
        board_of("closed", **mine) as board,
        board.storage("main", Database).session() as session,
    ):
        assert (await session.execute(OURS)).one() == (True, "/CN=client")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tls_root": "stranger.pem"}, "certificate verify failed"),
        ({"host": "localhost"}, "does not match host name"),
        ({"tls": "disable"}, "no encryption"),
        ({"database": "closed"}, "requires a valid client certificate"),
    ],
    ids=str,
)
async def test_who_cannot_be_trusted_is_refused(
    board_of, server, certificates, change, words
):
    """Nothing is asked of a server that proves nothing, nor told to such a client."""
    changes = dict(change)
    if host := changes.pop("host", None):
        changes["url"] = server.url().replace(server.host, host)
    if "tls_root" in changes:
        changes["tls_root"] = certificates[changes["tls_root"]]
    async with board_of(**changes) as board:
        with pytest.raises(CallError, match=words) as caught:
            await board.storage("main", KeyValue).get("key")

    assert caught.value.request_sent == "no"
    assert MODULE["PASSWORD"] not in str(caught.value)
    assert isinstance(caught.value, ConnectionFailed)


async def test_name_of_the_server_may_be_left_out(board_of, server):
    """A server that is vouched for is enough where the settings say so."""
    url = server.url().replace(server.host, "localhost")
    async with (
        board_of(url=url, tls="verify-ca") as board,
        board.storage("main", Database).session() as session,
    ):
        assert (await session.execute(OURS)).one() == (True, None)
