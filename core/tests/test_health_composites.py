"""The health of models that are made of models."""

import pytest
from pegboard import LLMProvider, Options, Pegboard, errors, hookimpl
from pegboard.health import Health, composed
from pegboard.stats import Stats


class Pinged:
    """A model of which the test says whether it is up."""

    def __init__(self, state, name):
        self.state = state
        self.name = name

    async def complete(self, request):
        """Stand for the operation."""

    async def ping(self):
        """Fail while it is down."""
        if not self.state[self.name]:
            msg = "gone"
            raise errors.Unavailable(msg)


class Plugin:
    """Offers models whose health is in *state*."""

    def __init__(self, **state):
        self.state = state

    @hookimpl
    def pegboard_llm_providers(self):
        """Return the offer."""
        return [
            LLMProvider(
                name="pinged",
                factory=lambda _, context: Pinged(self.state, context.name),
                options=Options,
                contracts={"ChatModel": 1},
            )
        ]


def board_of(plugin, **composites):
    """Return a board with the models of *plugin*, and *composites* of them."""
    models = {name: {"provider": "pinged"} for name in plugin.state}
    return Pegboard.isolated({"llm": {**models, **composites}}, plugins=[plugin])


@pytest.mark.parametrize(
    ("provider", "first", "second", "both"),
    [
        ("fallback", "up", "up", "down"),
        ("hedge", "down", "up", "down"),
        ("mirror", "down", "up", "down"),
        ("round-robin", "down", "down", "down"),
        ("least-busy", "down", "down", "down"),
    ],
)
async def test_composite_is_up_if_those_are_that_it_needs(
    provider, first, second, both
):
    """What a target that is down does to calls differs."""
    plugin = Plugin(a=True, b=True)
    made = {"provider": provider, "targets": ["a", "b"]}
    seen = []

    async with board_of(plugin, made=made) as board:
        for a, b in [(True, True), (False, True), (True, False), (False, False)]:
            plugin.state.update(a=a, b=b)
            seen.append((await board.health())["llm.made"].status)

    assert seen == ["up", first, second, both]


async def test_composite_of_composites_looks_through():
    """However deep; and it says what it found."""
    plugin = Plugin(a=False, b=True, c=True)
    inner = {"provider": "round-robin", "targets": ["a", "b"]}
    outer = {"provider": "fallback", "targets": ["inner", "c"]}

    async with board_of(plugin, inner=inner, outer=outer) as board:
        health = await board.health()

    assert health["llm.inner"].status == "down"
    assert health["llm.outer"] == Health(
        status="up", reason="llm.inner is down, llm.c is up"
    )


@pytest.mark.parametrize(
    ("needs", "status"), [("any", "up"), ("all", "unknown"), ("first", "unknown")]
)
def test_unknown_targets_leave_it_open(needs, status):
    """Nobody knows what the one does of which nobody knows."""
    targets = {
        "llm.a": Health(status="unknown", reason="-"),
        "llm.b": Health(status="up", reason="-"),
    }

    assert composed(targets, needs, Stats()).status == status


def test_open_breaker_is_down():
    """Whatever its targets are: its own policy refuses calls."""
    targets = {"llm.a": Health(status="up", reason="-")}
    stats = Stats(breaker="open", last_error="gone")

    found = composed(targets, "any", stats)

    assert (found.status, found.reason) == ("down", "the breaker is open: gone")
