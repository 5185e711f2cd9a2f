"""Settings: layers, origins, problems."""

import json
import tomllib

import pegboard
import pytest
from pegboard import Options, Pegboard, errors
from pegboard._settings.problems import validated
from pegboard._settings.settings import (
    AlertSettings,
    CallsSettings,
    HealthSettings,
    SecretSettings,
    SloSettings,
    StatsSettings,
    TopLevel,
    TracingSettings,
)
from pegboard.policy import BreakerPolicy, Policy
from pydantic import SecretStr, model_validator


class EchoOptions(Options):
    """Options of every kind."""

    model: str = "small"
    """A text."""
    key: SecretStr | None = None
    """A secret."""
    count: int = 1
    """A number."""
    tags: list[str] = []
    """A list."""
    headers: dict[str, str] = {}
    """A table."""
    many_keys: list[SecretStr] = []
    """A list of secrets."""
    named_keys: dict[str, SecretStr] = {}
    """A table of secrets."""


class Echo:
    """A model that shows its options."""

    def __init__(self, options, context):
        self.options = options
        self.context = context

    async def complete(self, request):
        raise AssertionError(request)


class EchoPlugin:
    """Offers Echo under two names."""

    @pegboard.hookimpl
    def pegboard_llm_providers(self):
        return [
            pegboard.LLMProvider(
                name=name,
                factory=Echo,
                options=EchoOptions,
                contracts={"ChatModel": 1},
                env={"key": ("ECHO_KEY", "OLD_ECHO_KEY")},
                defaults={"model": "default-model", "policy": {"attempts": 7}},
            )
            for name in ("echo", "other-echo")
        ]


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """Be in an empty project, with no variables of pegboard around."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(**kwargs):
    """Return a board that knows Echo."""
    return Pegboard(plugins=[EchoPlugin()], **kwargs)


def value(board, key, address="llm.default"):
    """Return what *key* of an instance is set to, and its origin."""
    explanation = board.explain(address)
    rows = {row.key: row for row in explanation.options}
    rows |= {f"policy.{row.key}": row for row in explanation.policy}
    return rows[key].shown, rows[key].origin


def problems(call, *args, **kwargs):
    """Return the problems that *call* raises, as text."""
    with pytest.raises(errors.SettingsError) as caught:
        call(*args, **kwargs)
    return str(caught.value)


# --- layers ---

LAYERS = ["pegboard.toml", "pegboard.prod.toml", ".env", "environment", "arguments"]


def write_layer(layer, project, monkeypatch):
    """Say in *layer* that the model is called like the layer; return arguments."""
    toml = f'[llm.default]\nprovider = "echo"\nmodel = "{layer}"\n'
    if layer.endswith(".toml"):
        (project / layer).write_text(toml)
    elif layer == ".env":
        name = "PEGBOARD_LLM__DEFAULT"
        text = f"{name}__PROVIDER=echo\n{name}__MODEL={layer}\n"
        (project / ".env").write_text(text)
    elif layer == "environment":
        monkeypatch.setenv("PEGBOARD_LLM__DEFAULT__PROVIDER", "echo")
        monkeypatch.setenv("PEGBOARD_LLM__DEFAULT__MODEL", layer)
    else:
        return {"llm": {"default": {"provider": "echo", "model": layer}}}
    return None


@pytest.mark.parametrize("highest", range(len(LAYERS)))
def test_nearest_layer_wins(highest, project, monkeypatch):
    """Of all layers that name a value, the nearest wins, and is named as its origin."""
    given = None
    for layer in LAYERS[: highest + 1]:
        given = write_layer(layer, project, monkeypatch)
    profile = "prod" if highest >= 1 else None

    shown, origin = value(opened(settings=given, profile=profile), "model")

    assert shown == LAYERS[highest]
    assert origin.startswith(LAYERS[highest])


def test_provider_default_is_the_lowest_layer():
    """What nobody sets is as the provider says, and then as its options say."""
    board = opened(settings={"llm": {"default": {"provider": "echo"}}})

    assert value(board, "model") == ("default-model", "default of echo")
    assert value(board, "count") == ("1", "default")


def test_profile_comes_from_the_environment(project, monkeypatch):
    """PEGBOARD_PROFILE picks the overlay."""
    for layer in LAYERS[:2]:
        write_layer(layer, project, monkeypatch)
    monkeypatch.setenv("PEGBOARD_PROFILE", "prod")

    assert value(opened(), "model")[0] == "pegboard.prod.toml"


def test_settings_are_found_from_a_folder_below(project, monkeypatch):
    """A program started in a folder of the project finds the project's settings."""
    write_layer("pegboard.toml", project, monkeypatch)
    below = project / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)

    assert value(opened(), "model")[0] == "pegboard.toml"


