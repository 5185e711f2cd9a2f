"""What a board remembers of its calls, by address."""

import asyncio
import subprocess
import sys
import threading
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from functools import partial
from operator import methodcaller

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pegboard import (
    LLMProvider,
    Options,
    Pegboard,
    errors,
    hookimpl,
    prices,
    sync,
)
from pegboard._observers.call_rows import read
from pegboard._policy.accounts import Account, Accounts, Histogram
from pegboard.contracts.batches import Batch, BatchResult
from pegboard.contracts.chat import (
    ChatRequest,
    Finished,
    Message,
    Reply,
    Text,
    TextDelta,
    Usage,
    UsageSoFar,
)
from pegboard.contracts.embeddings import EmbeddingRequest, Embeddings
from pegboard.contracts.images import GeneratedImages, ImageRequest
from pegboard.observers import Call, CallFinished
from pegboard.stats import Latency

REQUEST = ChatRequest(messages=(Message.of("user", "hi"),))


def call(address="llm.x", *, provider="fake", request=REQUEST, **known):
    """Return a call that was made."""
    return Call(
        address=address,
        operation="complete",
        provider=provider,
        started=0.0,
        ends_at=120.0,
        clock=lambda: 0.0,
        request=request,
        **{"attempts": 1, **known},
    )


def reply(usage, model="m"):
    """Return a reply that took *usage*."""
    return Reply(parts=(Text("yes"),), finish_reason="stop", usage=usage, model=model)


finished, failed = partial(methodcaller, "finish"), partial(methodcaller, "fail")
retried, turned = partial(methodcaller, "retry"), partial(methodcaller, "turn")


def stats_after(*entries, now=1000.0):
    """Return the stats of an account with *entries*."""
    account = Account(lambda: now)
    for enter in entries:
        enter(account)
    return account.stats()


# --- what is counted ---


def test_nothing_is_known_before_the_first_call():
    """An address that nobody called has no stats."""
    assert Accounts(lambda: 0.0).stats() == {}


def test_success_is_counted():
    """A call that succeeds counts with its attempts, its time and its tokens."""
    usage = Usage(input=3, output=5)

    stats = stats_after(finished(call(attempts=2), 0.5, reply(usage)))

    assert (stats.calls, stats.succeeded, stats.attempts) == (1, 1, 2)
    assert (stats.last_success, stats.last_failure) == (1000.0, None)
    assert stats.usage == usage
    assert stats.latency.longest == 0.5


def test_failure_is_counted_by_its_error():
    """A call that fails counts under its error's name; the last one's words stay."""
    stats = stats_after(
        failed(call(), errors.RateLimited("slow down")),
        failed(call(), errors.Unavailable("gone")),
    )

    assert stats.failures == {"RateLimited": 1, "Unavailable": 1}
    assert (stats.failed, stats.succeeded) == (2, 0)
    assert (stats.last_failure, stats.last_error) == (1000.0, "gone")
    assert stats.latency == Latency()


@pytest.mark.parametrize(
    ("error", "works"),
    [
        (errors.ContextLengthExceeded("too long"), True),
        (errors.NotFound("no such key"), True),
        (errors.Conflict("changed"), True),
        (errors.Authentication("no"), False),
        (errors.Unavailable("gone"), False),
    ],
)
def test_refusing_a_wrong_call_shows_that_a_service_works(error, works):
    """Such a call failed, but the service answered it."""
    stats = stats_after(failed(call(), error))

    assert (stats.failed, stats.last_failure) == (1, 1000.0)
    assert stats.last_answer == (1000.0 if works else None)


def test_retry_is_counted_by_its_error():
    """An attempt that is made again is no failed call."""
    stats = stats_after(
        retried(errors.RateLimited("slow down")),
        finished(call(attempts=2), 0.5, reply(Usage())),
    )

    assert (stats.retries, stats.retried) == (1, {"RateLimited": 1})
    assert (stats.calls, stats.failed) == (1, 0)


def test_cancelled_call_is_nobodys_fault():
    """What the program gives up is neither success nor failure."""
    stats = stats_after(failed(call(), asyncio.CancelledError()))

    assert (stats.calls, stats.cancelled) == (1, 1)
    assert (stats.failed, stats.succeeded, stats.last_failure) == (0, 0, None)


def test_breaker_and_its_trips_are_counted():
    """The state is the last one; opening again from half-open is a trip too."""
    states = ["open", "half-open", "open", "half-open"]

    stats = stats_after(*(turned(None, state) for state in states))

    assert (stats.breaker, stats.trips) == ("half-open", 2)


