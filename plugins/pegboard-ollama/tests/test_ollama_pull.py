"""Models that are pulled when they are needed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from loguru import logger
from pegboard import (
    ChatRequest,
    EmbeddingRequest,
    Finished,
    Message,
    Pegboard,
    PullProgress,
    enable_logging,
    errors,
    time_left,
)
from pegboard import _log as log
from pegboard.deadline import shared_deadline
from pegboard.testing import ollama_wire as wire
from pegboard.testing.cancellation import cancel_at_every_await
from pegboard.testing.fault_server import Fault, FaultServer, Scripted
from pegboard.testing.leaks import no_leaks
from pegboard_ollama._disk import Disk, Layers, size
from pegboard_ollama._model import OllamaModel
from pegboard_ollama._pull import Pull
from pegboard_ollama.options import OllamaOptions

if TYPE_CHECKING:
    from asyncio.subprocess import Process

OpenModel = Callable[..., OllamaModel]
OpenBoard = Callable[..., Pegboard]
PULL = wire.pull()

ASK = """
import asyncio, sys
from pegboard import Pegboard
host, folder = sys.argv[1:]
section = {"provider": "ollama", "model": "qwen3", "host": host, "auto_pull": True}
section["disk_reserve"] = 0
settings = {"data_folder": folder, "llm": {"default": section}}
async def main():
    async with Pegboard.isolated(settings) as board:
        print((await board.llm().complete("Hi")).text)
