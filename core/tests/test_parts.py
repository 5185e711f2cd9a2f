"""Instances that keep several contracts whose operations share names."""

from __future__ import annotations

from typing import Protocol

import pegboard
import pytest
from pegboard import Options, Pegboard, contract, errors, operation


@contract(family="storage", version=1)
class Red(Protocol):
    @operation(repeatable=True)
    async def get(self): ...


@contract(family="storage", version=1)
class Blue(Protocol):
    @operation(repeatable=True)
    async def get(self): ...

    @operation(repeatable=True)
    async def put(self): ...


class BlueToy:
    async def get(self):
        return "blue"

    async def put(self):
        return "stored"


class Toy:
    """A store that keeps Red itself and Blue by a part."""

    def __init__(self, _options, _context):
        self.parts = {"Blue": BlueToy()}

    async def get(self):
        return "red"


class BrokenToy(Toy):
    """A store whose part lacks an operation, which the store itself has."""

    async def put(self):
        return "in the wrong place"

    def __init__(self, _options, _context):
        self.parts = {"Blue": object()}


def board_of(toy, **section):
    """Return a board with one store."""

    class Plugin:
        @pegboard.hookimpl
        def pegboard_storage_providers(self):
            contracts = {"Red": 1, "Blue": 1}
            return [
                pegboard.StorageProvider(
                    name="toy", factory=toy, options=Options, contracts=contracts
                )
            ]

        @pegboard.hookimpl
        def pegboard_contracts(self):
            return [Red, Blue]

    settings = {"storage": {"x": {"provider": "toy", **section}}}
    return Pegboard.isolated(settings, plugins=[Plugin()])


@pytest.mark.parametrize("external", [True, False])
async def test_each_contract_is_kept_by_its_part(external):
    """Operations of one name do not meet, with a policy or without."""
    async with board_of(Toy, external=external) as board:
        assert await board.storage("x", Red).get() == "red"
        assert await board.storage("x", Blue).get() == "blue"


async def test_parts_share_one_instance():
    """What is called is a part of what the plugin made, with one policy and account."""
    async with board_of(Toy, external=True) as board:
        await board.storage("x", Red).get()
        await board.storage("x", Blue).get()

        assert board.stats()["storage.x"].calls == 2


def test_part_without_its_operations_is_refused():
    """What the instance has besides does not make up for it."""
    with pytest.raises(errors.PluginError, match="but has no get, put"):
        board_of(BrokenToy).storage("x", Blue)
