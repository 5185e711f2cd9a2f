from __future__ import annotations

from pegboard import ChatRequest, PartDone, Reasoning, Text, TextDelta
from pegboard.draft import Draft


def parts_of(*events):
    """Return the parts of a reply that *events* make."""
    draft = Draft(ChatRequest(messages=()))
    for event in events:
        draft.add(event)
    return draft.reply().parts


def test_words_are_joined_between_other_parts():
    """A reply is not made of its pieces."""
    thought = Reasoning("Hm.")
    events = [TextDelta("Hel"), TextDelta("lo."), PartDone(thought), TextDelta("Bye.")]

    assert parts_of(*events) == (Text("Hello."), thought, Text("Bye."))


def test_text_that_is_done_stands_for_its_words():
    """Once, with what its pieces could not carry."""
    first = Text("Looking.", provider_metadata={"x": {"phase": "commentary"}})
    last = Text("Sunny.", provider_metadata={"x": {"phase": "final"}})
    events = [
        TextDelta("Look"),
        TextDelta("ing."),
        PartDone(first),
        TextDelta("Sunny."),
    ]

    assert parts_of(*events) == (first, Text("Sunny."))
    assert parts_of(*events, PartDone(last)) == (first, last)


def test_text_may_come_without_pieces():
    """A service may send it only when it is whole."""
    text = Text("Hello.", provider_metadata={"x": {}})

    assert parts_of(PartDone(text)) == (text,)