def test_of_several_breakers_the_worst_is_told():
    """An instance may have one for each of its models."""
    changes = [
        turned("large", "open"),
        turned("small", "open"),
        turned("small", "closed"),
    ]

    stats = stats_after(*changes)

    assert (stats.breaker, stats.trips) == ("open", 2)


def test_addresses_are_apart():
    """Each address counts its own."""
    accounts = Accounts(lambda: 0.0)
    accounts.of("llm.b").finish(call("llm.b"), 0.5, reply(Usage(input=1)))
    accounts.of("llm.a").finish(call("llm.a"), 0.5, reply(Usage(input=2)))

    inputs = {address: one.usage.input for address, one in accounts.stats().items()}
    assert inputs == {"llm.a": 2, "llm.b": 1}


# --- tokens ---


@pytest.mark.parametrize(
    "last",
    [
        Finished(finish_reason="stop", model="m", usage=Usage(output=7)),
        Finished(finish_reason="stop", model="m"),
        TextDelta("a"),
    ],
)
def test_stream_counts_what_it_told_last(last):
    """A stream that is left early counts what it had told by then."""
    left = call(first_item=0.25, usage=Usage(output=7), streams=True)

    stats = stats_after(finished(left, 0.5, last))

    assert (stats.usage.output, stats.unknown_usage) == (7, 0)
    assert stats.first_item.longest == 0.25


@pytest.mark.parametrize(
    "last",
    [
        None,
        TextDelta("a"),
        Finished(finish_reason="stop", model="m"),
        reply(Usage(estimated=True)),
    ],
)
def test_usage_that_nobody_told_is_unknown(last):
    """Tokens are not made up: what is unknown is counted as that."""
    stats = stats_after(finished(call(streams=True), 0.5, last))

    assert (stats.usage, stats.unknown_usage) == (Usage(), 1)


def test_broken_stream_has_used_something_unknown():
    """What a stream took before it broke is not told by anyone."""
    broken = errors.ConnectionFailed("broke", in_stream=True)

    stats = stats_after(failed(call(first_item=0.25, streams=True), broken))

    assert (stats.usage, stats.unknown_usage) == (Usage(), 1)


def test_broken_stream_counts_what_it_told_last():
    """What was told before it broke was used."""
    broken = errors.ConnectionFailed("broke", in_stream=True)
    told = call(first_item=0.25, usage=Usage(output=7), streams=True)

    stats = stats_after(failed(told, broken))

    assert (stats.usage.output, stats.unknown_usage) == (7, 0)


def test_calls_to_other_things_than_models_use_no_tokens():
    """A message that is posted has no usage, not an unknown one."""
    stats = stats_after(finished(call(request="#ops"), 0.5, "posted"))

    assert (stats.usage, stats.unknown_usage) == (Usage(), 0)


def test_whatever_has_tokens_counts_them():
    """Embeddings and pictures are accounted for as replies are."""
    embeddings = Embeddings(vectors=(), model="e", usage=Usage(input=5))
    images = GeneratedImages(images=(), model="p", usage=Usage(input=1, output=9))
    asked = EmbeddingRequest(texts=("a",))

    stats = stats_after(
        finished(call(request=asked), 0.5, embeddings),
        finished(call(request=ImageRequest(prompt="a")), 0.5, images),
    )

    assert stats.usage == Usage(input=6, output=9)
    assert [one.model for one in stats.spent] == ["e", "p"]


def test_service_that_counts_no_tokens_leaves_them_unknown():
    """Pictures may cost something, even if the service speaks of no tokens."""
    images = GeneratedImages(images=(), model="p")

    stats = stats_after(finished(call(request=ImageRequest(prompt="a")), 0.5, images))

    assert (stats.usage, stats.unknown_usage) == (Usage(), 1)


def test_reply_that_is_no_good_was_paid_for():
    """A call that fails by what the reply says has used its tokens."""
    error = errors.InvalidReply("is too short")
    error.partial = reply(Usage(output=7), "m")

    stats = stats_after(failed(call(), error))

    assert (stats.failed, stats.usage.output, stats.unknown_usage) == (1, 7, 0)
    assert stats.spent[0].model == "m"


def test_stream_with_a_bad_end_was_paid_for():
    """What it told last counts, where the reply itself does not say."""
    error = errors.InvalidReply("is too short")
    error.partial = reply(Usage(estimated=True), "m")
    left = call(first_item=0.25, usage=Usage(output=7), streams=True)

    assert stats_after(failed(left, error)).usage.output == 7


def test_counting_tokens_uses_none():
    """The request is that of a chat, but the model does not answer it."""
    stats = stats_after(finished(call(), 0.5, 12))

    assert (stats.usage, stats.unknown_usage) == (Usage(), 0)


