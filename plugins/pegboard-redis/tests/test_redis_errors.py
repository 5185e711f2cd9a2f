from __future__ import annotations

import socket

import hiredis
import pytest
from pegboard import errors
from pegboard_redis._errors import CODES, refusal


def free_port():
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def user(server):
    """Return a URL with a user who may do next to nothing."""
    server.call("ACL", "SETUSER", "peg", "on", ">pass", "~*", "+ping", "+get")
    return server.url.replace("//", "//peg:pass@")


async def error_of(call):
    """Return the error that *call* ends with."""
    with pytest.raises(errors.CallError) as caught:
        await call
    assert caught.value.address == "storage.kit"
    return caught.value


async def test_missing_password_is_told(make_store, server):
    """A server that wants one says so, before anything is asked of it."""
    server.call("CONFIG", "SET", "requirepass", "sesame")
    error = await error_of(make_store(server.url).get("key"))

    assert isinstance(error, errors.Authentication)
    assert (error.code, error.request_sent) == ("NOAUTH", "no")
    assert await make_store(server.url, password="sesame").get("key") is None


async def test_wrong_password_is_told_and_not_repeated(make_store, server):
    """Neither the error nor its cause holds what was sent."""
    server.call("CONFIG", "SET", "requirepass", "sesame")
    error = await error_of(make_store(server.url, password="peppermint").get("key"))

    assert isinstance(error, errors.Authentication)
    assert "peppermint" not in repr([error, error.__cause__, error.__context__])


async def test_password_where_none_is_wanted_is_told(make_store, server):
    """A server without users refuses a name, and the connection fails."""
    error = await error_of(make_store(server.url, username="x").get("key"))

    assert isinstance(error, errors.Authentication)


async def test_unknown_database_is_told(make_store, server):
    """The handshake fails, for the number in the URL."""
    error = await error_of(make_store(f"{server.url}/99").get("key"))

    assert isinstance(error, errors.ConnectionFailed)
    assert error.request_sent == "no"


async def test_permission_is_told(make_store, user):
    """What the user may not do is refused; the rest goes on."""
    store = make_store(user)
    error = await error_of(store.set("key", 1))

    assert isinstance(error, errors.PermissionDenied)
    assert error.request_sent == "no"
    assert await store.get("key") is None


async def test_documented_permissions_are_enough(make_store, server):
    """Everything works for a user who has what the README says."""
    rights = ("+@read", "+@write", "+@connection", "+@scripting", "+time")
    server.call("ACL", "SETUSER", "app", "on", ">pass", "~mine:*", *rights)
    url = server.url.replace("//", "//app:pass@")
    store = make_store(url, prefix="mine:")

    await store.ping()
    await store.set("key", 1, ttl=50)
    await store.incr("key")
    await store.touch("key")
    assert (await store.scan()).keys == ("key",)
    assert await store.delete("key")


async def test_full_memory_changes_nothing(make_store, server_of_each_kind):
    """A write that has no room is refused whole."""
    server = server_of_each_kind
    store = make_store(server.url)
    await store.set("key", 1, ttl=50)
    before = server.call("DBSIZE")
    server.call("CONFIG", "SET", "maxmemory", 1)
    many = store.set_many({"key": 2, "new": 2})
    for call in (store.set("key", 2), store.set("new", 2), store.incr("key"), many):
        error = await error_of(call)
        assert isinstance(error, errors.Unavailable)
        assert (error.code, error.request_sent) == ("OOM", "no")

    assert await store.get("key") == 1
    assert server.call("DBSIZE") == before
    assert await store.delete("key")
    assert server.call("DBSIZE") == 0


async def test_busy_server_is_told(make_store, server):
    """While someone's script runs too long, calls are refused and nothing is done."""
    store = make_store(server.url)
    await store.set("key", 1)
    server.call("CONFIG", "SET", "lua-time-limit", 1)
    endless = hiredis.pack_command(("EVAL", "while true do end", 0))
    with socket.create_connection((server.host, server.port)) as link:
        link.sendall(endless)
        while server.call("GET", "other") is None:
            """Wait until it has had enough of the script."""
        error = await error_of(store.get("key"))
        server.call("SCRIPT", "KILL")
        link.recv(100)

    assert isinstance(error, errors.Overloaded)
    assert error.request_sent == "no"
    assert await store.get("key") == 1


async def test_too_many_clients_is_told(make_store, server):
    """A server that takes no more connections ends them, and ours say so."""
    server.call("CONFIG", "SET", "maxclients", 1)
    with socket.create_connection((server.host, server.port)) as link:
        link.sendall(hiredis.pack_command(("PING",)))
        link.recv(100)
        error = await error_of(make_store(server.url).get("key"))
        link.sendall(hiredis.pack_command(("CONFIG", "SET", "maxclients", 9)))
        link.recv(100)

    assert isinstance(error, errors.ConnectionFailed)
    assert "max number of clients reached" in str(error)
    assert error.request_sent == "no"
    assert await make_store(server.url).get("key") is None


async def test_cluster_is_told(make_store, start_server):
    """A member of a cluster wants the keys of a script in one place, and is refused."""
    ports = ("--cluster-port", str(free_port()))
    server = start_server("--cluster-enabled", "yes", *ports)
    server.call("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    while server.call("GET", "key") is not None:
        """Wait until it has found that it is complete."""
    error = await error_of(make_store(server.url).set("key", 1))

    assert isinstance(error, errors.Unsupported)
    assert "Name one server" in str(error)


async def test_value_of_another_type_is_told(store, shared_valkey):
    """A list that something else stored under the key is no value of ours."""
    shared_valkey.call("RPUSH", f"{store._prefix}key", "a")
    error = await error_of(store.get("key"))

    assert isinstance(error, errors.InvalidReply)
    assert await store.set("key", 1)


@pytest.mark.parametrize("text", ["", "7", '{"a": 1}', "\udcff" * 40, "x" * 100])
async def test_value_of_something_else_is_told(store, shared_valkey, text):
    """A string without a version names the key."""
    raw = text.encode("utf-8", "surrogateescape")
    shared_valkey.call("SET", f"{store._prefix}key", raw)

    for call in (store.get("key"), store.get_entry("key")):
        with pytest.raises(errors.InvalidReply, match="'key' is not JSON"):
            await call
    assert await store.exists("key")
    assert await store.set("key", 1)
    assert await store.get("key") == 1


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_an_error_of_its_kind(code):
    """The table is used as it stands, and all of these change nothing."""
    error = refusal(hiredis.ReplyError(f"{code} Some words."))
    kind, advice = CODES[code]

    assert type(error) is kind
    assert (error.code, error.request_sent) == (code, "no")
    assert advice in str(error)
    assert "Some words." in str(error)


def test_other_codes_may_have_done_something():
    """What is not in the table is not known."""
    error = refusal(hiredis.ReplyError("ERR unknown command"))

    assert type(error) is errors.InvalidRequest
    assert (error.code, error.request_sent) == ("ERR", "maybe")
