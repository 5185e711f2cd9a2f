from __future__ import annotations

import asyncio
import random
import time
from functools import partial
from pathlib import Path
from uuid import uuid4

import hiredis
import pytest
from pegboard import Context, errors
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.clock import VirtualTimeLoop
from pegboard.testing.histories import RegisterCall, is_linearizable
from pegboard.testing.leaks import no_leaks
from pegboard.testing.tcp_proxy import TcpProxy
from pegboard_redis._key_value import RedisKeyValue
from pegboard_redis.options import RedisOptions

BIG = "x" * 8_000_000
"""More than sockets and the transport hold together."""


@pytest.fixture
async def proxy(shared_valkey):
    """Return a connection to the server that can be broken."""
    async with TcpProxy(shared_valkey.host, shared_valkey.port) as proxy:
        yield proxy


@pytest.fixture
def far(make_store, proxy):
    """Return a store behind the proxy."""
    return make_store(f"redis://{proxy.host}:{proxy.port}")


async def outcomes(tasks):
    """Return what became of *tasks*: a value, or an error."""
    return await asyncio.gather(*tasks, return_exceptions=True)


def start(*calls):
    """Begin all *calls* in one turn."""
    return [asyncio.create_task(call) for call in calls]


async def arrivals(lane):
    """Forget what has come to *lane* so far, and wait for more."""
    while not lane._arrivals.empty():
        lane._arrivals.get_nowait()
    return await lane.next_chunk()


class TestSharing:
    async def test_commands_of_one_turn_leave_together(self, far, proxy):
        """Sixty-four readers send one packet, and each gets what is theirs."""
        await asyncio.gather(*(far.set(f"key{n}", n) for n in range(64)))
        reading = start(*(far.get(f"key{n}") for n in range(64)))
        chunk = await arrivals(proxy.to_server)

        assert chunk.count(b"\r\nGET\r\n") == 64
        assert await asyncio.gather(*reading) == list(range(64))

    async def test_one_connection_serves_all(self, make_store, server):
        """However many call at once, the server sees one client."""
        store = make_store(server.url)
        await asyncio.gather(*(store.incr("key") for _ in range(500)))

        assert server.connections() == 1
        assert await store.get("key") == 500

    async def test_more_connections_share_the_load(self, make_store, server):
        """Up to so many are opened, and only if there is something to do for each."""
        store = make_store(server.url, connections=3)
        await store.incr("key")
        assert server.connections() == 1

        await asyncio.gather(*(store.incr("key") for _ in range(50)))
        assert server.connections() == 3
        assert await store.get("key") == 51

    async def test_answers_may_come_in_any_pieces(self, make_store, shared_valkey):
        """Bytes that come one by one are put together."""
        place = shared_valkey.host, shared_valkey.port
        async with TcpProxy(*place, chunk_size=1) as proxy:
            store = make_store(f"redis://{proxy.host}:{proxy.port}")
            numbers = range(20)
            await asyncio.gather(*(store.set(f"é{n}", ["é", n]) for n in numbers))
            found = await asyncio.gather(*(store.get(f"é{n}") for n in numbers))

        assert found == [["é", n] for n in numbers]

    async def test_big_values_and_small_ones_go_together(self, store):
        """Values beyond what a socket takes at once arrive whole, both ways."""
        values = {f"key{n}": [n, BIG if n % 5 == 0 else n] for n in range(20)}
        await asyncio.gather(*(store.set(key, v) for key, v in values.items()))
        found = await asyncio.gather(*map(store.get, values))

        assert found == list(values.values())