asyncio.run(main())
"""


@pytest.fixture
def qwen(pulling: FaultServer, open_model: OpenModel) -> OllamaModel:
    """Return a model that is pulled when it is needed."""
    return open_model(host=pulling.url, model="qwen3", auto_pull=True)


async def answer(model: OllamaModel, name: str | None = None) -> str:
    """Return what *model* says."""
    request = ChatRequest(messages=(Message.of("user", "Hi"),), model=name)
    return (await model.complete(request)).text


async def all_steps(model: OllamaModel, name: str) -> list[PullProgress]:
    """Return the progress of a pull."""
    async with aclosing(model.pull_model(name)) as steps:
        return [step async for step in steps]


# --- when it is needed, and only then ---


async def test_missing_model_is_pulled(library: Any, qwen: OllamaModel) -> None:
    """Then the call is answered; the list is looked at before."""
    assert await answer(qwen) == "Hello."
    assert library.paths == ["/api/chat", "/api/tags", "/api/pull", "/api/chat"]


async def test_model_that_is_there_costs_nothing(
    library: Any, qwen: OllamaModel
) -> None:
    """One request, as without auto_pull."""
    library.models.add("qwen3:latest")

    assert await answer(qwen) == "Hello."
    assert library.paths == ["/api/chat"]


async def test_model_is_pulled_for_a_stream(
    library: Any, qwen: OllamaModel, hello: ChatRequest
) -> None:
    """Before its first event."""
    events = [event async for event in qwen.stream(hello)]

    assert isinstance(events[-1], Finished)
    assert library.pulls == 1


async def test_model_is_pulled_for_embeddings(library: Any, qwen: OllamaModel) -> None:
    """As for anything else."""
    made = await qwen.embed(EmbeddingRequest(texts=("a", "b")))

    assert len(made.vectors) == 2
    assert library.pulls == 1


async def test_model_of_a_request_is_pulled(library: Any, qwen: OllamaModel) -> None:
    """It need not be that of the settings."""
    assert await answer(qwen, "other:1b") == "Hello."
    assert library.models == {"other:1b"}


async def test_model_that_has_come_meanwhile_is_not_pulled(
    server: FaultServer, open_model: OpenModel
) -> None:
    """The list knows it by its full name."""
    server.respond(
        Scripted.json(wire.error(), status=404),
        Scripted.json(wire.tags("other:1b", "qwen3:latest")),
        Scripted.json(wire.chat()),
    )

    assert await answer(open_model(model="qwen3", auto_pull=True)) == "Hello."
    assert [one.path for one in server.requests] == [
        "/api/chat",
        "/api/tags",
        "/api/chat",
    ]


async def test_model_that_stays_missing_is_pulled_once(
    server: FaultServer, open_model: OpenModel
) -> None:
    """A server that contradicts itself is not asked for ever."""
    missing = Scripted.json(wire.error(), status=404)
    listed = Scripted.json(wire.tags("qwen3:latest"))
    server.respond(missing, listed, missing)

    with pytest.raises(errors.NotFound):
        await answer(open_model(model="qwen3", auto_pull=True))

    assert len(server.requests) == 3


# --- once for all ---


async def test_one_pull_serves_all(library: Any, qwen: OllamaModel) -> None:
    """However many call, and however they spell its name."""
    names = [None, "qwen3:latest", "Qwen3", "library/qwen3"] * 3
    said = await asyncio.gather(*(answer(qwen, name) for name in names))

    assert set(said) == {"Hello."}
    assert library.pulls == 1


async def test_models_are_pulled_side_by_side(library: Any, qwen: OllamaModel) -> None:
    """One does not wait for the other."""
    both = asyncio.Barrier(2)
    library.pull = [PULL[0], both.wait, *PULL[1:]]

    await asyncio.gather(answer(qwen, "a"), answer(qwen, "b"))

    assert library.pulls == 2


async def test_who_gives_up_stops_no_pull(library: Any, qwen: OllamaModel) -> None:
    """Not even the one whose call has begun it."""
    reached, go = asyncio.Event(), asyncio.Event()

    async def reach() -> None:
        reached.set()

    library.pull = [PULL[0], reach, go, *PULL[1:]]
    first = asyncio.create_task(answer(qwen))
    await reached.wait()
    second = asyncio.create_task(answer(qwen))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()

    assert await second == "Hello."
    assert library.pulls == 1


async def test_each_who_waits_has_an_error_of_its_own(
    library: Any, pulling: FaultServer, open_board: OpenBoard
) -> None:
    """It says where and when it happened, which differs."""
    library.pull = [PULL[0], wire.error_line("no such thing"), PULL[0]]
    board = open_board(host=pulling.url, model="qwen3", auto_pull=True)
    outcomes = await asyncio.gather(
        *(board.llm().complete("Hi") for _ in range(3)), return_exceptions=True
    )

    assert {type(one) for one in outcomes} == {errors.NotFound}
    assert len({id(one) for one in outcomes}) == 3
    assert {one.attempts for one in outcomes} == {1}


async def test_pull_can_be_made_again_after_it_failed(
    library: Any, qwen: OllamaModel
) -> None:
    """Nothing of it is remembered."""
    library.pull = [wire.error_line("no route to host"), PULL[0]]
    with pytest.raises(errors.NotFound, match="no route to host"):
        await answer(qwen)
    library.pull = PULL

    assert await answer(qwen) == "Hello."


# --- several processes ---


class Gate:
    """Among the steps of a pull: says that it got there, and waits."""

    def __init__(self) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> None:
        """Wait until it is opened."""
        self.reached.set()
        await self.opened.wait()


@pytest.fixture
async def other(
    library: Any, pulling: FaultServer, tmp_path: Path
) -> AsyncIterator[tuple[Process, Gate]]:
    """Run another process that is pulling the model, and return it with its gate."""
    gate = Gate()
    library.pull = [*PULL[:2], gate, *PULL[2:]]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ASK, pulling.url, tmp_path / "data"),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):  # it may have died on the way
        await gate.reached.wait()
    yield process, gate
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def test_other_processes_wait_for_the_one_that_pulls(
    library: Any, qwen: OllamaModel, other: tuple[Process, Gate]
) -> None:
    """Then the model is there, and none pulls it again."""
    process, gate = other
    waiting = asyncio.create_task(answer(qwen))
    gate.opened.set()

    assert await waiting == "Hello."
    assert (await process.communicate())[0] == b"Hello.\n"
    assert library.pulls == 1


@pytest.mark.usefixtures("other")
async def test_call_says_that_another_process_pulls(
    library: Any,
    pulling: FaultServer,
    open_board: OpenBoard,
) -> None:
    """When its time is over before that is done."""
    board = open_board(
        host=pulling.url, model="qwen3", auto_pull=True, policy={"deadline": 1}
    )

    with pytest.raises(errors.NotFound, match="waiting for another process"):
        await board.llm().complete("Hi")

    assert library.pulls == 1


async def test_process_that_dies_is_no_obstacle(
    library: Any, qwen: OllamaModel, other: tuple[Process, Gate]
) -> None:
    """Its lock goes with it, and another one pulls."""
    process, _ = other
    waiting = asyncio.create_task(answer(qwen))
    library.pull = PULL
    process.kill()

    assert await waiting == "Hello."
    assert library.pulls == 2


async def test_folder_that_cannot_be_written_to_is_named(
    pulling: FaultServer, open_board: OpenBoard, tmp_path: Path
) -> None:
    """Without a lock, processes would pull at once."""
    (tmp_path / "data").write_text("a file, no folder")
    board = open_board(host=pulling.url, model="qwen3", auto_pull=True)

    with pytest.raises(errors.CallError, match="Set data_folder") as caught:
        await board.llm().complete("Hi")

    assert caught.value.request_sent == "no"


# --- time ---


async def test_deadline_leaves_the_pull_in_the_background(
    library: Any, pulling: FaultServer, open_board: OpenBoard
) -> None:
    """The call says how far it is; a later one finds the model, pulled but once."""
    gate = Gate()
    library.pull = [*PULL[:2], gate, *PULL[2:]]
    board = open_board(
        host=pulling.url, model="qwen3", auto_pull=True, policy={"deadline": 1}
    )
    llm = board.llm()

    with pytest.raises(errors.NotFound) as caught:
        await llm.complete("Hi")
    assert "it is being pulled (pulling 000000000000, 50 bytes of 100 bytes)" in str(
        caught.value
    )
    assert (caught.value.attempts, caught.value.retryable) == (1, False)

    gate.opened.set()
    assert (await llm.complete("Hi")).text == "Hello."
    assert library.pulls == 1


async def test_steady_progress_does_not_carry_a_call_over_its_deadline(
    library: Any, pulling: FaultServer, open_board: OpenBoard
) -> None:
    """It says how far the pull is, however often that changes."""

    async def wait() -> None:
        await asyncio.sleep(0.005)

    counts = (wire.progress("pulling a", completed=n, total=999) for n in range(999))
    library.pull = [step for count in counts for step in (count, wait)]
    board = open_board(
        host=pulling.url, model="qwen3", auto_pull=True, policy={"deadline": 1}
    )

    with pytest.raises(errors.NotFound, match="it is being pulled"):
        await board.llm().complete("Hi")


async def test_pulls_do_not_open_the_breaker(
    library: Any, pulling: FaultServer, open_board: OpenBoard
) -> None:
    """The server is well, it only has no model yet."""
    gate = Gate()
    library.pull = [gate, *PULL]
    policy = {"deadline": 0.8, "breaker": {"failures": 1}}
    board = open_board(host=pulling.url, model="qwen3", auto_pull=True, policy=policy)

    for _ in range(2):
        with pytest.raises(errors.NotFound):
            await board.llm().complete("Hi")


async def test_pull_does_not_know_the_deadline_of_the_call_that_began_it() -> None:
    """It has a limit of its own."""
    seen = []

    async def work(_pull: Pull) -> None:
        seen.append(time_left())

    with shared_deadline(asyncio.get_running_loop().time() + 60):
        await Pull("m", work).wait()

    assert seen == [None]


async def test_pull_has_a_limit_of_its_own(
    server: FaultServer, open_model: OpenModel
) -> None:
    """Then the server is left, which stops it there."""
    server.respond(
        Scripted.json(wire.error(), status=404),
        Scripted.json(wire.tags()),
        Scripted.lines(PULL[0], Fault.HANG),
    )
    model = open_model(model="qwen3", auto_pull=True, pull_timeout=0.3)

    with pytest.raises(errors.Timeout, match=r"longer than pull_timeout \(0\.3 s\)"):
        await answer(model)

    await server.requests[-1].left.wait()


async def test_closing_the_board_stops_the_pull(
    library: Any, pulling: FaultServer, open_model: OpenModel
) -> None:
    """Nothing is left of it, and who still waits is told."""
    gate = Gate()
    library.pull = [PULL[0], gate, *PULL[1:]]
    async with no_leaks():
        model = open_model(host=pulling.url, model="qwen3", auto_pull=True)
        waiting = asyncio.create_task(answer(model))
        await gate.reached.wait()
        await model.aclose()

        with pytest.raises(errors.Unavailable, match="board was closed"):
            await waiting
        await pulling.requests[-1].left.wait()


async def test_call_that_pulls_can_be_cancelled_anywhere(
    library: Any, pulling: FaultServer, open_model: OpenModel
) -> None:
    """The pull itself is left to its end, or to the end of the board."""
    async with no_leaks():
        model = open_model(host=pulling.url, model="qwen3", auto_pull=True)
        await cancel_at_every_await(lambda: answer(model), library.models.clear)
        assert await answer(model) == "Hello."
        await model.aclose()


async def test_event_loops_may_follow_each_other(
    library: Any, qwen: OllamaModel
) -> None:
    """A pull that was under way ends with its loop; the next one begins anew."""
    gate = Gate()
    library.pull = [PULL[0], gate, *PULL[1:]]

    async def leave() -> None:
        async with aclosing(qwen.pull_model("qwen3")) as steps:
            async for step in steps:
                if step.status == "pulling manifest":
                    break

    def run_twice() -> str:
        asyncio.run(leave())
        library.pull = PULL
        return asyncio.run(answer(qwen))

    async with no_leaks():
        assert await asyncio.to_thread(run_twice) == "Hello."

    assert library.pulls == 2


# --- what goes wrong ---


async def test_model_that_is_in_no_library_is_not_found(
    library: Any, pulling: FaultServer, open_board: OpenBoard
) -> None:
    """The server says so within the progress; it is not asked again."""
    told = "pull model manifest: file does not exist"
    library.pull = [PULL[0], wire.error_line(told), PULL[0]]
    board = open_board(host=pulling.url, model="qwen33", auto_pull=True)

    with pytest.raises(errors.NotFound, match=f"could not pull 'qwen33': {told}"):
        await board.llm().complete("Hi")

    assert library.pulls == 1


@pytest.mark.parametrize("rest", [[], [Fault.CLOSE], [Fault.RESET]])
async def test_pull_that_is_cut_off_is_made_again(
    library: Any, pulling: FaultServer, open_board: OpenBoard, rest: list[Fault]
) -> None:
    """By the policy, as often as that says; the server goes on where it was."""
    cut = Scripted.lines(*PULL[:2], *rest)
    pulls = [cut, cut, library._pull("qwen3")]
    library._pull = lambda _model: pulls.pop(0)
    board = open_board(host=pulling.url, model="qwen3", auto_pull=True)

    assert (await board.llm().complete("Hi")).text == "Hello."
    assert library.pulls == 3


@pytest.mark.parametrize("line", [b"x\n", b"[]\n", b"{}\n"])
async def test_unreadable_progress_is_an_invalid_reply(
    library: Any, qwen: OllamaModel, line: bytes
) -> None:
    """Whatever that server is."""
    library.pull = [line, PULL[0]]

    with pytest.raises(errors.InvalidReply):
        await answer(qwen)


async def test_server_that_cannot_pull_says_so(
    server: FaultServer, open_model: OpenModel
) -> None:
    """By a status of its own."""
    server.respond(
        Scripted.json(wire.error(), status=404),
        Scripted.json(wire.tags()),
        Scripted.json(wire.error("not here"), status=403),
    )

    with pytest.raises(errors.PermissionDenied, match="not here"):
        await answer(open_model(auto_pull=True))


@pytest.mark.parametrize(
    ("answered", "kind"),
    [
        (Scripted.json(wire.error("broken"), status=500), errors.Unavailable),
        (Scripted(before=Fault.RESET), errors.ConnectionFailed),
        (Scripted.lines(b"{}\n"), errors.InvalidReply),
    ],
)
async def test_pull_on_demand_fails_as_calls_do(
    server: FaultServer,
    open_model: OpenModel,
    answered: Scripted,
    kind: type[errors.CallError],
) -> None:
    """With errors of pegboard's."""
    server.respond(answered)

    with pytest.raises(kind):
        await all_steps(open_model(), "qwen3")


