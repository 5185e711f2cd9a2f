"""Standard tests: inherited as they are, or left out with a reason."""

from __future__ import annotations

from typing import Any


class StandardTests:
    """
    The base of every conformance kit.

    A class that inherits a kit cannot change its tests. What a provider really cannot
    do is left out aloud, and stays visible in every test report::

        @pytest.mark.xfail(reason="the service has no such thing", run=False)
        async def test_something(self): ...
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in vars(cls):
            if _is_standard(name, cls.__mro__[1:]) and not _reason(vars(cls)[name]):
                msg = (
                    f"{cls.__name__}.{name} replaces a standard test. Delete it, or "
                    'mark it with @pytest.mark.xfail(reason="...") to leave it out.'
                )
                raise TypeError(msg)


def _is_standard(name: str, bases: tuple[type, ...]) -> bool:
    return name.startswith("test_") and any(name in vars(base) for base in bases)


def _reason(test: object) -> str:
    marks = getattr(test, "pytestmark", ())
    reasons = (mark.kwargs.get("reason") for mark in marks if mark.name == "xfail")
    return "; ".join(filter(None, reasons))
