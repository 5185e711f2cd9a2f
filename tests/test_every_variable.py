"""Every option of every installed provider has an environment spelling that works."""

import json
import types
import typing

import pytest
from annotated_types import Ge, Gt
from pegboard import Pegboard
from pegboard._plugins.registry import Registry
from pydantic_core import PydanticUndefined

PROVIDERS = {
    (provider.family, provider.name): provider
    for plugin in Registry().plugins()
    for provider in plugin.providers
}
OPTIONS = [
    (family, name, option)
    for (family, name), provider in PROVIDERS.items()
    for option in provider.load_options().model_fields
]
VENDOR_NAMES = [
    (family, name, option, variable)
    for (family, name), provider in PROVIDERS.items()
    for option, variables in provider.env.items()
    for variable in variables
]
TEXTS = {
    "base_url": "http://127.0.0.1:9/v1",
    "url": "redis://127.0.0.1:9",
    "postgresql.url": "postgresql://127.0.0.1:9/name",
    "dynamodb.url": "dynamodb://table/prefix",
    "fsspec.url": "sftp://127.0.0.1/folder",
    "azure-blob.url": "azure-blob://account/container",
    "s3.url": "s3://bucket/prefix",
    "sqs.url": "http://127.0.0.1:9/1/jobs",
    "webhook.url": "http://127.0.0.1:9/hooks",
    "webhook.secret": "whsec_c2VjcmV0",
    "webhook.old_secret": "whsec_c2VjcmV0",
    "replicas": '["postgresql://127.0.0.1:9/name"]',
    "metadata": "models:Base",
    "endpoint": "http://127.0.0.1:9",
    "model_path": "/models/other.gguf",
    "extensions": '[".txt"]',
    "failures": '["RateLimited"]',
    "capabilities": '["seed"]',
    "targets": '["other"]',
    "weights": '{"other": 2}',
    "on": '["Conflict"]',
    "accept": "json:dumps",
    "entra_token_provider": "json:dumps",
}
ONE_OF_SEVERAL = {("llm", "azure"): "api_key", ("llm", "gemini"): "api_key"}
"""An option that is needed unless another one is there."""
TOGETHER = {"access_key_id": "secret_access_key", "secret_access_key": "access_key_id"}
"""Options that are needed where the other one is there."""


def text_for(name, option, field):
    """Return a text for *option* of the provider *name*, valid and not its default."""
    text = TEXTS.get(f"{name}.{option}", TEXTS.get(option))
    if text is not None:
        return text
    return _text(_without_none(field.annotation), field)


def value_for(name, option, field):
    """Return what the text of *option* says, as a program would pass it."""
    text = text_for(name, option, field)
    return json.loads(text) if text[0] in "[{" else text


def _without_none(annotation):
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return next(a for a in typing.get_args(annotation) if a is not type(None))
    return annotation


def _text(annotation, field):
    if typing.get_origin(annotation) is typing.Literal:
        return next(a for a in typing.get_args(annotation) if a != field.default)
    if annotation is bool:
        return json.dumps(not field.default)
    if annotation in {int, float}:
        bounds = [m for m in field.metadata if isinstance(m, (Ge, Gt))]
        least = max([vars_of(m) for m in bounds], default=0)
        number = annotation(least) + annotation(3)
        return str(number + annotation(number == field.default))
    if typing.get_origin(annotation) in {list, tuple, set, frozenset}:
        return '["x"]'
    if typing.get_origin(annotation) is dict:
        return '{"x": "y"}'
    return "text"


def vars_of(bound):
    """Return the number of a *bound*."""
    return getattr(bound, "ge", getattr(bound, "gt", 0)) or 0


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """Be in an empty project where no variable of a provider is set."""
    monkeypatch.chdir(tmp_path)
    for *_, variable in VENDOR_NAMES:
        monkeypatch.delenv(variable, raising=False)


def board_with_required(family, name, without):
    """Return a board whose one instance has all that it requires."""
    provider = PROVIDERS[family, name]
    fields = provider.load_options().model_fields
    required = {
        option: value_for(name, option, field)
        for option, field in fields.items()
        if field.is_required() and option not in {*provider.defaults, without}
    }
    one = ONE_OF_SEVERAL.get((family, name))
    if one is not None and one != without:
        required[one] = "text"
    if without in TOGETHER:
        required[TOGETHER[without]] = "text"
    other = {"other": {"provider": "fake"}} if provider.targets else {}
    return Pegboard({family: {"x": {"provider": name, **required}, **other}})


def row(board, family, option):
    """Return what the explanation says of *option*."""
    rows = {row.key: row for row in board.explain(f"{family}.x").options}
    return rows[option]


@pytest.mark.parametrize(("family", "name", "option"), OPTIONS)
def test_every_option_has_a_variable(family, name, option, monkeypatch):
    """PEGBOARD_FAMILY__INSTANCE__OPTION sets the option."""
    field = PROVIDERS[family, name].load_options().model_fields[option]
    variable = f"PEGBOARD_{family}__X__{option}".upper()
    monkeypatch.setenv(variable, text_for(name, option, field))

    found = row(board_with_required(family, name, option), family, option)

    assert found.origin == f"environment {variable}"
    assert found.shown != str(field.default)
    assert found.shown != str(PydanticUndefined)


@pytest.mark.parametrize(("family", "name", "option", "variable"), VENDOR_NAMES)
def test_every_vendor_variable_takes_effect(
    family, name, option, variable, monkeypatch
):
    """A name that the vendor's users already have sets the option."""
    field = PROVIDERS[family, name].load_options().model_fields[option]
    monkeypatch.setenv(variable, text_for(name, option, field))

    found = row(board_with_required(family, name, option), family, option)

    assert found.origin == f"environment {variable}"


def test_there_are_options_to_test():
    """The lists above are not empty by mistake."""
    assert len(OPTIONS) > 20
    assert ("llm", "openai", "api_key", "OPENAI_API_KEY") in VENDOR_NAMES
