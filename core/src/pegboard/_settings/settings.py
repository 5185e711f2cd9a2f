"""All layers of the settings as one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pegboard._suggest import suggest
from pegboard.errors import Problem, SettingsError
from pegboard.policy import Policy

from .environment import Environment
from .files import file_tree, project_folder
from .problems import validated
from .tree import FAMILIES, Setting, Tree, grow, is_default, layered, overlaid

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class PluginSettings(BaseModel):
    """Which installed plugins may be imported, and which take part in every call."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    allow: list[str] | None = None
    """Distributions that may be imported; none other is. Default: all may."""
    deny: list[str] = []
    """Distributions that are never imported."""
    use: list[str] = []
    """Entry points whose observers and commands are active."""


ConventionsVersion = Literal["1.36", "1.41"]


class TracingSettings(BaseModel):
    """What OpenTelemetry is told of calls, and where that goes."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    enabled: bool = False
    """Whether calls become spans and metrics. The program sets up where they go."""
    to: Name | None = None
    """The integration that spans go to, by name, instead of the program's provider."""
    conventions: ConventionsVersion = "1.41"
    """The version of the semantic conventions that names follow."""
    capture_content: bool = False
    """Whether spans hold what was asked and said. It may be personal, and long."""

    @model_validator(mode="after")
    def _can_capture(self) -> Self:
        if self.capture_content and self.conventions == "1.36":
            msg = 'capture_content needs conventions = "1.41" or newer'
            raise ValueError(msg)
        return self


class HealthSettings(BaseModel):
    """How it is found out whether instances can be reached."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    timeout: float = Field(default=2.0, gt=0)
    """Seconds that an instance may take to answer a check."""


class SecretSettings(BaseModel):
    """How a running program sees that secrets in secret stores have changed."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    renew_every: float = Field(default=300.0, ge=0)
    """Seconds after which they are fetched again; with 0 they are fetched once."""


class StatsSettings(BaseModel):
    """Stats of programs, for ``pegboard stats`` to show."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    write_every: float | None = Field(default=None, gt=0)
    """Seconds after which calls are in the file of their process. None writes none."""


AlertKind = Literal[
    "breaker_open", "breaker_closed", "slow", "target_missed", "target_met"
]


class AlertSettings(BaseModel):
    """Messages to people when calls go wrong."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    to: Name | None = None
    """The integration that posts them, by name. None posts nothing."""
    channel: str = "alerts"
    """Where it posts them."""
    on: list[AlertKind] = ["breaker_open", "breaker_closed"]
    """What is posted. What is slow is said by ``slow_call`` of the breaker."""
    suppress: float = Field(default=300.0, ge=0)
    """Seconds for which the same is not posted again about the same thing."""


class CallsSettings(BaseModel):
    """The log of calls to models, for ``pegboard calls`` to show."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    record: bool = False
    """Whether every call to a model becomes a row of the log."""
    content: bool = False
    """Whether rows hold what was asked and said. It may be personal, and long."""
    write_every: float = Field(default=2.0, gt=0)
    """Seconds after which calls are in the log."""
    keep_days: float = Field(default=30.0, gt=0)
    """Days for which calls are kept."""
    keep_calls: int = Field(default=100_000, ge=1)
    """How many calls are kept at most: the latest."""


class BurnSettings(BaseModel):
    """When bad calls come too fast: in a window and, still, in a short one."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    rate: float = Field(default=14.4, ge=1)
    """How many times more of them than the target allows are too many."""
    window: float = Field(default=3600.0, gt=0)
    """Seconds over which they have to be too many."""
    short_window: float = Field(default=300.0, gt=0)
    """The last seconds, in which they still have to be."""

    @model_validator(mode="after")
    def _is_shorter(self) -> Self:
        if self.short_window > self.window:
            msg = "short_window must not be longer than window"
            raise ValueError(msg)
        return self


class SlowBurnSettings(BurnSettings):
    """The same for what uses the budget up more slowly."""

    rate: float = Field(default=6.0, ge=1)
    """How many times more of them than the target allows are too many."""
    window: float = Field(default=21600.0, gt=0)
    """Seconds over which they have to be too many."""
    short_window: float = Field(default=1800.0, gt=0)
    """The last seconds, in which they still have to be."""


