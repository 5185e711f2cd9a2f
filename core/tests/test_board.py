"""The board: instances by name, their life, and what they never tell."""

import asyncio
import pickle
import threading

import pegboard
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard import ChatModel, KeyValue, Messenger, Options, Pegboard, PerLoop, errors
from pydantic import SecretStr

SECRET = "sk-sentinel-0123456789"


class ToyOptions(Options):
    """Options of a toy."""

    label: str = ""
    """A text."""
    key: SecretStr | None = None
    """A secret."""


class Toy:
    """A model that remembers what happens to it, and fails as it is told."""

    log: list = []
    close_error = None
    hangs_at_close = False

    def __init__(self, options, context):
        self.options = options
        self.context = context
        self.log.append(("made", context.address))

    async def complete(self, request):
        word = request.messages[-1].text
        if word == "leak":
            key = self.options.key.get_secret_value()
            cause = ValueError(f"401 for key {key}")
            msg = f"The service does not like {key}."
            raise errors.Authentication(msg) from cause
        if word == "crash":
            raise RuntimeError(self.options.key.get_secret_value())
        return pegboard.Reply(
            parts=(pegboard.Text(f"{self.options.label}:{word}"),),
            finish_reason="stop",
            usage=pegboard.Usage(input=1, output=1),
            model="toy-1",
        )

    async def aclose(self):
        self.log.append(("closed", self.context.address))
        if self.hangs_at_close and self.context.name == "hanging":
            await asyncio.Event().wait()
        if self.close_error and self.context.name == "failing":
            raise self.close_error


@pytest.fixture
def toy():
    """Return a fresh class of toys."""
    return type("FreshToy", (Toy,), {"log": []})


@pytest.fixture
def board_of(toy):
    """Return a function that makes a board of toys by name."""

    class Plugin:
        @pegboard.hookimpl
        def pegboard_llm_providers(self):
            return [
                pegboard.LLMProvider(
                    name="toy",
                    factory=toy,
                    options=ToyOptions,
                    contracts={"ChatModel": 1},
                )
            ]

    def make(*names, **options):
        section = {"provider": "toy", **options}
        given = {"llm": {name: {**section, "label": name} for name in names}}
        return Pegboard.isolated(given, plugins=[Plugin()])

    return make


# --- instances ---


def test_same_name_is_the_same_object(board_of):
    """Asking twice for a name gives one object, made once."""
    board = board_of("default")

    assert board.llm() is board.llm("default")


def test_nothing_is_made_before_it_is_asked_for(board_of, toy):
    """A board makes nothing by itself, and one instance at a time."""
    board = board_of("a", "b")
    assert toy.log == []

    board.llm("b")

    assert toy.log == [("made", "llm.b")]


def test_threads_share_one_instance(board_of, toy):
    """Many threads that ask at once get the same object."""
    board = board_of("default")
    found = []
    barrier = threading.Barrier(8)

    def ask():
        barrier.wait()
        found.append(board.llm())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(map(id, found))) == 1
    assert toy.log == [("made", "llm.default")]


def test_contract_of_another_family_is_refused():
    """A messenger is no storage."""
    with pytest.raises(errors.SettingsError, match="a contract of integrations"):
        Pegboard.isolated({}).storage("x", Messenger)


def test_what_is_no_contract_is_refused():
    """Something else than a contract is named as such."""
    with pytest.raises(errors.PluginError, match="is not a contract"):
        Pegboard.isolated({}).storage("x", dict)


def test_missing_contract_names_what_is_offered():
    """A provider that lacks the contract says what it has."""

    class Plugin:
        @pegboard.hookimpl
        def pegboard_contracts(self):
            return [Vectors]

    @pegboard.contract(family="storage", version=1)
    class Vectors:
        """A contract of a third party."""

    board = Pegboard.isolated(
        {"storage": {"x": {"provider": "memory"}}}, plugins=[Plugin()]
    )

    with pytest.raises(errors.SettingsError, match="does not offer Vectors") as caught:
        board.storage("x", Vectors)

    assert "It offers: KeyValue, " in str(caught.value)


def test_provider_without_its_operations_is_refused(toy):
    """A provider that claims a contract but lacks its operations is a broken plugin."""

    class Plugin:
        @pegboard.hookimpl
        def pegboard_llm_providers(self):
            contracts = {"ChatModel": 1, "StreamingChat": 1}
            return [
                pegboard.LLMProvider(
                    name="toy", factory=toy, options=ToyOptions, contracts=contracts
                )
            ]

    board = Pegboard.isolated(
        {"llm": {"default": {"provider": "toy"}}}, plugins=[Plugin()]
    )

    with pytest.raises(errors.PluginError, match="but has no stream"):
        board.llm()


