"""How values of one type are kept as JSON, and read from it."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import PydanticSerializationError
from typing_extensions import TypeForm

from pegboard.contracts.key_value import encode
from pegboard.errors import InvalidReply, InvalidRequest
from pegboard.schema import in_words

Value = TypeVar("Value")

# Bytes are no text. A model says itself how its own are kept.
BYTES = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
HAS_ITS_OWN_CONFIG = "type-adapter-config-unused"


class Codec(Generic[Value]):
    """Values of the type *kind*, whatever pydantic can make JSON of."""

    def __init__(self, kind: TypeForm[Value]) -> None:
        self._name = getattr(kind, "__name__", None) or repr(kind)
        self._adapter = _adapter(kind)

    def encode(self, key: str, value: Value) -> Any:
        """Return the JSON of *value*, which is to be stored under *key*."""
        try:
            found = self._adapter.dump_python(
                value, mode="json", by_alias=False, round_trip=True, warnings="error"
            )
            self._read(key, found)  # not all that can be written can be read again
        except (PydanticSerializationError, UnicodeError) as error:
            raise self._unfit(key, str(error)) from error
        except ValidationError as error:
            raise self._unfit(key, in_words(error)) from error
        return found

    def decode(self, key: str, value: Any) -> Value:
        """Return what the JSON *value* under *key* stands for."""
        try:
            return self._read(key, value)
        except ValidationError as error:
            msg = (
                f"What is stored under {key!r} is no {self._name}: {in_words(error)}. "
                "Give new fields a default, or delete or rewrite the key."
            )
            raise InvalidReply(msg) from error

    def _read(self, key: str, value: Any) -> Value:
        text = encode(key, value)
        found: Value = self._adapter.validate_json(text, by_alias=False, by_name=True)
        return found

    def _unfit(self, key: str, reason: str) -> InvalidRequest:
        msg = f"The value for {key!r} cannot be stored as {self._name}: {reason}"
        return InvalidRequest(msg, request_sent="no")


def _adapter(kind: Any) -> TypeAdapter[Any]:
    try:
        return _complete(TypeAdapter(kind, config=BYTES))
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        if error.code == HAS_ITS_OWN_CONFIG:
            return TypeAdapter(kind)
        msg = f"{kind!r} is no type that has JSON: {error.message}"
        raise InvalidRequest(msg, request_sent="no") from error


def _complete(adapter: TypeAdapter[Any]) -> TypeAdapter[Any]:
    """Return *adapter*, all of whose types are there now."""
    adapter.rebuild()
    return adapter