# --- money ---


def test_embeddings_cost_what_the_price_list_says():
    """The cost of anything that tells its tokens and its model is known."""
    made = Embeddings(
        vectors=(), model="text-embedding-3-small", usage=Usage(input=10**6)
    )

    assert prices.cost(made, "openai") == Decimal("0.02")


def test_cost_of_untold_tokens_is_unknown():
    """What a service does not count has no price here."""
    images = GeneratedImages(images=(), model="gpt-image-1")

    assert prices.cost(images, "openai") is None


def spent(provider, model, *usages):
    """Return the stats after calls to *model* that took *usages*."""
    return stats_after(
        *(
            finished(call(provider=provider), 0.5, reply(usage, model))
            for usage in usages
        )
    )


def test_cost_is_that_of_the_price_list():
    """Half the price per million, for half a million tokens of each bucket."""
    usage = Usage(input=500_000, output=400_000, reasoning=100_000)

    stats = spent("openai", "gpt-5-nano", usage)

    assert stats.cost == prices.cost(reply(usage, "gpt-5-nano"), "openai")
    assert stats.cost == Decimal("0.05") / 2 + Decimal("0.40") / 2
    assert stats.unpriced == 0


def test_cached_tokens_are_cheaper():
    """Buckets that do not overlap are priced each as what it is."""
    new = prices.cost(reply(Usage(input=1000), "gpt-5-nano"), "openai")
    cached = prices.cost(reply(Usage(cache_read=1000), "gpt-5-nano"), "openai")

    assert 0 < cached < new


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("fake", "gpt-5-nano"),
        ("openai", "no-such-model"),
        ("openai-compatible", "gpt-5-nano"),
        ("openai", ""),
    ],
)
def test_unknown_price_is_not_zero(provider, model):
    """What is not in the list has no price."""
    stats = spent(provider, model, Usage(input=5), Usage(input=5))

    assert (stats.cost, stats.unpriced) == (None, 2)
    assert prices.cost(reply(Usage(input=5), model), provider) is None


@settings(deadline=None)  # the first asks for the price list, which takes a while
@given(
    st.lists(
        st.builds(
            Usage,
            input=st.integers(0, 300_000),
            cache_read=st.integers(0, 300_000),
            output=st.integers(0, 10_000),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_sum_costs_what_its_calls_cost(usages):
    """Long calls have other prices than short ones, also when they are summed up."""
    model = "claude-sonnet-4-5"
    assume(all(one.input + one.cache_read != 200_000 for one in usages))

    stats = spent("anthropic", model, *usages)

    each = [prices.cost(reply(one, model), "anthropic") for one in usages]
    assert stats.cost == pytest.approx(sum(each), abs=Decimal("1e-10"))
    assert stats.usage == sum(usages, Usage())


@pytest.mark.parametrize("asked", [None, "gpt-5-nano"])
def test_stream_left_early_is_priced_by_the_model_that_was_asked(asked):
    """Only the last event of a stream names the model: that of the request counts."""
    left = call(
        provider="openai",
        request=replace(REQUEST, model=asked),
        usage=Usage(output=10**6),
        first_item=0.25,
        streams=True,
    )
    left.model = "gpt-5-nano" if asked is None else "another"

    assert stats_after(finished(left, 0.5, TextDelta("a"))).cost == Decimal("0.40")


def test_told_cost_goes_before_the_price_list():
    """A service knows best what it charges."""
    told = Usage(input=500_000, cost=0.25)

    stats = spent("openai", "gpt-5-nano", told, told, Usage(input=500_000))

    assert prices.cost(reply(told, "gpt-5-nano"), "openai") == Decimal("0.25")
    assert stats.cost == Decimal("0.5") + Decimal("0.025")
    assert spent("fake", "m", told).cost == Decimal("0.25")


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Usage(input=1, cost=0.5), Usage(input=1, cost=0.25), 0.75),
        (Usage(input=1, cost=0.5), Usage(input=1), None),
        (Usage(input=1, cost=0.5), Usage(), 0.5),
        (Usage(cost=0.5), Usage(cost=0.25), 0.75),
        (Usage(), Usage(), None),
    ],
)
def test_sum_has_a_cost_if_each_part_has(one, other, both):
    """A part that nobody told of would be left out without a word."""
    assert (one + other).cost == (other + one).cost == both


# --- batches ---


def result(name, model, usage):
    """Return what became of one request of a batch."""
    return BatchResult(name, reply(usage, model))


