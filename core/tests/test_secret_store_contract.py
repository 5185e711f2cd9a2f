from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pegboard.testing.secret_store import Put, SecretStoreContract, SecretVaultContract


class TestEnvironment(SecretStoreContract):
    @pytest.fixture
    def settings(self) -> dict[str, object]:
        """Return settings with a prefix, so that no other variable is in the way."""
        return {"provider": "environment", "prefix": "PEGBOARD_TEST_"}

    @pytest.fixture
    def put(self) -> Iterator[Put]:
        """Return what sets a variable, until the end of the test."""
        with pytest.MonkeyPatch.context() as patch:

            async def put(name: str, value: str) -> None:
                patch.setenv(f"PEGBOARD_TEST_{name}", value)

            yield put


class TestFiles(SecretVaultContract):
    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, object]:
        """Return settings with an empty folder."""
        return {"provider": "files", "folder": str(tmp_path)}


class TestMountedFiles(SecretStoreContract):
    @pytest.fixture
    def settings(self, tmp_path: Path) -> dict[str, object]:
        """Return settings with a folder like one of Kubernetes."""
        return {"provider": "files", "folder": str(tmp_path)}

    @pytest.fixture
    def put(self, tmp_path: Path) -> Put:
        """Return what mounts a secret: a link to a link, which is switched at once."""
        count = iter(range(1000))

        async def put(name: str, value: str) -> None:
            kept = tmp_path / f"..{next(count)}"
            kept.mkdir()
            (kept / name).write_bytes(value.encode() + b"\n")
            link = tmp_path / "..link"
            link.symlink_to(kept / name)
            os.replace(link, tmp_path / name)  # noqa: PTH105 - of the link, not its end

        return put