def test_pegboard_folder_says_where_the_settings_are(project, monkeypatch):
    """PEGBOARD_FOLDER names the folder of the settings files."""
    elsewhere = project / "elsewhere"
    elsewhere.mkdir()
    write_layer("pegboard.toml", elsewhere, monkeypatch)
    monkeypatch.setenv("PEGBOARD_FOLDER", str(elsewhere))

    assert value(opened(), "model")[0] == "pegboard.toml"


def test_pyproject_is_read_where_there_is_no_pegboard_toml(project):
    """[tool.pegboard] in pyproject.toml serves as well."""
    text = '[tool.pegboard.llm.default]\nprovider = "echo"\nmodel = "here"\n'
    (project / "pyproject.toml").write_text(text)

    assert value(opened(), "model") == ("here", "pyproject.toml tool.pegboard")


def test_another_provider_begins_the_instance_anew(project, monkeypatch):
    """A layer that names another provider does not inherit the old one's options."""
    write_layer("pegboard.toml", project, monkeypatch)
    board = opened(settings={"llm": {"default": {"provider": "other-echo"}}})

    assert value(board, "model") == ("default-model", "default of other-echo")


def test_environment_spells_hyphens_as_underscores(project, monkeypatch):
    """A variable reaches an instance whose name has a hyphen."""
    (project / "pegboard.toml").write_text('[llm.my-bot]\nprovider = "echo"\n')
    monkeypatch.setenv("PEGBOARD_LLM__MY_BOT__MODEL", "big")

    assert value(opened(), "model", "llm.my-bot")[0] == "big"


def test_environment_makes_new_instances(monkeypatch):
    """Variables alone can configure an instance."""
    monkeypatch.setenv("PEGBOARD_LLM__NEW__PROVIDER", "echo")

    assert value(opened(), "model", "llm.new")[0] == "default-model"


@pytest.mark.parametrize(
    ("option", "text", "shown"),
    [
        ("COUNT", "12", "12"),
        ("TAGS", '["a", "b"]', "['a', 'b']"),
        ("HEADERS", '{"X-A": "1"}', "{'X-A': '1'}"),
        ("MODEL", "[not json", "[not json"),
    ],
)
def test_environment_has_every_type(option, text, shown, monkeypatch):
    """Numbers are read as such; lists and tables are written as JSON."""
    monkeypatch.setenv("PEGBOARD_LLM__DEFAULT__PROVIDER", "echo")
    monkeypatch.setenv(f"PEGBOARD_LLM__DEFAULT__{option}", text)

    assert value(opened(), option.lower())[0] == shown


def test_dotenv_never_reaches_the_process(project):
    """.env is read, not loaded: the process's environment stays as it was."""
    import os  # noqa: PLC0415

    (project / ".env").write_text("ECHO_KEY=from-file\n")
    before = dict(os.environ)
    board = opened(settings={"llm": {"default": {"provider": "echo"}}})

    assert value(board, "key") == ("set", ".env ECHO_KEY")
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("variables", "origin"),
    [
        ({"OLD_ECHO_KEY": "x"}, "environment OLD_ECHO_KEY"),
        ({"OLD_ECHO_KEY": "x", "ECHO_KEY": "y"}, "environment ECHO_KEY"),
        ({"ECHO_KEY": "y", "PEGBOARD_LLM__DEFAULT__KEY": "z"}, "environment PEGBOARD_"),
    ],
)
def test_vendor_names_are_fallbacks(variables, origin, monkeypatch):
    """Names that users already have serve where nothing nearer is said."""
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    board = opened(settings={"llm": {"default": {"provider": "echo"}}})

    assert value(board, "key")[1].startswith(origin)


def test_isolated_board_reads_nothing_else(project, monkeypatch):
    """Tests get what they say and nothing of the machine."""
    for layer in LAYERS[:4]:
        write_layer(layer, project, monkeypatch)
    monkeypatch.setenv("ECHO_KEY", "x")
    board = Pegboard.isolated(
        {"llm": {"default": {"provider": "echo"}}}, plugins=[EchoPlugin()]
    )

    assert value(board, "model") == ("default-model", "default of echo")
    assert value(board, "key") == ("not set", "default")


# --- every documented variable takes effect ---