# --- the disk ---


async def test_model_that_does_not_fit_is_not_pulled(
    library: Any, pulling: FaultServer, open_model: OpenModel, tmp_path: Path
) -> None:
    """The size is known before much has come; the server is left then."""
    library.pull = [*PULL[:2], Fault.HANG, PULL[0]]
    model = open_model(
        host=pulling.url,
        model="qwen3",
        auto_pull=True,
        models_folder=tmp_path / "not" / "made" / "yet",
        disk_reserve=10**18,
    )

    with pytest.raises(errors.NotFound, match=r"1e\+09 GB are kept back") as caught:
        await answer(model)

    assert "another 50 bytes" in caught.value.message
    assert "lower disk_reserve" in caught.value.message
    await pulling.requests[-1].left.wait()


def disk(free: int, **options: object) -> Disk:
    """Return a disk of this machine with *free* bytes."""
    given = {"model": "m", "models_folder": "/models", "disk_reserve": 10, **options}
    return Disk(OllamaOptions.model_validate(given), lambda _: free)


def test_reserve_is_kept_free() -> None:
    """To the byte."""
    disk(100).check("m", 90)

    with pytest.raises(errors.NotFound):
        disk(100).check("m", 91)


def test_disk_of_another_machine_is_not_looked_at() -> None:
    """What is free here says nothing of there."""
    disk(0, host="gpu.lan").check("m", 10**12)


