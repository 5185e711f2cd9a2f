"""Random calls to a KeyValue, and beside them a model of a few lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from pegboard.errors import Conflict, InvalidRequest

from .clock import ManualClock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from pegboard.contracts.key_value import KeyValue

    from .clock import RealClock

T = TypeVar("T")
LAG = 0.05
"""Seconds by which another clock may be behind this one."""

KEYS = st.sampled_from(["a", "a/b", "a_b", "%", "é", "e\u0301", "\ufffd", "\U0001f600"])
PREFIXES = st.sampled_from(["", "a", "a_", "%", "e"])
TTLS = st.sampled_from([None, math.inf, 10, 60.5])
CONDITIONS = st.sampled_from(["none", "none", "newest", "older", "absent"])
VALUES: st.SearchStrategy[object] = st.sampled_from(
    [None, 0, 7, -1.5, "text", [], {"a": [1, {"b": None}]}]
)


class Held(NamedTuple):
    """What the model knows of a key."""

    value: Any
    version: str
    expires: float


class KeyValueMachine(RuleBasedStateMachine):
    """Do the same to a store and to a dict, and compare every answer."""

    def __init__(
        self,
        store: KeyValue,
        clock: ManualClock | RealClock,
        runner: asyncio.Runner,
        folder: str,
    ) -> None:
        super().__init__()
        self.store = store
        self.clock = clock
        self.runner = runner
        self.folder = folder
        self.model: dict[str, Held] = {}
        self.versions = [""]

    @rule(key=KEYS, value=VALUES, ttl=TTLS, condition=CONDITIONS)
    def set(self, key: str, value: Any, ttl: float | None, condition: str) -> None:
        """Store a value, maybe under a condition."""
        if_version = self.choose_version(key, condition)
        absent = condition == "absent"
        before = self.held(key)
        version = self.call(
            lambda name: self.store.set(
                name, value, ttl=ttl, if_version=if_version, if_absent=absent
            ),
            key,
        )
        if not holds(before, if_version, absent=absent):
            assert version is Conflict
            return
        assert version not in self.versions
        self.versions.append(version)
        self.model[key] = Held(value, version, self.expiry(ttl))

    @rule(key=KEYS, condition=CONDITIONS.filter(lambda chosen: chosen != "absent"))
    def delete(self, key: str, condition: str) -> None:
        """Remove a key, maybe under a condition."""
        if_version = self.choose_version(key, condition)
        before = self.held(key)
        deleted = self.call(
            lambda name: self.store.delete(name, if_version=if_version), key
        )
        if not holds(before, if_version, absent=False):
            assert deleted is Conflict
            return
        assert deleted is (before is not None)
        self.model.pop(key, None)

    @rule(key=KEYS, ttl=TTLS)
    def touch(self, key: str, ttl: float | None) -> None:
        """Move the expiry of a key."""
        before = self.held(key)
        touched = self.call(lambda name: self.store.touch(name, ttl=ttl), key)
        assert touched is (before is not None)
        if before:
            self.model[key] = before._replace(expires=self.expiry(ttl))

    @rule(key=KEYS, by=st.integers(-3, 3), ttl=TTLS)
    def incr(self, key: str, by: int, ttl: float | None) -> None:
        """Count."""
        before = self.held(key)
        answer = self.call(lambda name: self.store.incr(name, by, ttl=ttl), key)
        old = before or Held(0, "", self.expiry(ttl))
        if not isinstance(old.value, int):
            assert answer is InvalidRequest
            return
        assert answer == old.value + by
        version = self.entry(key).version
        assert version not in self.versions
        self.versions.append(version)
        self.model[key] = Held(answer, version, old.expires)

    @rule(key=KEYS)
    def read(self, key: str) -> None:
        """Read a key in each way."""
        held = self.held(key)
        missing = object()
        value = self.call(lambda name: self.store.get(name, missing), key)
        assert value == (held.value if held else missing)
        assert self.call(self.store.exists, key) is (held is not None)
        entry = self.entry(key)
        assert (entry and (entry.value, entry.version)) == (held and held[:2])
        left = self.call(self.store.ttl, key)
        if held is None or held.expires == math.inf:
            assert left == (0 if held is None else None)
        else:
            assert 0 < left <= held.expires - self.clock() + LAG

    @rule(keys=st.lists(KEYS, max_size=4))
    def read_many(self, keys: list[str]) -> None:
        """Read some keys at once."""
        found = self.runner.run(self.store.get_many([self.folder + k for k in keys]))
        alive = {key: held for key in keys if (held := self.held(key))}
        assert found == {self.folder + key: held.value for key, held in alive.items()}

    @rule(values=st.dictionaries(KEYS, VALUES, max_size=4), ttl=TTLS)
    def set_many(self, values: dict[str, Any], ttl: float | None) -> None:
        """Store some values at once."""
        named = {self.folder + key: value for key, value in values.items()}
        versions = self.runner.run(self.store.set_many(named, ttl=ttl))
        assert versions.keys() == named.keys()
        assert not set(versions.values()) & set(self.versions)
        self.versions += versions.values()
        for key, value in values.items():
            version = versions[self.folder + key]
            self.model[key] = Held(value, version, self.expiry(ttl))

    @rule(keys=st.lists(KEYS, max_size=4))
    def delete_many(self, keys: list[str]) -> None:
        """Remove some keys at once."""
        alive = {key for key in keys if self.held(key)}
        named = [self.folder + key for key in keys]
        assert self.runner.run(self.store.delete_many(named)) == len(alive)
        for key in keys:
            self.model.pop(key, None)

    @rule(prefix=PREFIXES, limit=st.integers(1, 4))
    def scan(self, prefix: str, limit: int) -> None:
        """List keys, page by page."""
        alive = sorted(key for key in self.model if self.held(key))
        expected = [self.folder + key for key in alive if key.startswith(prefix)]
        assert expected == self.runner.run(self.walk(prefix, limit))

    @precondition(lambda self: isinstance(self.clock, ManualClock))
    @rule(seconds=st.sampled_from([0.5, 9.5, 10, 60]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    async def walk(self, prefix: str, limit: int) -> list[str]:
        """Return the keys of all pages."""
        prefix = self.folder + prefix
        page = await self.store.scan(prefix, limit=limit)
        found = list(page.keys)
        while page.cursor is not None:
            page = await self.store.scan(prefix, limit=limit, cursor=page.cursor)
            found += page.keys
            assert 0 < len(page.keys) <= limit
            assert len(found) <= len(self.model), "keys are listed twice"
        return found

    def call(self, method: Callable[[str], Coroutine[Any, Any, Any]], key: str) -> Any:
        """Return what *method* says of *key*, or the class of its error."""
        try:
            return self.runner.run(method(self.folder + key))
        except (Conflict, InvalidRequest) as error:
            return type(error)

    def entry(self, key: str) -> Any:
        """Return the stored entry of *key*."""
        return self.call(self.store.get_entry, key)

    def held(self, key: str) -> Held | None:
        """Return what the model holds under *key*, unless it has expired."""
        held = self.model.get(key)
        return held if held and held.expires > self.clock() else None

    def expiry(self, ttl: float | None) -> float:
        """Return when what is stored now expires."""
        return self.clock() + (math.inf if ttl is None else ttl)

    def choose_version(self, key: str, condition: str) -> str | None:
        """Return the version that *condition* asks for."""
        if condition == "newest" and key in self.model:
            return self.model[key].version
        return self.versions[-1] if condition in {"newest", "older"} else None


def holds(held: Held | None, if_version: str | None, *, absent: bool) -> bool:
    """Tell whether the condition of a call is met."""
    if absent:
        return held is None
    return if_version is None or (held is not None and held.version == if_version)
