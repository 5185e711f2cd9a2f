"""What is sent for what programs ask. Shapes from the SDK and the documentation."""

from __future__ import annotations

import pickle
from base64 import b64encode
from typing import Any

import pytest
from pegboard import (
    ChatRequest,
    File,
    Image,
    Message,
    Pegboard,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from pegboard.draft import Draft
from pegboard.errors import Unsupported
from pegboard.testing import gemini_wire as wire
from pegboard_google._replies import reply_of
from pegboard_google._requests import UNSIGNED, body_of
from pegboard_google._stream import StreamReader
from pegboard_google.options import GeminiOptions
from pegboard_google.profiles import FAMILIES

SCHEMA = {"type": "object", "properties": {"city_name": {"type": "string"}}}
WEATHER = Tool("weather", "Tell the weather.", SCHEMA)
CALL = ToolCall("call-1", "weather", {"city_name": "Bonn"})


def body(
    *messages: Message,
    model: str = "gemini-3-flash",
    thoughts: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """Return what is sent to *model* for *messages*."""
    options = GeminiOptions.model_validate(
        {"model": model, "api_key": "k", "include_thoughts": thoughts}
    )
    return body_of(ChatRequest(messages=messages, **more), model, options)


def parts(*given: Any, role: Any = "assistant", model: str = "gemini-2.5-pro") -> Any:
    """Return what is sent for the parts of one message."""
    return body(Message(role, given), model=model)["contents"][0]["parts"]


def config(**more: Any) -> dict[str, Any]:
    """Return how the reply is asked to be."""
    sent: dict[str, Any] = body(**more).get("generationConfig", {})
    return sent


# --- turns ---


def test_roles_are_those_of_the_api() -> None:
    """Instructions stand apart from the turns."""
    sent = body(
        Message.of("system", "Be brief."),
        Message.of("user", "Hi"),
        Message.of("assistant", "Hello."),
    )

    assert sent["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert sent["contents"] == [
        {"role": "user", "parts": [{"text": "Hi"}]},
        {"role": "model", "parts": [{"text": "Hello."}]},
    ]


def test_results_of_calls_at_once_are_one_turn() -> None:
    """As many results as calls have to stand in it."""
    first, second = (Message("tool", (ToolResult(n, n, n),)) for n in ("a", "b"))

    sent = body(first, second, Message.of("user", "And?"))["contents"]

    assert [(turn["role"], len(turn["parts"])) for turn in sent] == [
        ("user", 2),
        ("user", 1),
    ]


def test_results_name_their_tool() -> None:
    """An id that we made up is not the service's to know."""
    result = ToolResult("call-1", "weather", "sunny")
    failed = ToolResult("call-2", "weather", "no such town", is_error=True)

    assert parts(result, failed, role="tool") == [
        {"functionResponse": {"name": "weather", "response": {"output": "sunny"}}},
        {
            "functionResponse": {
                "name": "weather",
                "response": {"error": "no such town"},
            }
        },
    ]


def test_ids_of_the_service_go_back() -> None:
    """To the call and to its result."""
    call = ToolCall("id-7", "weather", {}, provider_metadata={"gemini": {"id": "id-7"}})
    result = ToolResult("id-7", "weather", "sunny")

    one, two = body(Message("assistant", (call,)), Message("tool", (result,)))[
        "contents"
    ]

    assert one["parts"][0]["functionCall"]["id"] == "id-7"
    assert two["parts"][0]["functionResponse"]["id"] == "id-7"


def test_message_without_anything_to_say_is_left_out() -> None:
    """The API refuses turns without parts."""
    foreign = Reasoning("Hm.", provider_metadata={"openai": {"id": "r"}})

    sent = body(Message("assistant", (foreign, Text(""))), Message.of("user", "Hi"))

    assert [turn["role"] for turn in sent["contents"]] == ["user"]


def test_media_go_as_bytes_or_by_address() -> None:
    """An address that holds the bytes is taken apart."""
    content = b64encode(b"123").decode()

    assert parts(
        Image(b"123"),
        File("gs://bucket/a.pdf"),
        Image(f"data:image/webp;base64,{content}"),
        role="user",
    ) == [
        {"inlineData": {"mimeType": "image/png", "data": content}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://bucket/a.pdf"}},
        {"inlineData": {"mimeType": "image/webp", "data": content}},
    ]


# --- parameters ---


def test_parameters_have_the_names_of_the_api() -> None:
    """What is not asked for is not sent."""
    assert config() == {}
    assert config(
        max_tokens=5, temperature=0.1, top_p=0.2, seed=3, stop=("x",), schema=SCHEMA
    ) == {
        "maxOutputTokens": 5,
        "temperature": 0.1,
        "topP": 0.2,
        "seed": 3,
        "stopSequences": ["x"],
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }


def test_tools_are_declared_as_they_are() -> None:
    """Names within a schema are the program's."""
    assert body(tools=(WEATHER,))["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "Tell the weather.",
                    "parametersJsonSchema": SCHEMA,
                }
            ]
        }
    ]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", None),
        ("required", {"mode": "ANY"}),
        ("none", {"mode": "NONE"}),
        ("weather", {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
    ],
)
def test_choice_of_tools(choice: str, sent: dict[str, Any] | None) -> None:
    """A name allows that tool only."""
    made = body(tools=(WEATHER,), tool_choice=choice).get("toolConfig")

    assert made == (sent and {"functionCallingConfig": sent})


def test_vendor_parameters_are_joined() -> None:
    """In the spelling of the API or of Python."""
    block = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    sent = body(
        temperature=0.5,
        extra={
            "gemini": {"safety_settings": block, "generationConfig": {"top_k": 4}},
            "openai": {"user": "u"},
        },
    )

    assert sent["safetySettings"] == block
    assert sent["generationConfig"] == {"temperature": 0.5, "topK": 4}
    assert "user" not in sent


