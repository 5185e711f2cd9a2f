from __future__ import annotations

import asyncio
import pickle
import ssl
import subprocess

import pytest
from pegboard import KeyValue, Pegboard, errors, sync
from pegboard_redis._server import Server
from pegboard_redis.options import RedisOptions
from pydantic import ValidationError

SECRET = "s3cr3t/:@%"
QUOTED = "s3cr3t%2F%3A%40%25"


class TestUrl:
    @pytest.mark.parametrize(
        ("url", "server"),
        [
            ("redis://", Server()),
            ("redis://db", Server(host="db")),
            ("valkey://db:7000/", Server(host="db", port=7000)),
            ("redis://db/3", Server(host="db", database=3)),
            ("redis://db?db=3", Server(host="db", database=3)),
            ("rediss://db", Server(host="db", is_tls=True)),
            ("valkeys://db", Server(host="db", is_tls=True)),
            ("redis://[::1]:7000", Server(host="::1", port=7000)),
            ("redis://:pw@db", Server(host="db", password="pw")),
            ("redis://me:pw@db", Server(host="db", username="me", password="pw")),
            (f"redis://me:{QUOTED}@db", Server("db", username="me", password=SECRET)),
            ("unix:///run/r.sock", Server(path="/run/r.sock")),
            ("unix:///a%20b?db=2", Server(path="/a b", database=2)),
            ("unix://me:pw@/s", Server(path="/s", username="me", password="pw")),
        ],
    )
    def test_url_says_where_the_server_is(self, url, server):
        """Each part is read, whatever it is quoted as."""
        assert Server.of(url) == server

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "db:6379",
            "http://pw@db",
            "redis://db:pw",
            "redis://db:70000",
            "redis://db/x",
            "redis://db/-1",
            "redis://db/1/2",
            "redis://db/1?db=1",
            "redis://db?ssl_cert_reqs=none",
            "redis://db?db",
            "redis://db#pw",
            "redis://[::1",
            "unix://",
            "unix://pw/s",
            "unix:///s?db=²",
        ],
    )
    def test_other_urls_are_refused(self, url):
        """The error says what a URL looks like, and nothing of this one."""
        with pytest.raises(
            ValidationError, match="redis://USER:PASSWORD@HOST"
        ) as caught:
            RedisOptions(url=url)
        assert "pw" not in str(caught.value)

    def test_place_is_shown_without_the_password(self):
        """Errors name the server by this."""
        assert str(Server.of("redis://me:pw@[::1]:7000")) == "[::1]:7000"
        assert str(Server.of("unix://me:pw@/s")) == "/s"
        assert "pw" not in repr(Server.of("redis://me:pw@db"))

    def test_options_fill_what_the_url_leaves_open(self):
        """What stands in the URL goes first."""
        options = RedisOptions(url="redis://db", username="me", password="pw")
        both = RedisOptions(url="redis://x:y@db", username="me", password="pw")

        assert (options.server.username, options.server.password) == ("me", "pw")
        assert (both.server.username, both.server.password) == ("x", "y")


class TestRefusals:
    @pytest.mark.parametrize(
        "options",
        [
            {"timeout": 0},
            {"connect_timeout": -1},
            {"connections": 0},
            {"ttl": 0},
            {"prefix": "\ud800"},
            {"host": "db"},
        ],
    )
    def test_bad_options_are_refused(self, options):
        """Before anything is connected."""
        with pytest.raises(ValidationError):
            RedisOptions(**options)

    @pytest.mark.parametrize(
        ("options", "place"),
        [
            ({"ca_file": "ca.pem"}, "ca_file"),
            ({"cert_file": "c.pem"}, "cert_file"),
            ({"url": "rediss://db", "key_file": "k.pem"}, "key_file"),
        ],
    )
    async def test_idle_certificates_are_refused(self, make_store, options, place):
        """Files that would not be used are a mistake."""
        with pytest.raises(errors.SettingsError) as caught:
            make_store(**{"url": "redis://db", **options})
        assert caught.value.problems[0].where == f"storage.kit.{place}"

    @pytest.mark.parametrize("place", ["ca_file", "cert_file"])
    async def test_missing_certificates_are_told(self, make_store, tmp_path, place):
        """A file that is not there is the settings' fault."""
        files = {place: tmp_path / "none.pem"}
        with pytest.raises(errors.SettingsError, match="cannot be used") as caught:
            await make_store("rediss://127.0.0.1:9", **files).get("key")
        assert caught.value.problems[0].where == f"storage.kit.{place}"