def test_unconfigured_family_is_embedded(tmp_path, monkeypatch):
    """With no settings at all, storage is a file in the data folder."""
    monkeypatch.chdir(tmp_path)

    async def main():
        async with Pegboard.isolated({}) as board:
            await board.storage("anything", KeyValue).set("a", 1)

    asyncio.run(main())

    assert (tmp_path / ".pegboard" / "anything.sqlite").is_file()


def test_misspelt_storage_is_no_new_storage():
    """Where some storage is configured, another name is a typo and not a new file."""
    board = Pegboard.isolated({"storage": {"sessions": {"provider": "memory"}}})

    with pytest.raises(errors.SettingsError, match="Did you mean 'sessions'"):
        board.storage("sesions", KeyValue)


def test_internal_instance_is_the_providers_own_object():
    """What is internal is handed over bare: no layer between."""
    board = Pegboard.isolated({"storage": {"x": {"provider": "memory"}}})

    assert type(board.storage("x", KeyValue)).__module__ == "pegboard.builtin.memory"


def test_internal_instance_can_be_governed():
    """External = true puts an internal instance under the policy."""
    section = {"provider": "memory", "external": True}
    board = Pegboard.isolated({"storage": {"x": section}})

    assert "governed" in repr(board.storage("x", KeyValue))


def test_provider_is_the_plugins_own_object(board_of, toy):
    """Behind an instance is what the plugin made, for those who need it."""
    board = board_of("default")
    board.llm()

    assert type(board.provider("llm.default")) is toy
    assert toy.log == [("made", "llm.default")]


@pytest.mark.parametrize("ask", ["provider", "explain"])
def test_what_is_no_address_is_refused(ask, board_of):
    """An address begins with a family."""
    with pytest.raises(errors.SettingsError, match="Did you mean 'llm'"):
        getattr(board_of("default"), ask)("lm.default")


async def test_the_programs_own_observers_are_told(toy):
    """A plugin that the program brings need not be named to observe."""
    told = []

    class Watch:
        def notify(self, event):
            told.append((type(event).__name__, event.call.address))

    class Plugin:
        @pegboard.hookimpl
        def pegboard_observers(self):
            return [Watch()]

        @pegboard.hookimpl
        def pegboard_llm_providers(self):
            return [
                pegboard.LLMProvider(
                    name="toy",
                    factory=toy,
                    options=ToyOptions,
                    contracts={"ChatModel": 1},
                )
            ]

    given = {"llm": {"default": {"provider": "toy"}}}
    async with Pegboard.isolated(given, plugins=[Plugin()]) as board:
        await board.llm().complete("hi")

    assert told == [("CallStarted", "llm.default"), ("CallFinished", "llm.default")]


async def test_two_boards_do_not_affect_each_other(board_of):
    """Boards with different settings live side by side."""
    async with board_of("default") as one, board_of("other") as two:
        assert (await one.llm().complete("x")).text == "default:x"
        assert (await two.llm("other").complete("x")).text == "other:x"
        with pytest.raises(errors.SettingsError):
            two.llm()


names = st.text("abcdefgh", min_size=1, max_size=6)


@settings(max_examples=50, deadline=None)
@given(first=st.dictionaries(names, names), second=st.dictionaries(names, names))
def test_boards_share_nothing(first, second):
    """Whatever is stored through one board, another board never sees it."""

    async def main():
        settings = {"storage": {"x": {"provider": "memory"}}}
        async with (
            Pegboard.isolated(settings) as one,
            Pegboard.isolated(settings) as two,
        ):
            stores = [board.storage("x", KeyValue) for board in (one, two)]
            for store, values in zip(stores, (first, second), strict=True):
                for key, value in values.items():
                    await store.set(key, value)
            for store, values in zip(stores, (first, second), strict=True):
                page = await store.scan(limit=1000)
                assert {key: await store.get(key) for key in page.keys} == values

    asyncio.run(main())


# --- closing ---


async def test_closing_is_in_reverse_order(board_of, toy):
    """What was made last is closed first."""
    async with board_of("a", "b", "c") as board:
        for name in "bca":
            board.llm(name)

    closed = [address for event, address in toy.log if event == "closed"]
    assert closed == ["llm.a", "llm.c", "llm.b"]


async def test_failing_close_does_not_stop_the_others(board_of, toy):
    """One instance that cannot close is reported after all others are closed."""
    toy.close_error = OSError("broken pipe")
    board = board_of("a", "failing", "b")
    for name in ("a", "failing", "b"):
        board.llm(name)

    with pytest.raises(errors.CloseError, match=r"llm\.failing: OSError: broken pipe"):
        await board.aclose()

    assert ("closed", "llm.a") in toy.log


async def test_hanging_close_is_bounded(board_of, toy):
    """An instance that does not finish closing is given up after its time."""
    toy.hangs_at_close = True
    board = board_of("a", "hanging")
    board._settings.top.close_timeout = 0.01
    board.llm("a")
    board.llm("hanging")

    with pytest.raises(errors.CloseError) as caught:
        await board.aclose()

    assert set(caught.value.failures) == {"llm.hanging"}
    assert ("closed", "llm.a") in toy.log