class TestCancellation:
    async def test_cancelled_callers_shift_no_answer(self, far, proxy):
        """Who gives up while the answer is under way takes nobody else's."""
        await asyncio.gather(*(far.set(f"key{n}", n) for n in range(50)))
        proxy.to_client.hold()
        reading = start(*(far.get(f"key{n}") for n in range(50)))
        await arrivals(proxy.to_client)
        for task in reading[::3]:
            task.cancel()
        proxy.to_client.pass_on()
        later = start(*(far.get(f"key{n}") for n in range(50)))
        found = await outcomes(reading)

        assert [n for n, one in enumerate(found) if one != n] == [*range(0, 50, 3)]
        assert all(task.cancelled() for task in reading[::3])
        assert await asyncio.gather(*later) == list(range(50))

    async def test_storm_of_cancellations_mixes_up_nothing(self, far):
        """Whoever gives up whenever, each other caller reads what belongs to them."""
        chance = random.Random(7)  # noqa: S311 - no secret
        await asyncio.gather(*(far.set(f"key{n}", n) for n in range(64)))
        answered = given_up = 0
        for _ in range(60):
            tasks = start(*(far.get(f"key{n}") for n in range(64)))
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(0)
            for task in chance.sample(tasks, 20):
                task.cancel()
            for number, found in enumerate(await outcomes(tasks)):
                given_up += isinstance(found, asyncio.CancelledError)
                answered += found == number
        assert answered + given_up == 60 * 64
        assert given_up > 500
        assert await far.get("key7") == 7

    async def test_cancelled_before_it_leaves_is_never_sent(self, store):
        """A call that is given up in the turn that it was made in does nothing."""
        await store.get("key")
        connection = (await store._client._lines.get())[0]._connection
        doomed = connection.send("INCR", store._prefix + "counter")
        kept = connection.send("INCR", store._prefix + "counter")
        doomed.cancel()

        assert await kept == 1

    async def test_cancelled_anywhere_leaves_all_in_order(self, make_store, server):
        """Cancel a call wherever it waits, also while connecting: the rest is well."""
        stores = []

        async def use():
            stores.append(make_store(server.url))
            await stores[-1].set("key", 1)
            await stores[-1].incr("key")

        async def check():
            assert await stores[-1].get("other") is None
            await stores[-1].aclose()
            assert server.call("PING") == "PONG"

        async with no_leaks():
            assert await cancel_at_every_await(use, check) >= 3
        assert server.connections() == 0

    async def test_cancelled_caller_leaves_connecting_to_the_others(self, far, proxy):
        """The first caller may give up; those who wait with it are served."""
        proxy.to_client.hold()
        first, second = start(far.set("a", 1), far.set("b", 2))
        await proxy.to_server.next_chunk()
        first.cancel()
        proxy.to_client.pass_on()

        await second
        assert first.cancelled()
        assert (await far.scan()).keys == ("b",)