# --- thinking ---


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("gemini-2.5-pro", "minimal", {"thinkingBudget": 128}),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24576}),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("models/gemini-2.5-flash-lite", "minimal", {"thinkingBudget": 512}),
        ("gemini-3-pro-preview", "high", {"thinkingLevel": "HIGH"}),
        ("publishers/google/models/gemini-3.8-flash", "low", {"thinkingLevel": "LOW"}),
        ("gemini-flash-latest", "xhigh", {"thinkingLevel": "XHIGH"}),
    ],
)
def test_effort_is_what_the_family_takes(
    model: str, effort: str, sent: dict[str, Any]
) -> None:
    """A budget or a level."""
    assert config(model=model, reasoning_effort=effort) == {"thinkingConfig": sent}


@pytest.mark.parametrize(
    ("model", "effort"),
    [("gemini-2.5-pro", "none"), ("gemini-2.0-flash", "low"), ("gemma-3", "low")],
)
def test_effort_that_the_family_does_not_know_is_refused(
    model: str, effort: str
) -> None:
    """The message says what it knows."""
    with pytest.raises(Unsupported, match=rf"{model}.*{effort}.*Known: ") as caught:
        config(model=model, reasoning_effort=effort)

    assert caught.value.request_sent == "no"


def test_thoughts_are_asked_for_where_there_are_any() -> None:
    """Models that do not think refuse the parameter."""
    assert config(thoughts=True) == {"thinkingConfig": {"includeThoughts": True}}
    assert config(thoughts=True, model="gemini-2.0-flash") == {}


def test_every_family_can_be_reached() -> None:
    """None is hidden by one before it."""
    prefixes = [family.prefix for family in FAMILIES]

    assert not [
        (early, late)
        for place, late in enumerate(prefixes)
        for early in prefixes[:place]
        if late.startswith(early)
    ]


# --- signatures ---

SIGNED = [
    wire.thought("I think.", "dGhvdWdodA=="),
    {"text": "Hello.", "thoughtSignature": "dGV4dA=="},
    wire.function_call("weather", {"city_name": "Bonn"}, signature="Y2FsbA=="),
    {"functionCall": {"name": "weather", "args": {}}},
    {
        "executableCode": {"language": "PYTHON", "code": "1+1"},
        "thoughtSignature": "eA==",
    },
]


def stored(message: Message) -> Message:
    """Return *message* as a program has it that wrote it down and read it again."""
    read: Message = pickle.loads(pickle.dumps(message))  # noqa: S301 - our own
    return read


def test_signed_parts_go_back_as_they_came() -> None:
    """Also after the message was stored and read again."""
    message = reply_of(wire.response(*SIGNED), "m").message

    kept = stored(message)

    assert parts(*kept.parts, model="gemini-3-pro") == SIGNED


def test_signed_parts_of_a_stream_go_back_as_they_came() -> None:
    """The end of a text may be signed, and its beginning not."""
    sent = [
        {"text": "Hel"},
        {"text": "lo.", "thoughtSignature": "dGV4dA=="},
        *SIGNED,
        {"text": "", "thoughtSignature": "ZW5k"},
    ]
    reader, draft = StreamReader("m"), Draft(ChatRequest(messages=()))
    for part in sent:
        for event in reader.read(wire.response(part)):
            draft.add(event)

    kept = stored(draft.reply().message)

    assert parts(*kept.parts, model="gemini-3-pro") == sent


def test_thoughts_without_a_signature_stay() -> None:
    """They are of no use to the service."""
    told = {"text": "I think.", "thought": True}
    message = reply_of(wire.response(told, wire.text()), "m").message

    assert parts(*message.parts) == [{"text": "Hello."}]


def test_calls_of_another_model_are_marked() -> None:
    """Newer models refuse calls without a signature; the first of each turn has it."""
    sent = parts(CALL, CALL, model="gemini-3-pro")

    assert [part.get("thoughtSignature") for part in sent] == [UNSIGNED, None]
    assert "thoughtSignature" not in parts(CALL, model="gemini-2.5-pro")[0]


def test_calls_of_our_own_are_not_marked() -> None:
    """Of calls at once only the first is signed by the service."""
    own = {"gemini": {"thoughtSignature": "Y2FsbA=="}}
    signed = ToolCall("call-0", "weather", {}, provider_metadata=own)
    sent = parts(signed, CALL, model="gemini-3-pro")

    assert [part.get("thoughtSignature") for part in sent] == ["Y2FsbA==", None]


def test_functions_may_answer_with_pictures() -> None:
    """As bytes or by address, within the answer."""
    media = (Image(b"abc"), File("gs://b/a.pdf"))
    result = ToolResult("call-1", "weather", "So.", media=media)
    (sent,) = parts(result, role="tool")

    assert sent["functionResponse"] == {
        "name": "weather",
        "response": {"output": "So."},
        "parts": [
            {"inlineData": {"mimeType": "image/png", "data": "YWJj"}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/a.pdf"}},
        ],
    }


@pytest.mark.parametrize(
    ("model", "is_claimed"), [("gemini-3-flash", True), ("gemini-2.5-pro", False)]
)
def test_models_that_see_what_functions_show(model: str, is_claimed: object) -> None:
    """Newer ones do."""
    section = {"provider": "gemini", "model": model, "api_key": "k"}
    board = Pegboard.isolated({"llm": {"default": section}})

    assert ("tool_media" in board.llm().capabilities) == is_claimed