class Batching:
    """A model whose batch has three results, one of them an error."""

    def __init__(self, _options, _context):
        pass

    async def submit_batch(self, _items):
        return Batch(id="b-1", state="done", total=4)

    get_batch = cancel_batch = submit_batch

    async def batch_results(self, _batch_id):
        yield result("1", "gpt-5-nano", Usage(input=1000, output=10))
        yield BatchResult("2", error=errors.Overloaded("Too much."))
        yield result("3", "gpt-5-nano", Usage(input=2000, output=20))
        yield result("4", "other", Usage(input=1, cost=0.5))


async def results_of(llm, most=4):
    """Read the results of a batch."""
    async with aclosing(llm.batches.results("b-1")) as results:
        for _ in range(most):
            await anext(results)


def batching_board(**settings):
    """Return a board whose model only has a batch."""
    offer = LLMProvider(
        name="batching",
        factory=Batching,
        options=Options,
        contracts={"BatchChat": 1},
    )

    class Plugin:
        @hookimpl
        def pegboard_llm_providers(self):
            return [offer]

    section = {"provider": "batching"}
    given = {"llm": {"default": section}, **settings}
    return Pegboard.isolated(given, plugins=[Plugin()])


@pytest.mark.parametrize(("most", "read"), [(4, 3001), (1, 1000)])
async def test_results_of_a_batch_count_their_tokens(most, read):
    """By model; as far as they were read, and without a price if none is told."""
    async with batching_board() as board:
        await results_of(board.llm(), most)
        stats = board.stats()["llm.default"]

    known = {one.model: one for one in stats.spent}
    assert (stats.usage.input, stats.calls) == (read, 1)
    assert all(one.in_batches for one in stats.spent)
    assert known["gpt-5-nano"].cost is None
    assert stats.cost == (Decimal("0.5") if most == 4 else None)


async def test_results_of_a_batch_are_a_row(tmp_path):
    """With all their tokens, but no price of a list."""
    log = {"calls": {"record": True}, "data_folder": str(tmp_path)}
    async with batching_board(**log) as board:
        await results_of(board.llm(), 3)

    (row,) = read(tmp_path / "calls" / "calls.sqlite", [], 9)
    assert (row.operation, row.model) == ("batch_results", "gpt-5-nano")
    assert (row.input, row.output, row.cost) == (3000, 30, None)


def test_kinds_of_calls_are_bounded():
    """A program that names another model each time does not fill the memory."""
    replies = (reply(Usage(input=1), f"m{number}") for number in range(3000))

    stats = stats_after(*(finished(call(), 0.5, one) for one in replies))

    assert len(stats.spent) <= 1001
    assert (stats.usage.input, stats.unpriced) == (3000, 3000)


