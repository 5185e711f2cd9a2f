"""What the conventions call runs and tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard.contracts.chat import ToolCall

if TYPE_CHECKING:
    from pegboard.observers import Activity

    from .conventions import Attributes, Conventions

OPERATIONS = {"run": "invoke_agent", "tool": "execute_tool"}


def activity_name(activity: Activity) -> str:
    """Return what the span of *activity* is called: a small set of names."""
    return f"{OPERATIONS[activity.kind]} {activity.name}"


def activity_attributes(activity: Activity, conventions: Conventions) -> Attributes:
    """Return what is known of *activity*, its words aside."""
    known: Attributes = {
        "pegboard.address": activity.address,
        "gen_ai.operation.name": OPERATIONS[activity.kind],
    }
    if activity.kind == "run":
        return known | {
            conventions.provider: activity.provider,
            "gen_ai.agent.name": activity.name,
        }
    call = activity.subject
    called = {"gen_ai.tool.call.id": call.id} if isinstance(call, ToolCall) else {}
    return (
        known
        | called
        | {
            "gen_ai.tool.name": activity.name,
            "gen_ai.tool.type": "function",
        }
    )