def test_usual_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a server that the user runs keeps its models."""
    monkeypatch.setenv("HOME", str(tmp_path))
    models = tmp_path / ".ollama" / "models"
    models.mkdir(parents=True)

    assert disk(0, models_folder=None).folder == models
    assert disk(0, models_folder=None, host="gpu.lan").folder is None


def test_home_stands_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a shell."""
    monkeypatch.setenv("HOME", str(tmp_path))

    assert disk(0, models_folder="~/models").folder == tmp_path / "models"


def test_layers_are_added_up() -> None:
    """Each counts once, and what is there already takes no room."""
    layers = Layers()
    news = [
        layers.add({"digest": "a", "total": 100, "completed": 100}),
        layers.add({"digest": "b", "total": 50}),
        layers.add({"digest": "b", "total": 50, "completed": 20}),
        layers.add({"status": "verifying sha256 digest"}),
    ]

    assert news == [True, True, False, False]
    assert (layers.completed, layers.total) == (120, 150)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (999_900, "1 MB"),
        (5_234_000_000, "5.23 GB"),
    ],
)
def test_sizes_are_said_as_people_say_them(count: int, text: str) -> None:
    """In powers of ten, as disks are sold."""
    assert size(count) == text


# --- pulls that are asked for, and what is heard of them ---


