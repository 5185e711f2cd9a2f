"""Logs as CloudWatch finds them again: a JSON object a line."""

from __future__ import annotations

import json
import sys
import traceback
from typing import TYPE_CHECKING, Any

from loguru import logger
from pegboard import enable_logging

if TYPE_CHECKING:
    from loguru import Message, Record

CORRELATION = "correlation_id"
"""Beside each line of the log; the attribute of a job that says what it came of."""
LOG = logger.bind(component="function")


def log_as_json() -> None:
    """
    Have everything that is logged through loguru go out as JSON, a line each.

    It replaces all other places that loguru writes to. What the adapters know, such as
    ``correlation_id``, stands beside the message, as does what was bound to it.
    """
    enable_logging()
    logger.configure(handlers=[{"sink": _write, "level": "INFO", "catch": False}])


def _write(message: Message) -> None:
    line = json.dumps(_line(message.record), ensure_ascii=False, default=str)
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _line(record: Record) -> dict[str, Any]:
    line = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": record["message"],
        **record["extra"],
    }
    error = record["exception"]
    if error is None or error.value is None:
        return line
    trace = "".join(traceback.format_exception(error.value))
    return {**line, "error": type(error.value).__name__, "traceback": trace}


def request_id(context: Any) -> str:
    """Return what Lambda calls this invocation."""
    return str(getattr(context, "aws_request_id", "") or "none")


def names(context: Any, correlation_id: str) -> dict[str, str]:
    """Return what stands beside each line of the log."""
    function = getattr(context, "function_name", "none")
    return {
        "function": str(function),
        "request_id": request_id(context),
        CORRELATION: correlation_id,
    }