async def test_closing_twice_is_harmless(board_of, toy):
    """Closing is idempotent."""
    board = board_of("a")
    board.llm("a")
    await board.aclose()
    await board.aclose()

    assert toy.log.count(("closed", "llm.a")) == 1


async def test_closed_board_refuses_work(board_of):
    """After closing, nothing is made and nothing is called."""
    board = board_of("default")
    llm = board.llm()
    await board.aclose()

    with pytest.raises(errors.PegboardError, match="the board is closed"):
        board.storage("x", KeyValue)
    with pytest.raises(errors.PegboardError, match="the board is closed"):
        await llm.complete("x")


# --- secrets ---


@pytest.mark.parametrize("word", ["leak", "crash"])
async def test_errors_tell_no_secret(word, board_of):
    """Neither an error nor anything it was caused by shows the key."""
    async with board_of("default", key=SECRET) as board:
        with pytest.raises(errors.CallError) as caught:
            await board.llm().complete(word)

    seen, error = "", caught.value
    while error is not None:
        seen += f"{error} {error!r} {error.args} {vars(error)}"
        error = error.__cause__ or error.__context__
    assert "***" in seen or word == "crash"
    assert SECRET not in seen


async def test_nothing_public_shows_a_secret(board_of):
    """No repr, explanation or check shows the key."""
    async with board_of("default", key=SECRET) as board:
        llm = board.llm()
        instance = board._instances.get("llm.default")
        shown = [
            board,
            llm,
            board.explain("llm.default"),
            board.check(),
            instance.plan,
            instance,
            instance.provider.options,
        ]
        assert SECRET not in "".join(map(repr, shown)) + "".join(map(str, shown))


async def test_logs_tell_no_secret(board_of):
    """What is logged of a failed call has no key in it."""
    from loguru import logger  # noqa: PLC0415

    lines = []
    sink = logger.add(lines.append, level=0, format="{message} {extra} {exception}")
    pegboard.enable_logging()
    try:
        async with board_of("default", key=SECRET) as board:
            with pytest.raises(errors.Authentication):
                await board.llm().complete("leak")
    finally:
        logger.disable("pegboard")
        logger.remove(sink)

    assert any("llm.default complete" in line for line in lines)
    assert SECRET not in "".join(lines)


def test_what_holds_secrets_cannot_be_pickled(board_of):
    """A pickle would carry the key, so there is none."""
    board = board_of("default", key=SECRET)
    llm = board.llm()
    options = board.provider("llm.default").options

    for thing in (board, llm, options):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(thing)


# --- event loops ---


class Client:
    """Stands for an SDK's client: bound to the loop that it was made in."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.is_closed = False

    async def aclose(self):
        assert asyncio.get_running_loop() is self.loop
        self.is_closed = True


@pytest.fixture
def clients():
    """Return the clients that were made, and a holder of one per loop."""
    made = []

    def make():
        made.append(Client())
        return made[-1]

    return made, PerLoop(make, Client.aclose)


def test_each_loop_has_its_client_which_closes_with_it(clients):
    """Two runs of asyncio get a client each, closed when the run ends."""
    made, holder = clients

    async def main():
        assert await holder.get() is await holder.get()

    asyncio.run(main())
    asyncio.run(main())

    assert [client.is_closed for client in made] == [True, True]


async def test_closing_the_holder_closes_the_client(clients):
    """Aclose closes the running loop's client, and the next use makes a new one."""
    made, holder = clients
    await holder.get()
    await holder.aclose()

    assert made[0].is_closed
    assert await holder.get() is not made[0]
    await holder.aclose()


def test_holder_closes_clients_of_other_threads(clients):
    """Aclose closes the clients of loops in other threads, each in its own loop."""
    made, holder = clients
    ready, done = threading.Barrier(3), threading.Event()

    async def hold():
        await holder.get()
        await asyncio.to_thread(ready.wait)
        await asyncio.to_thread(done.wait)

    threads = [threading.Thread(target=asyncio.run, args=(hold(),)) for _ in "ab"]
    for thread in threads:
        thread.start()
    ready.wait()
    asyncio.run(holder.aclose())
    closed = [client.is_closed for client in made]
    done.set()
    for thread in threads:
        thread.join()

    assert closed == [True, True]


def test_board_serves_several_loops(board_of):
    """One board made outside serves loop after loop, and loops in threads."""
    board = board_of("default")

    async def ask():
        assert (await board.llm().complete("x")).text == "default:x"

    asyncio.run(ask())
    asyncio.run(ask())
    threads = [threading.Thread(target=asyncio.run, args=(ask(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(board.aclose())


def test_chat_model_is_a_contract_of_llm():
    """The facade is over a contract like any other."""
    assert ChatModel.__contract__.family == "llm"