async def test_progress_can_be_watched(library: Any, qwen: OllamaModel) -> None:
    """Step by step as the server tells it; bytes are those of all layers."""
    go = [asyncio.Event() for _ in range(3)]
    library.pull = [
        PULL[0],
        go[0],
        wire.progress("pulling a", completed=10, total=100),
        go[1],
        wire.progress("pulling a", completed=100, total=100),
        go[2],
        PULL[-1],
    ]
    seen = []
    async with aclosing(qwen.pull_model("qwen3")) as steps:
        async for step in steps:
            seen.append(step)
            if len(seen) > 1 and go:
                go.pop(0).set()

    assert seen[1:] == [
        PullProgress("pulling manifest"),
        PullProgress("pulling a", 10, 100),
        PullProgress("pulling a", 100, 100),
        PullProgress("success", 100, 100),
    ]


async def test_model_that_is_there_is_pulled_on_demand(
    library: Any, qwen: OllamaModel
) -> None:
    """There may be a newer one."""
    library.models.add("qwen3:latest")

    assert (await all_steps(qwen, "qwen3"))[-1].status == "success"
    assert library.pulls == 1


async def test_pull_on_demand_shares_one_that_runs(
    library: Any, qwen: OllamaModel
) -> None:
    """Calls that need the model wait for the same."""
    gate = Gate()
    library.pull = [PULL[0], gate, *PULL[1:]]
    watching = asyncio.create_task(all_steps(qwen, "qwen3:latest"))
    await gate.reached.wait()
    waiting = asyncio.create_task(answer(qwen))
    gate.opened.set()

    assert await waiting == "Hello."
    assert (await watching)[-1].status == "success"
    assert library.pulls == 1


async def test_pull_on_demand_says_when_its_time_is_over(
    library: Any, pulling: FaultServer, open_board: OpenBoard
) -> None:
    """What it has not fetched by then is fetched in the background."""
    gate = Gate()
    library.pull = [*PULL[:2], gate, *PULL[2:]]
    board = open_board(host=pulling.url, policy={"deadline": 1})
    steps = []

    with pytest.raises(errors.NotFound, match="goes on while the board is open"):
        async for step in board.llm().pull_model("qwen3"):
            steps.append(step)

    assert steps[-1].completed == 50


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """Return what the program's log gets to hear."""
    lines: list[str] = []
    sink = logger.add(
        lambda line: lines.append(str(line)), format="{extra[component]}: {message}"
    )
    yield lines
    log._enabled.clear()
    logger.disable("pegboard")
    logger.remove(sink)


async def test_pull_is_logged_for_those_who_want_to_hear(
    library: Any, qwen: OllamaModel, heard: list[str]
) -> None:
    """Under the address, from time to time."""
    enable_logging()
    gate = Gate()
    library.pull = [*PULL[:2], gate, *PULL[2:]]
    async with aclosing(qwen.pull_model("qwen3")) as steps:
        async for step in steps:
            if step.completed:
                gate.opened.set()

    assert [line for line in heard if "Pull" in line] == [
        "llm.default: Pulling qwen3.\n",
        "llm.default: Pulling qwen3: 50 bytes of 100 bytes.\n",
        "llm.default: Pulling qwen3: 100 bytes of 100 bytes.\n",
        "llm.default: Pulled qwen3: 100 bytes.\n",
    ]


async def test_pull_is_silent_unless_asked(qwen: OllamaModel, heard: list[str]) -> None:
    """As a library should be."""
    await answer(qwen)

    assert heard == []