class TestSecrets:
    @pytest.mark.parametrize(
        "section",
        [
            {"url": f"redis://me:{QUOTED}@127.0.0.1:1"},
            {"url": "redis://me@127.0.0.1:1", "password": SECRET},
        ],
    )
    async def test_secrets_are_nowhere(self, section):
        """No text that anybody may see holds the password."""
        settings = {"storage": {"kit": {"provider": "redis", **section}}}
        async with Pegboard.isolated(settings) as board:
            store = board.storage("kit", KeyValue)
            with pytest.raises(errors.ConnectionFailed) as caught:
                await store.get("key")
            with pytest.raises(TypeError):
                pickle.dumps(store._client._options)
            seen = [
                *(store, store._client, store._client._server, store._client._options),
                *(caught.value, caught.value.__cause__, caught.value.__context__),
                *(board.explain("storage.kit"), await board.health(), vars(store)),
                pickle.dumps(caught.value),
            ]
        text = "\n".join([*map(repr, seen), *map(str, seen)])

        assert "127.0.0.1:1" in text
        assert SECRET not in text
        assert QUOTED not in text

    @pytest.mark.parametrize(
        "arguments",
        [("--requirepass", "other"), ("--rename-command", "AUTH", "")],
        ids=["other password", "no such command"],
    )
    async def test_secrets_are_not_in_a_refusal(self, start_server, arguments):
        """A server that refuses the password is not quoted, though it quotes us."""
        server = start_server(*arguments)
        section = {"provider": "redis", "url": server.url, "password": SECRET}
        async with Pegboard.isolated({"storage": {"kit": section}}) as board:
            with pytest.raises(errors.CallError, match="refused") as caught:
                await board.storage("kit", KeyValue).get("key")
        error = caught.value
        shown = [error, error.__cause__, error.__context__]

        assert SECRET not in "\n".join([*map(repr, shown), *map(str, shown)])


class TestBoard:
    async def test_url_of_the_environment_is_used(self, shared_valkey):
        """REDIS_URL is all that it takes."""
        environ = {"REDIS_URL": shared_valkey.url}
        section = {"kit": {"provider": "redis", "prefix": "board:"}}
        async with Pegboard.isolated({"storage": section}, environ=environ) as board:
            store = board.storage("kit", KeyValue)
            await store.set("key", 1)
            assert store._client._server.port == shared_valkey.port

    def test_programs_without_async_use_it_too(self, shared_valkey):
        """The blocking board has its connections in its own thread."""
        section = {"kit": {"provider": "redis", "url": shared_valkey.url}}
        with sync.Pegboard.isolated({"storage": section}) as board:
            store = board.storage("kit", sync.KeyValue)
            assert [store.incr("sync"), store.incr("sync")] == [1, 2]
            assert store.delete("sync")

    async def test_instance_has_its_own_ttl(self, make_store, shared_valkey):
        """What the settings say holds where the call says nothing."""
        store = make_store(shared_valkey.url, ttl=50)
        await store.set("key", 1)

        assert 0 < shared_valkey.call("PTTL", f"{store._prefix}key") <= 50_000


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Return a folder with a certificate for 127.0.0.1 that signs itself."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", folder / "key.pem", "-out", folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture
async def tls(certificates, shared_valkey):
    """Return the port of a server that speaks TLS, and wants a certificate."""
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=certificates / "cert.pem"
    )
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")

    async def pump(reader, writer):
        while chunk := await reader.read(65536):
            writer.write(chunk)
        writer.close()

    async def serve(reader, writer):
        place = shared_valkey.host, shared_valkey.port
        answers, requests = await asyncio.open_connection(*place)
        await asyncio.gather(pump(reader, requests), pump(answers, writer))

    async with await asyncio.start_server(
        serve, "127.0.0.1", 0, ssl=context
    ) as listener:
        yield listener.sockets[0].getsockname()[1]


class TestTls:
    async def test_server_and_client_know_each_other(
        self, make_store, tls, certificates
    ):
        """With the right certificates on both sides, everything works as without."""
        store = make_store(
            f"rediss://127.0.0.1:{tls}",
            ca_file=certificates / "cert.pem",
            cert_file=certificates / "cert.pem",
            key_file=certificates / "key.pem",
        )
        sums = await asyncio.gather(*(store.incr("key") for _ in range(64)))
        await store.set("big", "x" * 1_000_000)

        assert sums[-1] == 64
        assert await store.get("big") == "x" * 1_000_000
        await store.aclose()

    async def test_unknown_certificate_is_refused(self, make_store, tls):
        """A server that nobody vouches for is not told anything."""
        store = make_store(f"rediss://127.0.0.1:{tls}")
        with pytest.raises(errors.ConnectionFailed, match="certificate") as caught:
            await store.get("key")
        assert caught.value.request_sent == "no"

    async def test_server_without_tls_is_told(self, make_store, shared_valkey):
        """TLS to a server that does not speak it fails in time."""
        place = f"{shared_valkey.host}:{shared_valkey.port}"
        store = make_store(f"rediss://{place}", connect_timeout=2)
        with pytest.raises(errors.ConnectionFailed) as caught:
            await store.get("key")
        assert caught.value.request_sent == "no"