class SloSettings(BaseModel):
    """What is asked of the calls of an address: at least one target."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    address: str
    """The instance, such as ``llm.default``."""
    availability: float | None = Field(default=None, gt=0, lt=1)
    """The share of calls that the service must not fail, such as 0.999."""
    error_rate: float | None = Field(default=None, gt=0, lt=1)
    """The share of calls that may fail, for whatever reason."""
    p95: float | None = Field(default=None, gt=0)
    """Seconds that 95 of 100 calls that succeed must not exceed."""
    p99: float | None = Field(default=None, gt=0)
    """The same of 99 of 100."""
    fast: BurnSettings = BurnSettings()
    """When bad calls come so fast that somebody should look at once."""
    slow: SlowBurnSettings = SlowBurnSettings()
    """When they come more slowly, but for hours."""
    window: float = Field(default=3600.0, gt=0)
    """Seconds over which p95 and p99 are measured."""
    minimum_calls: int = Field(default=20, ge=1)
    """With fewer calls in the window, nothing is judged."""

    @model_validator(mode="after")
    def _has_target(self) -> Self:
        targets = (self.availability, self.error_rate, self.p95, self.p99)
        if all(target is None for target in targets):
            msg = "needs a target: availability, error_rate, p95 or p99"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _can_be_missed(self) -> Self:
        allowed = [
            *([] if self.availability is None else [1 - self.availability]),
            *([] if self.error_rate is None else [self.error_rate]),
        ]
        for name, burn in (("fast", self.fast), ("slow", self.slow)):
            if allowed and burn.rate * max(allowed) >= 1:
                msg = (
                    f"allows {max(allowed):.2g} of the calls to be bad: they cannot "
                    f"come {burn.rate:g} times faster. Set {name} = {{ rate = ... }} "
                    f"below {1 / max(allowed):.3g}, or ask for more"
                )
                raise ValueError(msg)
        return self


class TopLevel(BaseModel):
    """The keys of the settings."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    llm: dict[Name, dict[str, Any]] = {}
    """Language models by name."""
    storage: dict[Name, dict[str, Any]] = {}
    """Storage by name."""
    integrations: dict[Name, dict[str, Any]] = {}
    """Integrations by name."""
    policy: Policy = Policy()
    """The policy of every external instance; instances may say otherwise."""
    plugins: PluginSettings = PluginSettings()
    """What may be imported."""
    tracing: TracingSettings = TracingSettings()
    """What OpenTelemetry is told of calls."""
    health: HealthSettings = HealthSettings()
    """How it is found out whether instances can be reached."""
    secrets: SecretSettings = SecretSettings()
    """How it is seen that secrets in secret stores have changed."""
    stats: StatsSettings = StatsSettings()
    """Stats of programs, for ``pegboard stats`` to show."""
    calls: CallsSettings = CallsSettings()
    """The log of calls to models, for ``pegboard calls`` to show."""
    alerts: AlertSettings = AlertSettings()
    """Messages to people when calls go wrong."""
    slo: dict[Name, SloSettings] = {}
    """Targets for the calls of instances, by any name."""
    flags: dict[Name, bool] = {}
    """Feature flags by name."""
    data_folder: Path = Path(".pegboard")
    """Where embedded backends keep their files, relative to the project."""
    close_timeout: float = Field(default=5.0, gt=0)
    """Seconds that an instance may take to close."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What is asked for."""

    tree: Tree
    environment: Environment
    top: TopLevel
    folder: Path

    @classmethod
    def load(
        cls, arguments: Mapping[str, Any], folder: Path | None, profile: str | None
    ) -> Settings:
        """Read every layer; *arguments* stand above all."""
        process = os.environ
        given = folder or process.get("PEGBOARD_FOLDER")
        project = Path(given) if given else project_folder(Path.cwd())
        environment = Environment.read(process, project / ".env")
        chosen = environment.find("PEGBOARD_PROFILE")
        files = file_tree(project, profile or (chosen and chosen.value))
        variables = environment.tree(files, TopLevel.model_fields)
        tree = layered(layered(files, variables), grow(arguments, "arguments"))
        return cls._checked(tree, environment, project)

    @classmethod
    def isolated(
        cls, arguments: Mapping[str, Any], environ: Mapping[str, str]
    ) -> Settings:
        """Read only *arguments* and, for secrets and vendor names, *environ*."""
        return cls._checked(
            grow(arguments, "arguments"), Environment(environ), Path.cwd()
        )

    @classmethod
    def _checked(cls, tree: Tree, environment: Environment, folder: Path) -> Settings:
        top = validated(TopLevel, tree, "")
        if isinstance(top, list):
            raise SettingsError(*top)
        return cls(tree, environment, top, folder)

    @property
    def data_folder(self) -> Path:
        """Where embedded backends keep their files."""
        return self.folder / self.top.data_folder.expanduser()

    def names(self, family: str) -> list[str]:
        """Return the names of the configured instances of *family*."""
        return list(getattr(self.top, family))

    def addresses(self) -> list[str]:
        """Return the addresses of all configured instances."""
        return [
            f"{family}.{name}" for family in FAMILIES for name in self.names(family)
        ]

    def section(self, address: str, *, embedded: str | None) -> Tree:
        """
        Return the settings of the instance at *address*.

        Where nothing of its family is configured, that is the *embedded* provider.

        Raises:
            SettingsError: Others of the family are configured, but not this one.

        """
        family, _, name = address.partition(".")
        branch = self.tree.get(family)
        if isinstance(branch, dict) and branch:
            section = branch.get(name)
            if isinstance(section, dict):
                return section
        elif embedded is not None:
            return {"provider": Setting(embedded, "embedded default")}
        raise SettingsError(self._no_instance(family, name))

    def policy(self, section: Tree) -> Tree:
        """
        Return the policy of the instance with *section*.

        What the section says wins over ``[policy]``, and that over the provider's
        default.
        """
        own, shared = section.get("policy"), self.tree.get("policy")
        own = own if isinstance(own, dict) else {}
        shared = shared if isinstance(shared, dict) else {}
        weak = {key: node for key, node in own.items() if is_default(node)}
        return overlaid(overlaid(weak, shared), {k: own[k] for k in own.keys() - weak})

    def _no_instance(self, family: str, name: str) -> Problem:
        known = suggest(name, self.names(family))
        message = f"is not in the settings. {known} Add a [{family}.{name}] section."
        return Problem(f"{family}.{name}", message)
