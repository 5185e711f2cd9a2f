from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules, resolve_name
from typing import TYPE_CHECKING

import pytest
from pegboard import Context, contracts
from pegboard.builtin import plugin

if TYPE_CHECKING:
    from pathlib import Path

    from pegboard.descriptors import Provider

OFFERED = [
    *plugin.pegboard_llm_providers(),
    *plugin.pegboard_storage_providers(),
    *plugin.pegboard_integrations(),
]
NEEDED = {"webhook": {"url": "http://127.0.0.1:9", "secret": "whsec_c2VjcmV0"}}
"""What cannot be made without."""
every_provider = pytest.mark.parametrize(
    "provider", OFFERED, ids=lambda provider: provider.name
)


class TestPlugin:
    def test_importing_it_is_cheap(self) -> None:
        """What is offered is said without loading what makes it."""
        code = (
            "import sys, pegboard.builtin.plugin as p\n"
            "p.pegboard_llm_providers(), p.pegboard_storage_providers()\n"
            "p.pegboard_integrations(), p.pegboard_contracts()\n"
            "print({'pydantic', 'asyncio', 'loguru'} & sys.modules.keys())"
        )
        run = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )

        assert run.stdout == "set()\n"

    def test_it_declares_the_contracts(self) -> None:
        """The contracts of pegboard come through the hook for contracts."""
        declared = {
            name: member
            for module in iter_modules(contracts.__path__, "pegboard.contracts.")
            for name, member in vars(import_module(module.name)).items()
            if isinstance(member, type) and "__contract__" in vars(member)
        }
        assert declared == {
            where.rpartition(":")[2]: resolve_name(where)
            for where in plugin.pegboard_contracts()
        }

    @every_provider
    def test_what_it_offers_can_be_made(self, provider: Provider) -> None:
        """Every reference leads to a factory and to options."""
        assert callable(provider.load_factory())
        assert provider.load_options().model_json_schema()

    @every_provider
    def test_what_it_offers_has_every_operation(
        self, provider: Provider, tmp_path: Path
    ) -> None:
        """A claimed contract is a contract with all its operations."""
        contracts = {
            where.rpartition(":")[2]: resolve_name(where)
            for where in plugin.pegboard_contracts()
        }
        made = provider.load_factory()
        if provider.family != "llm":  # of which all can be made without settings
            context = Context(f"{provider.family}.x", tmp_path)
            needed = NEEDED.get(provider.name, {})
            made = made(provider.load_options()(**needed), context)

        for name in provider.contracts:
            operations = contracts[name].__contract__.operations
            keeper = getattr(made, "parts", {}).get(name, made)
            assert all(hasattr(keeper, operation) for operation in operations)

    @every_provider
    def test_what_it_offers_says_what_it_is(self, provider: Provider) -> None:
        """Lists of providers show a few words for each."""
        assert provider.summary