SAMPLES = {
    "deadline": ("17.5", 17.5),
    "attempts": ("9", 9),
    "connect_timeout": ("1.5", 1.5),
    "connections": ("12", 12),
    "keep_alive": ("30", 30.0),
    "attempt_timeout": ("2.5", 2.5),
    "idle_timeout": ("3.5", 3.5),
    "backoff": ("0.25", 0.25),
    "max_backoff": ("3.5", 3.5),
    "max_retry_after": ("4.5", 4.5),
    "retry_quota": ("77", 77),
    "concurrency": ("4", 4),
    "requests_per_minute": ("60", 60.0),
    "tokens_per_minute": ("9000", 9000.0),
    "join_equal": ("true", True),
    "breaker.enabled": ("false", False),
    "breaker.failures": ("7", 7),
    "breaker.failure_rate": ("0.25", 0.25),
    "breaker.minimum_calls": ("20", 20),
    "breaker.window": ("10", 10.0),
    "breaker.slow_call": ("5", 5.0),
    "breaker.open_for": ("12", 12.0),
    "breaker.probes": ("2", 2),
    "breaker.shared": ("news", "news"),
}


def test_every_field_of_the_policy_has_a_sample():
    """No field is left out of the test below."""
    inner = {f"breaker.{field}" for field in BreakerPolicy.model_fields}

    assert set(SAMPLES) == (Policy.model_fields.keys() - {"breaker"}) | inner


@pytest.mark.parametrize(
    "section", ["PEGBOARD_POLICY", "PEGBOARD_LLM__DEFAULT__POLICY"]
)
@pytest.mark.parametrize("field", SAMPLES)
def test_every_policy_variable_takes_effect(section, field, monkeypatch):
    """Each field of the policy can be set for all, and for one instance."""
    text, expected = SAMPLES[field]
    variable = f"{section}__{field.replace('.', '__').upper()}"
    monkeypatch.setenv(variable, text)
    board = opened(settings={"llm": {"default": {"provider": "echo"}}})

    shown, origin = value(board, f"policy.{field}")

    assert shown == str(expected)
    assert origin == f"environment {variable}"


TOP_SAMPLES = {
    "llm": ("PEGBOARD_LLM__A__PROVIDER", "echo", {"a": {"provider": "echo"}}),
    "storage": ("PEGBOARD_STORAGE__A__PROVIDER", "m", {"a": {"provider": "m"}}),
    "integrations": (
        "PEGBOARD_INTEGRATIONS__A__PROVIDER",
        "c",
        {"a": {"provider": "c"}},
    ),
    "policy": ("PEGBOARD_POLICY__ATTEMPTS", "5", Policy(attempts=5)),
    "health": ("PEGBOARD_HEALTH__TIMEOUT", "3", HealthSettings(timeout=3)),
    "tracing": (
        "PEGBOARD_TRACING__CONVENTIONS",
        "1.36",
        TracingSettings(conventions="1.36"),
    ),
    "secrets": (
        "PEGBOARD_SECRETS__RENEW_EVERY",
        "60",
        SecretSettings(renew_every=60),
    ),
    "stats": ("PEGBOARD_STATS__WRITE_EVERY", "9", StatsSettings(write_every=9)),
    "calls": ("PEGBOARD_CALLS__RECORD", "true", CallsSettings(record=True)),
    "alerts": ("PEGBOARD_ALERTS__TO", "ops", AlertSettings(to="ops")),
    "slo": (
        "PEGBOARD_SLO",
        '{"a": {"address": "llm.a", "p95": 2.0}}',
        {"a": SloSettings(address="llm.a", p95=2)},
    ),
    "flags": ("PEGBOARD_FLAGS__NEW_UI", "true", {"new_ui": True}),
    "data_folder": ("PEGBOARD_DATA_FOLDER", "elsewhere", "elsewhere"),
    "close_timeout": ("PEGBOARD_CLOSE_TIMEOUT", "2.5", 2.5),
}
PLUGIN_LISTS = ("allow", "deny", "use")


@pytest.mark.parametrize("field", sorted(TopLevel.model_fields.keys() - {"plugins"}))
def test_every_top_level_variable_takes_effect(field, monkeypatch):
    """Each top-level key has an environment spelling that works."""
    name, text, expected = TOP_SAMPLES[field]
    monkeypatch.setenv(name, text)

    found = getattr(Pegboard()._settings.top, field)

    assert (str(found) if field == "data_folder" else found) == expected