def test_missing_price_list_says_what_to_install():
    """Who asks for a cost is told; stats do without one."""
    program = (
        "import sys; sys.modules['genai_prices'] = None\n"
        "import importlib.util; importlib.util.find_spec = lambda name: None\n"
        "from pegboard import Reply, Usage\n"
        "from pegboard.prices import cost, price\n"
        "print(price(Usage(input=1), 'openai', 'gpt-5-nano'))\n"
        "usage = Usage(input=1)\n"
        "r = Reply(parts=(), finish_reason='stop', usage=usage, model='gpt-5-nano')\n"
        "cost(r, 'openai')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert run.stdout == "None\n"
    assert "PluginError: There is no price list." in run.stderr
    assert "pip install 'pegboard[prices]'" in run.stderr


# --- time ---


@given(st.lists(st.floats(1e-5, 1e4), min_size=1, max_size=200))
def test_percentiles_are_near_the_true_ones(seconds):
    """Buckets blur a percentile by 3 % at most; the longest is exact."""
    histogram = Histogram()
    for one in seconds:
        histogram.add(one)
    latency, ordered = histogram.latency(), sorted(seconds)

    for found, share in ((latency.p50, 0.5), (latency.p95, 0.95), (latency.p99, 0.99)):
        true = ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
        assert found == pytest.approx(true, rel=0.03)
    assert (latency.count, latency.longest) == (len(seconds), ordered[-1])


@given(st.lists(st.lists(st.floats(1e-5, 1e4), max_size=50), max_size=5))
def test_sum_has_the_percentiles_of_all_together(processes):
    """However calls are spread over processes, the result is the same."""
    parts, whole = [Histogram() for _ in processes], Histogram()
    for part, durations in zip(parts, processes, strict=True):
        for one in durations:
            part.add(one)
            whole.add(one)

    assert sum((part.latency() for part in parts), Latency()) == whole.latency()


def test_stats_add_up():
    """Counts are summed; of what happened last, the later is kept."""
    early = errors.Unavailable("early", retryable=True)
    one = Account(lambda: 5.0), Account(lambda: 9.0)
    one[0].fail(call(), early)
    one[0].retry(early)
    one[0].turn(None, "open")
    one[1].fail(call(), errors.NotFound("late"))
    one[1].finish(call(), 0.5, reply(Usage(input=3)))

    for both in (one[0].stats() + one[1].stats(), one[1].stats() + one[0].stats()):
        assert (both.calls, both.attempts, both.retries, both.trips) == (3, 3, 1, 1)
        assert both.failures == {"Unavailable": 1, "NotFound": 1}
        assert (both.last_failure, both.last_error) == (9.0, "late")
        assert (both.breaker, both.usage.input) == ("open", 3)
        assert both.latency.count == 1


@pytest.mark.parametrize("seconds", [0.0, 1e-9])
def test_no_time_at_all_is_a_time_too(seconds):
    """A call in virtual time may take none."""
    histogram = Histogram()
    histogram.add(seconds)

    assert (histogram.latency().count, histogram.latency().p50) == (1, seconds)


def test_memory_does_not_grow_with_calls():
    """Any number of calls of any length fits the same few buckets."""
    histogram = Histogram()
    for exponent in range(-400, 200):
        for step in range(1, 50):
            histogram.add(min(1e6, 1.1**exponent * step))

    assert len(histogram._counts) < 700


# --- threads ---


def test_threads_lose_no_count():
    """Loops in several threads may share a board."""
    account = Account(lambda: 0.0)
    enter = finished(call(), 0.5, reply(Usage(input=1)))

    def work():
        for _ in range(5_000):
            enter(account)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    stats = account.stats()
    assert (stats.calls, stats.usage.input) == (20_000, 20_000)
    assert stats.latency.count == 20_000


# --- on the board ---


async def test_board_tells_its_stats():
    """Every board keeps accounts; nothing has to be configured."""
    fake = {
        "provider": "fake",
        "failures": ["RateLimited"],
        "policy": {"backoff": 0},
    }
    async with Pegboard.isolated(
        {"llm": {"default": fake}}, clock=lambda: 7.0
    ) as board:
        await board.llm().complete("Hello.")
        stats = board.stats()["llm.default"]

    assert (stats.calls, stats.attempts, stats.retries) == (1, 2, 1)
    assert stats.last_success == 7.0
    assert stats.usage.total > 0


async def test_left_stream_counts_as_a_success():
    """Who leaves a stream got what they wanted."""
    settings = {"llm": {"default": {"provider": "fake", "replies": ["a b c d e f"]}}}
    async with Pegboard.isolated(settings) as board:
        async with board.llm().stream("Hello.") as stream:
            async for _ in stream:
                break
        stats = board.stats()["llm.default"]

    assert (stats.calls, stats.succeeded, stats.unknown_usage) == (1, 1, 1)
    assert stats.first_item.count == 1


async def test_left_stream_counts_what_it_told_before_its_last_words():
    """Also where the last event is another one."""

    class Chat:
        def __init__(self, options, context):
            assert options
            assert context

        async def complete(self, request):
            raise AssertionError(request)

        async def stream(self, request):
            yield UsageSoFar(Usage(input=len(request.messages), output=1))
            yield TextDelta("a")
            yield TextDelta("b")

    class Plugin:
        @hookimpl
        def pegboard_llm_providers(self):
            return [
                LLMProvider(
                    name="chat",
                    factory=Chat,
                    options=Options,
                    contracts={"ChatModel": 1, "StreamingChat": 1},
                )
            ]

    settings = {"llm": {"default": {"provider": "chat"}}}
    async with Pegboard.isolated(settings, plugins=[Plugin()]) as board:
        async with board.llm().stream("Hello.") as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    break
        stats = board.stats()["llm.default"]

    assert (stats.usage, stats.unknown_usage) == (Usage(input=1, output=1), 0)


async def test_observers_of_plugins_find_the_call_counted():
    """The accounts are told first."""
    seen = []

    class Plugin:
        @hookimpl
        def pegboard_observers(self):
            return [self]

        def notify(self, event):
            if isinstance(event, CallFinished):
                seen.append(board.stats()["llm.default"].calls)

    settings = {"llm": {"default": {"provider": "fake"}}}
    async with Pegboard.isolated(settings, plugins=[Plugin()]) as board:
        await board.llm().complete("Hello.")

    assert seen == [1]


def test_blocking_board_tells_its_stats():
    """The same, without async."""
    settings = {"llm": {"default": {"provider": "fake"}}}
    with sync.Pegboard.isolated(settings) as board:
        board.llm().complete("Hello.")

        assert board.stats()["llm.default"].calls == 1
