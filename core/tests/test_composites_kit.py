"""Every model that is made of models keeps the contracts of one."""

import pytest
from pegboard import Pegboard
from pegboard.testing.chat import ChatModelContract, StreamingChatContract

FAKES = {"one": {"provider": "fake"}, "two": {"provider": "fake", "model": "second"}}


class Composite(ChatModelContract, StreamingChatContract):
    """The kits, on a board that has targets as well."""

    @pytest.fixture
    def make_board(self, settings):
        def make_board(**changes):
            kit = {**settings, **changes}
            return Pegboard.isolated({"llm": {"kit": kit, **FAKES}})

        return make_board


class TestFallback(Composite):
    @pytest.fixture
    def settings(self):
        return {"provider": "fallback", "targets": ["one", "two"]}


class TestFallbackThatJudges(Composite):
    @pytest.fixture
    def settings(self):
        accept = bool
        targets = ["one", "two"]
        return {"provider": "fallback", "targets": targets, "accept": accept}


class TestRoundRobin(Composite):
    @pytest.fixture
    def settings(self):
        return {"provider": "round-robin", "targets": ["one", "two"]}


class TestWeighted(Composite):
    @pytest.fixture
    def settings(self):
        return {"provider": "weighted", "weights": {"one": 2, "two": 1}}


class TestLeastBusy(Composite):
    @pytest.fixture
    def settings(self):
        return {"provider": "least-busy", "targets": ["one", "two"]}


class TestHedge(Composite):
    @pytest.fixture
    def settings(self):
        targets = ["one", "two"]
        return {"provider": "hedge", "targets": targets, "after": 0, "max_extra": 1}


class TestMirror(Composite):
    @pytest.fixture
    def settings(self):
        return {"provider": "mirror", "targets": ["one", "two"]}


class TestFunctions(Composite):
    """A model with functions around it, under the policy."""

    @pytest.fixture
    def settings(self):
        return {
            "provider": "fake",
            "filter_request": lambda request: request,
            "validate_reply": lambda _: None,
        }


class TestNested(Composite):
    """A composite of composites."""

    @pytest.fixture
    def make_board(self, settings):
        inner = {
            "pool": {"provider": "round-robin", "targets": ["one", "two"]},
            "tail": {"provider": "mirror", "targets": ["two", "one"]},
        }

        def make_board(**changes):
            kit = {**settings, **changes}
            return Pegboard.isolated({"llm": {"kit": kit, **inner, **FAKES}})

        return make_board

    @pytest.fixture
    def settings(self):
        return {"provider": "fallback", "targets": ["pool", "tail"]}