@pytest.mark.parametrize("field", PLUGIN_LISTS)
def test_every_plugin_variable_takes_effect(field, monkeypatch):
    """The lists of plugins are written as JSON."""
    monkeypatch.setenv(f"PEGBOARD_PLUGINS__{field.upper()}", json.dumps(["a", "b"]))

    assert getattr(Pegboard()._settings.top.plugins, field) == ["a", "b"]


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("enabled", "true", True),
        ("conventions", "1.36", "1.36"),
        ("capture_content", "true", True),
    ],
)
def test_every_tracing_variable_takes_effect(field, text, expected, monkeypatch):
    """Tracing can be turned on where a program runs, without a file."""
    monkeypatch.setenv(f"PEGBOARD_TRACING__{field.upper()}", text)

    assert getattr(Pegboard()._settings.top.tracing, field) == expected


def test_plugin_lists_are_all_there_are():
    """No list of plugins is left out of the test above."""
    assert set(PLUGIN_LISTS) == set(type(TopLevel().plugins).model_fields)


# --- policy ---


def test_policy_is_inherited():
    """An instance's policy wins over [policy], and that over the provider's default."""
    board = opened(
        settings={
            "policy": {"deadline": 30, "attempts": 5},
            "llm": {"default": {"provider": "echo", "policy": {"deadline": 20}}},
        }
    )

    assert value(board, "policy.deadline") == ("20.0", "arguments")
    assert value(board, "policy.attempts") == ("5", "arguments")


def test_policy_default_of_the_provider():
    """Where nobody says otherwise, the provider's own default policy holds."""
    board = opened(settings={"llm": {"default": {"provider": "echo"}}})

    assert value(board, "policy.attempts") == ("7", "default of echo")


# --- flags ---


def test_flags_are_booleans():
    """A flag is on or off; one that is not set is an error."""
    board = Pegboard({"flags": {"new_ui": True, "old_ui": False}})

    assert board.flag("new_ui") is True
    assert board.flag("old_ui") is False
    assert "Did you mean 'new_ui'?" in problems(board.flag, "new_iu")


# --- problems ---


def test_all_problems_are_reported_at_once():
    """One error holds everything that is wrong with an instance."""
    section = {
        "provider": "echo",
        "modle": "x",
        "count": "many",
        "policy": {"dedline": 3, "attempts": 0},
    }
    text = problems(opened(settings={"llm": {"default": section}}).llm)

    assert "4 problems" in text
    assert "llm.default.modle: there is no such key. Did you mean 'model'?" in text
    assert "llm.default.count" in text
    assert "llm.default.policy.dedline" in text
    assert "llm.default.policy.attempts" in text


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"lm": {}}, "lm: there is no such key. Did you mean 'llm'?"),
        ({"llm": {"default": 3}}, "llm.default"),
        ({"llm": {"de fault": {}}}, "de fault"),
        ({"plugins": {"alow": []}}, "Did you mean 'allow'?"),
        ({"flags": {"x": "maybe"}}, "flags.x"),
        ({"close_timeout": -1}, "close_timeout"),
    ],
)
def test_wrong_top_level_is_refused_at_once(settings, expected):
    """What is wrong outside the instances is an error when the board is made."""
    assert expected in problems(Pegboard, settings)


def test_problem_names_its_origin(project):
    """A problem says which file or variable to look at."""
    (project / "pegboard.toml").write_text(
        '[llm.default]\nprovider = "echo"\ncount="x"'
    )

    assert "(from pegboard.toml)" in problems(opened().llm)


def test_broken_toml_names_file_and_line(project):
    """A syntax error in TOML says where it is."""
    (project / "pegboard.toml").write_text("[llm.default]\nprovider =\n")

    text = problems(Pegboard)

    assert "pegboard.toml" in text
    assert "line 2" in text


def test_missing_profile_lists_those_that_exist(project):
    """A profile without a file is an error that names the others."""
    (project / "pegboard.prod.toml").write_text("")

    assert "Profiles there: prod." in problems(Pegboard, profile="prd")


def test_misspelt_variable_is_an_error(monkeypatch):
    """A variable of pegboard that means nothing is not ignored."""
    monkeypatch.setenv("PEGBOARD_LM__DEFAULT__MODEL", "x")

    text = problems(Pegboard)

    assert "PEGBOARD_LM__DEFAULT__MODEL" in text
    assert "Did you mean 'llm'?" in text


def test_misspelt_instance_names_the_others():
    """An instance that is not configured is an error that names those that are."""
    board = opened(settings={"llm": {"loud": {"provider": "echo"}}})

    text = problems(board.llm, "luod")

    assert "Did you mean 'loud'?" in text
    assert "Add a [llm.luod] section." in text