class TestLoss:
    @pytest.mark.parametrize("break_it", ["reset", "end"])
    async def test_lost_connection_fails_what_was_under_way(self, far, proxy, break_it):
        """What had left may have been done; the next call finds the server again."""
        await far.incr("key")  # and the server knows the script
        proxy.to_client.hold()
        calls = start(*(far.incr(f"key{n}") for n in range(10)))
        await arrivals(proxy.to_client)
        proxy.reset() if break_it == "reset" else proxy.to_client.end()
        failed = await outcomes(calls)
        proxy.to_client.pass_on()

        assert {type(error) for error in failed} == {errors.ConnectionFailed}
        assert {error.request_sent for error in failed} == {"maybe"}
        assert {error.address for error in failed} == {"storage.kit"}
        assert len({id(error) for error in failed}) == 10
        assert await far.get("key") == 1
        assert await far.get("key3") == 1

    async def test_connection_that_is_lost_at_once_had_taken_nothing(self, far, proxy):
        """Before the server has said hello, no call has left."""
        proxy.to_client.hold()
        calls = start(*(far.incr("key") for _ in range(5)))
        await proxy.to_server.next_chunk()
        proxy.reset()
        failed = await outcomes(calls)
        proxy.to_client.pass_on()

        assert {type(error) for error in failed} == {errors.ConnectionFailed}
        assert {error.request_sent for error in failed} == {"no"}
        assert await far.incr("key") == 1

    async def test_what_had_not_left_is_known_not_to_be_done(self, far, proxy):
        """Commands behind a full connection fail as not sent, and have no effect."""
        await far.set("key", 0)
        proxy.to_server.hold()
        big = start(*(far.set(f"big{n}", BIG) for n in range(4)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        small = start(*(far.set(f"small{n}", 1) for n in range(10)))
        await arrivals(proxy.to_server)
        proxy.reset()
        lost, unsent = await outcomes(big), await outcomes(small)
        proxy.to_server.pass_on()

        assert {error.request_sent for error in lost} == {"maybe"}
        assert {error.request_sent for error in unsent} == {"no"}
        assert {type(error) for error in unsent} == {errors.ConnectionFailed}
        assert (await far.scan("small")).keys == ()
        assert await far.set("small0", 1)

    async def test_server_that_only_listens_is_lost(self, far, proxy):
        """One that will say nothing more is left, whatever it might still take."""
        await far.get("key")
        proxy.to_server.hold()
        calls = start(*(far.set(f"big{n}", BIG) for n in range(4)))
        await arrivals(proxy.to_server)
        proxy.to_client.end()
        failed = await asyncio.wait_for(outcomes(calls), 30)
        proxy.to_server.pass_on()

        assert {type(error) for error in failed} == {errors.ConnectionFailed}

    async def test_histories_are_linearizable_though_connections_break(
        self, make_store, proxy
    ):
        """What says it was not sent was not done; what says maybe may have been."""
        chance = random.Random(3)  # noqa: S311 - no secret
        url = f"redis://{proxy.host}:{proxy.port}"
        stores = [make_store(url, prefix="history:") for _ in range(4)]
        unanswered = 0
        for round_ in range(150):
            playing = start(
                *(
                    play(store, f"{round_}", f"{n}", chance)
                    for n, store in enumerate(stores)
                )
            )
            for _ in range(chance.randrange(40)):
                await asyncio.sleep(0)
            if round_ % 2:
                proxy.reset()
            calls = [call for one in await asyncio.gather(*playing) for call in one]
            unanswered += sum(not call.answered for call in calls)
            assert is_linearizable(calls), calls

        assert unanswered > 20


async def test_histories_are_linearizable_though_the_server_is_killed(
    make_store, start_server
):
    """What a server acknowledged that writes to disk at once is there afterwards."""
    chance = random.Random(5)  # noqa: S311 - no secret
    server = start_server("--appendonly", "yes", "--appendfsync", "always")
    stores = [make_store(server.url, prefix="history:") for _ in range(4)]
    unanswered = 0
    for round_ in range(15):
        playing = start(
            *(
                play(store, f"{round_}", f"{n}", chance)
                for n, store in enumerate(stores)
            )
        )
        for _ in range(chance.randrange(5, 25)):
            await asyncio.sleep(0)
        server.kill()
        calls = [call for one in await asyncio.gather(*playing) for call in one]
        server.start()
        calls += await play(stores[0], f"{round_}", "last", chance)
        unanswered += sum(not call.answered for call in calls)
        assert is_linearizable(calls), calls

    assert unanswered


async def play(store, key, name, chance):
    """Call the register *key* a few times; return what came of it."""
    calls, seen = [], None
    for number in range(3):
        kind, value = chance.choice(["read", "write", "swap"]), f"{name}.{number}"
        began = asyncio.get_running_loop().time()
        call = {"kind": kind, "value": value, "began": began, "swapped": True}
        call["expected"] = seen and seen.value
        try:
            if kind == "read":
                seen = await store.get_entry(key)
                call["value"] = seen and seen.value
            elif kind == "write":
                await store.set(key, value)
            elif seen:
                await store.set(key, value, if_version=seen.version)
            else:
                await store.set(key, value, if_absent=True)
        except errors.Conflict:
            call["swapped"] = False
        except errors.ConnectionFailed as error:
            if error.request_sent == "no" or kind == "read":
                continue
            calls.append(RegisterCall(**call))
            continue
        calls.append(RegisterCall(**call, ended=asyncio.get_running_loop().time()))
    return calls


def run_virtual(use, server, chunk_size=65536):
    """Run *use* with a store behind a proxy, in virtual time, and a patient loop."""

    async def main():
        async with TcpProxy(server.host, server.port, chunk_size=chunk_size) as proxy:
            url = f"redis://{proxy.host}:{proxy.port}"
            options = RedisOptions(url=url, prefix=uuid4().hex, timeout=10)
            store = RedisKeyValue(options, Context("storage.kit", Path("unused")))
            await use(store, proxy)
            await store.aclose()

    loop_factory = partial(VirtualTimeLoop, patience=0.2)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main())


class TestSilence:
    def test_silent_server_is_a_timeout(self, shared_valkey):
        """No answer in time ends the connection, and the next call makes another."""

        async def use(store, proxy):
            await store.incr("key", 7)
            proxy.to_client.swallow()
            began = asyncio.get_running_loop().time()
            failed = await outcomes(start(store.get("key"), store.incr("key")))
            took = asyncio.get_running_loop().time() - began
            proxy.to_client.pass_on()

            assert {type(error) for error in failed} == {errors.Timeout}
            assert {error.request_sent for error in failed} == {"maybe"}
            assert all(error.retryable for error in failed)
            assert took == pytest.approx(10)
            assert await store.get("key") == 8

        run_virtual(use, shared_valkey)

    def test_steady_answers_are_no_silence(self, shared_valkey):
        """The limit is for each answer, and an idle connection owes none."""

        async def use(store, proxy):
            for pause in (3, 8, 40, 11):
                await store.incr("key")
                await asyncio.sleep(pause)
            connection = (await store._client._lines.get())[0]._connection

            assert proxy
            assert connection.is_open
            assert connection.load == 0
            assert connection._alarm is None

        run_virtual(use, shared_valkey)

    def test_slow_answer_is_no_silence(self, shared_valkey):
        """A big value may take longer than the timeout, as long as it comes."""

        async def use(store, proxy):
            await store.set("key", "x" * 1_000_000)
            proxy.to_client.hold()
            (reading,) = start(store.get("key"))
            for _ in range(4):
                await asyncio.sleep(6)
                assert not reading.done()
                proxy.to_client.release(1)
            proxy.to_client.pass_on()
            assert len(await reading) == 1_000_000

        run_virtual(use, shared_valkey)

    def test_slow_request_is_no_silence(self, shared_valkey):
        """The same holds for a big value that goes."""

        async def use(store, proxy):
            await store.ping()
            proxy.to_server.hold()
            (writing,) = start(store.set("key", "x" * 40_000_000))
            for _ in range(4):
                await asyncio.sleep(6)
                assert not writing.done()
                proxy.to_server.release(100)
            connection = (await store._client._lines.get())[0]._connection
            assert connection.is_open
            writing.cancel()

        run_virtual(use, shared_valkey)

    def test_request_that_is_stuck_is_a_timeout(self, shared_valkey):
        """A server that takes nothing is not waited for."""

        async def use(store, proxy):
            await store.ping()
            proxy.to_server.hold()
            began = asyncio.get_running_loop().time()
            (failed,) = await outcomes(start(store.set("key", "x" * 40_000_000)))

            assert isinstance(failed, errors.Timeout)
            assert asyncio.get_running_loop().time() - began <= 20.5

        run_virtual(use, shared_valkey)

    async def test_busy_program_is_no_silence(self, make_store, shared_valkey):
        """Answers that came while the event loop was held up are read first."""
        store = make_store(shared_valkey.url, timeout=0.5)
        await store.set("key", "x" * 2_000_000)
        reading = start(*(store.get("key") for _ in range(4)))
        for _ in range(3):
            await asyncio.sleep(0)
        time.sleep(1)  # noqa: ASYNC251 - what a program must not do, and does

        assert {len(value) for value in await asyncio.gather(*reading)} == {2_000_000}


class TestStrangers:
    @pytest.mark.parametrize(
        "said",
        [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+PONG\r\n+PONG\r\n", b"\x15\x03"],
    )
    async def test_what_does_not_speak_as_redis_is_refused(self, make_store, said):
        """An answer that makes no sense is an error that names the place."""

        async def answer(reader, writer):
            await reader.read(100)
            writer.write(said)
            await reader.read()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as stranger:
            port = stranger.sockets[0].getsockname()[1]
            store = make_store(
                f"redis://127.0.0.1:{port}", connect_timeout=5, timeout=1
            )
            with pytest.raises(errors.CallError, match=f"127.0.0.1:{port}") as caught:
                await store.get("key")
            await store.aclose()

        assert caught.value.address == "storage.kit"
        assert isinstance(caught.value, errors.ConnectionFailed | errors.InvalidReply)
        assert caught.value.request_sent == "no"

    async def test_answer_that_nobody_asked_for_ends_the_connection(self, make_store):
        """Rather no answer than one of somebody else's."""
        extra = asyncio.Event()

        async def answer(reader, writer):
            reader_of_commands = hiredis.Reader()
            while chunk := await reader.read(1000):
                reader_of_commands.feed(chunk)
                while reader_of_commands.gets() is not False:
                    writer.write(b"+PONG\r\n")
                if extra.is_set():
                    writer.write(b"+PONG\r\n")
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as stranger:
            store = make_store(
                f"redis://127.0.0.1:{stranger.sockets[0].getsockname()[1]}"
            )
            await store.ping()
            connection = (await store._client._lines.get())[0]._connection
            extra.set()
            await store.ping()
            await asyncio.wait([connection._end])
            await store.aclose()

        assert not connection.is_open


def test_other_event_loops_will_do(shared_valkey):
    """Programs that serve the web often run on uvloop, which has its own transports."""
    uvloop = pytest.importorskip("uvloop", reason="it is not made for every system")

    async def main():
        options = RedisOptions(url=shared_valkey.url, prefix=uuid4().hex, timeout=60)
        store = RedisKeyValue(options, Context("storage.kit", Path("unused")))
        sums = await asyncio.gather(*(store.incr("key") for _ in range(64)))
        await store.set("big", BIG)
        big = await store.get("big")
        await store.aclose()
        return sums, big

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == ([*range(1, 65)], BIG)


class TestClosing:
    async def test_closing_waits_for_what_is_under_way(self, far, proxy):
        """Who has asked before gets an answer, and nothing is left open."""
        await far.incr("key")
        async with no_leaks():
            await far.aclose()
            await far.get("key")
            proxy.to_client.hold()
            calls = start(*(far.incr("key") for _ in range(5)), far.aclose())
            await arrivals(proxy.to_client)
            assert not any(call.done() for call in calls)
            proxy.to_client.pass_on()
            *sums, _ = await asyncio.gather(*calls)
            assert sums == [2, 3, 4, 5, 6]

    async def test_closing_waits_for_nobody_who_gave_up(self, far, proxy):
        """Answers that nobody wants hold up nothing."""
        await far.get("key")
        proxy.to_client.hold()
        (reading,) = start(far.get("key"))
        await arrivals(proxy.to_client)
        reading.cancel()
        await asyncio.wait([reading])
        await far.aclose()

    def test_closing_is_bounded(self, shared_valkey):
        """A server that is silent is not waited for longer than ever."""

        async def use(store, proxy):
            await store.get("key")
            proxy.to_client.swallow()
            reading, closing = start(store.get("key"), store.aclose())
            failed, _ = await outcomes([reading, closing])
            assert isinstance(failed, errors.Timeout)
            assert asyncio.get_running_loop().time() == pytest.approx(10)

        run_virtual(use, shared_valkey)

    async def test_closing_stops_connecting(self, far, proxy):
        """Those who wait for a connection are told."""
        proxy.to_client.hold()
        calls = start(far.get("key"), far.get("key"))
        await proxy.to_server.next_chunk()
        await far.aclose()
        failed = await outcomes(calls)

        assert {error.request_sent for error in failed} == {"no"}

    async def test_closed_store_can_be_used_again(self, store):
        """The next call opens a connection, and closing twice is no error."""
        await store.set("key", 1)
        await store.aclose()
        await store.aclose()

        assert await store.get("key") == 1

    async def test_loops_leave_no_connection(self, make_store, server):
        """Loops and threads have connections of their own, which end with them."""
        store = make_store(server.url)
        async with no_leaks():
            await asyncio.gather(
                *(asyncio.to_thread(asyncio.run, store.incr("key")) for _ in range(8))
            )
            await asyncio.to_thread(asyncio.run, store.incr("key"))

        assert await store.get("key") == 9
        assert server.connections() == 1
