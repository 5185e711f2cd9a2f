"""How a pydantic model is kept as documents: its key, its indexes, its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
)
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    FutureDate,
    FutureDatetime,
    NaiveDatetime,
    PastDate,
    PastDatetime,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticSerializationError

from pegboard.contracts.documents import Collection, IndexedField, Kind, Range
from pegboard.errors import InvalidReply, InvalidRequest
from pegboard.schema import in_words

Model = TypeVar("Model", bound=BaseModel)

DATES = (
    AwareDatetime,
    NaiveDatetime,
    FutureDate,
    FutureDatetime,
    PastDate,
    PastDatetime,
)
KINDS: Mapping[Kind, tuple[type, ...]] = {
    "boolean": (bool,),
    "number": (int, float),
    "text": (str, UUID, date, *DATES),
}
"""The types of each kind, the narrower first: for Python, True is a number."""


@dataclass(frozen=True, slots=True)
class Key:
    """Marks the field that documents are stored under: ``Annotated[str, Key()]``."""


@dataclass(frozen=True, slots=True)
class Index:
    """Marks a field that documents are found by: ``Annotated[int, Index()]``."""


class Shape(Generic[Model]):
    """What *model* is as documents."""

    def __init__(self, model: type[Model]) -> None:
        if not _is_model(model):
            msg = f"{model!r} is no pydantic model. Write Documents[YourModel]."
            raise InvalidRequest(msg, request_sent="no")
        self._model = model
        self._key = _key(model)
        self._adapters: dict[str, TypeAdapter[Any]] = {}
        indexes = (IndexedField(n, _kind(model, n)) for n in _marked(model, Index))
        name = getattr(model, "__collection__", model.__name__)
        self.collection = Collection(name, tuple(indexes))

    def body(self, document: Model) -> tuple[str, dict[str, Any]]:
        """Return the key of *document*, and its JSON."""
        if not isinstance(document, self._model):
            msg = f"Pass a {self._model.__name__}, not {type(document).__name__}."
            raise InvalidRequest(msg, request_sent="no")
        try:
            body = document.model_dump(
                mode="json", by_alias=False, round_trip=True, warnings="error"
            )
        except (PydanticSerializationError, UnicodeError) as error:
            msg = f"This {self._model.__name__} has no JSON: {error}"
            raise InvalidRequest(msg, request_sent="no") from error
        # Only then are they in order as texts, whatever was indexed when.
        instants = {n: v for n, v in document if isinstance(v, datetime)}
        body |= {name: _text_of(instant) for name, instant in instants.items()}
        return body[self._key], body

    def read(self, key: str, text: str) -> Model:
        """Return the document whose JSON *text* is stored under *key*."""
        try:
            return self._model.model_validate_json(text, by_alias=False, by_name=True)
        except ValidationError as error:
            msg = (
                f"What is stored under {key!r} is no {self._model.__name__}: "
                f"{in_words(error)}. Give new fields a default, or rewrite it."
            )
            raise InvalidReply(msg) from error

    def conditions(self, where: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return *where* with the JSON of each value."""
        return {
            name: self._wanted(name, value) for name, value in (where or {}).items()
        }

    def _wanted(self, name: str, value: Any) -> Any:
        if value is None or name not in self.collection.fields:
            return value  # a field that is not indexed is refused by the store
        if not isinstance(value, Range):
            return self._json(name, value)
        given = {field.name: getattr(value, field.name) for field in fields(Range)}
        bounds = {n: v and self._json(name, v) for n, v in given.items()}
        return replace(value, **bounds)

    def _json(self, name: str, value: Any) -> Any:
        if name not in self._adapters:
            annotation: Any = self._model.model_fields[name].annotation
            self._adapters[name] = TypeAdapter(annotation)
        adapter = self._adapters[name]
        try:
            typed = adapter.validate_python(value)
        except ValidationError as error:
            msg = f"{name!r} cannot be {value!r}: {in_words(error)}."
            raise InvalidRequest(msg, request_sent="no") from error
        if isinstance(typed, datetime):
            return _text_of(typed)
        return adapter.dump_python(typed, mode="json")


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _text_of(instant: datetime) -> str:
    """Return *instant* as text of always the same length; with a time zone, in UTC."""
    if instant.tzinfo is None:
        return instant.isoformat(timespec="microseconds")
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def _marked(model: type[BaseModel], mark: type) -> list[str]:
    return [
        name
        for name, field in model.model_fields.items()
        if any(isinstance(one, mark) or one is mark for one in field.metadata)
    ]


def _key(model: type[BaseModel]) -> str:
    found = _marked(model, Key)
    if len(found) == 1 and _kind(model, found[0]) == "text":
        return found[0]
    what = f"has the keys {', '.join(found)}" if found else "has no key"
    msg = f"{model.__name__} {what}. Mark one text field: name: Annotated[str, Key()]."
    raise InvalidRequest(msg, request_sent="no")


def _kind(model: type[BaseModel], name: str) -> Kind:
    kinds = _kinds(model.model_fields[name].annotation)
    if len(kinds) == 1 and None not in kinds:
        (kind,) = kinds
        return kind  # type: ignore[return-value]  # None was ruled out
    msg = (
        f"{model.__name__}.{name} is no index: its values have no order in JSON. "
        "Mark text, a number, a bool, a date, a datetime, a UUID or an Enum of those."
    )
    raise InvalidRequest(msg, request_sent="no")


def _kinds(annotation: Any) -> set[Kind | None]:
    """Return the kinds that values of *annotation* can have; None is some other."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kinds(arguments[0])
    if origin in (Union, UnionType):
        return {kind for one in arguments for kind in _kinds(one)}
    if origin is Literal:
        return {kind for value in arguments for kind in _kinds(type(value))}
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return {kind for one in annotation for kind in _kinds(type(one.value))}
    if annotation is NoneType:
        return set()
    return {_kind_of_class(getattr(annotation, "__supertype__", annotation))}


def _kind_of_class(kind: Any) -> Kind | None:
    for name, types in KINDS.items():
        if isinstance(kind, type) and issubclass(kind, types):
            return name
    return None