def test_missing_provider_says_what_to_add():
    """A section without a provider is an error."""
    text = problems(Pegboard({"llm": {"default": {"model": "x"}}}).llm)

    assert "llm.default.provider: is required." in text


def test_check_reports_every_instance():
    """Check goes through all instances, whatever is wrong with the first."""
    settings = {
        "llm": {
            "a": {"provider": "echo", "modle": 1},
            "b": {"provider": "nobody"},
            "c": {"provider": "echo"},
        }
    }
    found = [problem.where for problem in opened(settings=settings).check()]

    assert found == ["llm.a.modle", "llm.b"]


# --- secrets ---

SECRET = "sk-sentinel-0123456789"


@pytest.mark.parametrize(
    ("reference", "origin"),
    [(SECRET, "arguments"), ("env:MY_KEY", "arguments"), ("file:key.txt", "arguments")],
)
def test_secret_references_resolve(reference, origin, project, monkeypatch):
    """A secret is a literal, or in a variable, or in a file."""
    monkeypatch.setenv("MY_KEY", SECRET)
    (project / "key.txt").write_text(SECRET + "\n")
    settings = {"llm": {"default": {"provider": "echo", "key": reference}}}
    board = opened(settings=settings)
    board.llm()

    options = board.provider("llm.default").options

    assert options.key.get_secret_value() == SECRET
    assert value(board, "key") == ("set", origin)


def test_references_resolve_in_lists_and_tables(monkeypatch):
    """Secrets may stand in a list or a table; each is resolved, none is shown."""
    monkeypatch.setenv("MY_KEY", SECRET)
    section = {"many_keys": ["env:MY_KEY", "x"], "named_keys": {"a": "env:MY_KEY"}}
    board = opened(settings={"llm": {"default": {"provider": "echo", **section}}})
    board.llm()

    plan = board._instances.get("llm.default").plan

    assert plan.options.many_keys[0].get_secret_value() == SECRET
    assert plan.options.named_keys["a"].get_secret_value() == SECRET
    assert SECRET in plan.secrets
    assert SECRET not in repr(board.explain("llm.default"))


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("env:NO_SUCH_KEY", "the variable 'NO_SUCH_KEY' is not set"),
        ("file:missing.txt", "the file 'missing.txt' cannot be read"),
        ("secret:vault/name", "async with Pegboard()"),
        ("secret:vault", "is not spelled secret:INSTANCE/NAME"),
    ],
)
def test_reference_to_nothing_is_an_error(reference, expected):
    """A reference that leads nowhere says what it looked for."""
    settings = {"llm": {"default": {"provider": "echo", "key": reference}}}

    text = problems(opened(settings=settings).llm)

    assert "llm.default.key" in text
    assert expected in text


async def test_secrets_come_from_a_secret_store(project):
    """secret:INSTANCE/NAME#field is fetched from an integration when it opens."""
    (project / "vault").mkdir()
    (project / "vault" / "echo").write_text(json.dumps({"key": SECRET}))
    settings = {
        "llm": {
            "default": {"provider": "echo", "key": "secret:vault/echo#key"},
            "lost": {"provider": "echo", "key": "secret:vault/missing"},
            "odd": {"provider": "echo", "key": "secret:vault/echo#other"},
        },
        "integrations": {"vault": {"provider": "files", "folder": "vault"}},
    }
    async with opened(settings=settings) as board:
        board.llm()
        options = board.provider("llm.default").options
        assert options.key.get_secret_value() == SECRET
        assert "cannot be fetched" in problems(board.llm, "lost")
        assert "no" in problems(board.llm, "odd")


def test_problems_show_no_secret():
    """An invalid section with a secret in it is reported without the secret."""
    settings = {
        "llm": {"default": {"provider": "echo", "key": SECRET, "count": SECRET}}
    }

    assert SECRET not in problems(opened(settings=settings).llm)


def test_schema_of_the_documented_example_is_toml():
    """The example of the documentation is what the settings read."""
    text = '[llm.cheap]\nprovider = "echo"\npolicy = { deadline = 20, attempts = 2 }\n'
    board = Pegboard.isolated(tomllib.loads(text), plugins=[EchoPlugin()])

    assert value(board, "policy.deadline", "llm.cheap") == ("20.0", "arguments")


def test_problem_of_several_options_at_once_is_told():
    """A provider may check how its options fit together; the section is the place."""

    class Pair(Options):
        @model_validator(mode="after")
        def check(self):
            msg = "set one of them"
            raise ValueError(msg)

    problem = validated(Pair, {}, "llm.default")[0]

    assert (problem.where, problem.message) == (
        "llm.default",
        "Value error, set one of them.",
    )
