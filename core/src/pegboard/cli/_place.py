"""Where the settings are, as the options before the command say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pegboard import Pegboard
    from pegboard._settings.settings import Settings


class Place(NamedTuple):
    """What every command gets through ``click.pass_obj``."""

    folder: str | None = None
    profile: str | None = None

    def board(self) -> Pegboard:
        """
        Return a new board with these settings.

        Raises:
            SettingsError: With all that is wrong at the top level.

        """
        from pegboard import Pegboard  # noqa: PLC0415 - --help does without

        return Pegboard(folder=self.folder, profile=self.profile)

    def settings(self) -> Settings:
        """
        Return the settings alone.

        Raises:
            SettingsError: With all that is wrong at the top level.

        """
        from pegboard._settings.settings import Settings  # noqa: PLC0415 - the same

        folder = Path(self.folder) if self.folder else None
        return Settings.load({}, folder, self.profile)

    def mentions_plugins(self) -> bool:
        """
        Return whether the settings may have a ``plugins`` table.

        Reading them properly takes several times as long as all else in ``--help``.

        Raises:
            SettingsError: A file is not TOML.

        """
        from pegboard._settings.files import project_folder  # noqa: PLC0415 - late

        folder = Path(self.folder) if self.folder else project_folder(Path.cwd())
        names = (".env", "pyproject.toml", "pegboard.toml", "pegboard.*.toml")
        files = (file for name in names for file in folder.glob(name))
        return any(name.startswith("PEGBOARD_PLUGINS") for name in os.environ) or any(
            b"plugins" in file.read_bytes().lower() for file in files if file.is_file()
        )
