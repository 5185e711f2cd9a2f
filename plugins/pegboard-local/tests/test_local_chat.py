"""What the model makes of a request."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from pegboard import Image, Message, Text
from pegboard.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    NotFound,
    Unsupported,
)
from pegboard_local._shared import Models

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}},
    "required": ["city"],
}
ENDLESS = {"type": "array", "items": {"type": "integer"}, "minItems": 500}
NAME = "SmolLM2-135M-Instruct.Q4_1"


@pytest.fixture(scope="module")
def models() -> Iterator[Models]:
    """Return models for all tests here, which are about replies only."""
    models = Models()
    yield models
    models.close()


async def test_a_reply_names_its_model(chat, ask):
    """By the name of the file."""
    assert (await chat.complete(ask())).model == NAME


async def test_a_reply_has_all_its_usage(chat, ask):
    """What is read again is read from the cache."""
    first = (await chat.complete(ask())).usage
    second = (await chat.complete(ask())).usage

    assert second.cache_read > 0
    assert second.input + second.cache_read == first.input + first.cache_read
    assert first.output > 0


async def test_a_reply_ends_where_the_options_say(make_chat, ask):
    """Where the call does not say."""
    request = ask("A list?", schema=ENDLESS, max_tokens=None)
    reply = await make_chat(max_tokens=5).complete(request)

    assert reply.usage.output == 5
    assert reply.finish_reason == "length"


async def test_a_reply_ends_with_the_context(make_chat, ask):
    """No more than the model can read is written."""
    chat = make_chat(context_length=256)
    reply = await chat.complete(ask("A list?", schema=ENDLESS, max_tokens=900))

    assert reply.finish_reason == "length"
    assert reply.usage.total <= 256


async def test_the_same_seed_says_the_same(chat, ask):
    """Whatever was said in between."""
    request = ask(seed=7, temperature=1.5, max_tokens=20)
    first = await chat.complete(request)
    await chat.complete(ask("Something else"))
    second = await chat.complete(request)

    assert first.text == second.text
    assert second.usage.cache_read == 0, "What is cached is rounded otherwise."


async def test_other_seeds_say_something_else(chat, ask):
    """Where there is chance in it."""
    replies = [
        await chat.complete(ask(seed=seed, temperature=1.5, max_tokens=20))
        for seed in range(3)
    ]

    assert len({reply.text for reply in replies}) > 1


async def test_vendor_parameters_are_taken(chat, ask):
    """With one word to choose from there is no chance."""
    vendor = {"local": {"top_k": 1}}
    wild = await chat.complete(ask(temperature=2.0, seed=1, extra=vendor))
    calm = await chat.complete(ask(temperature=0.0, seed=1))

    assert wild.text == calm.text


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": -1.0}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"stop": ("",)}, "stop"),
        ({"extra": {"local": {"min_p": 2}}}, "min_p"),
        ({"extra": {"local": {"no_such": 2}}}, "no_such.*Known are .*top_k"),
    ],
)
async def test_a_parameter_out_of_range_is_refused(chat, ask, parameters, problem):
    """Nothing is loaded for it."""
    with pytest.raises(InvalidRequest, match=problem) as caught:
        await chat.complete(ask(**parameters))

    assert caught.value.request_sent == "no"


async def test_its_own_model_can_be_asked_for(chat, ask):
    """By name."""
    assert (await chat.complete(ask(model=NAME))).text


async def test_another_model_is_refused(chat, ask):
    """And the one that there is, is named."""
    with pytest.raises(NotFound, match=f"'gpt'.*Known: {NAME}"):
        await chat.complete(ask(model="gpt"))


async def test_a_picture_is_refused(chat, ask):
    """Also without the board, which would not let it through."""
    request = ask()
    message = Message("user", (Text("What is this?"), Image(b"png")))
    object.__setattr__(request, "messages", (message,))

    with pytest.raises(Unsupported, match="Image"):
        await chat.complete(request)


async def test_too_many_words_are_refused_with_numbers(chat, ask):
    """How many there are, and how many can be read."""
    with pytest.raises(ContextLengthExceeded, match=r"have \d{4} tokens.*reads 1024"):
        await chat.complete(ask("snow " * 2000))


async def test_the_model_answers_after_an_error(chat, ask):
    """A failed call leaves it whole."""
    with pytest.raises(ContextLengthExceeded):
        await chat.complete(ask("snow " * 2000))

    assert (await chat.complete(ask())).text


async def test_a_schema_is_kept(chat, ask):
    """However wild the model is."""
    request = ask("A city?", schema=CITY, max_tokens=300, temperature=1.5, seed=3)
    reply = await chat.complete(request)

    assert reply.finish_reason == "stop"
    assert json.loads(reply.text).keys() == {"city"}


async def test_a_reply_cut_within_its_json_says_so(chat, ask):
    """It is not passed off as whole."""
    reply = await chat.complete(ask("A city?", schema=CITY, max_tokens=4))

    assert reply.finish_reason == "length"


async def test_a_pattern_is_not_an_obstacle(chat, ask, capfd):
    """llama.cpp does not hear of it, so that it does not warn on the terminal."""
    schema = {"type": "string", "pattern": r"\w", "maxLength": 5}
    reply = await chat.complete(ask("A word?", schema=schema, max_tokens=150))

    assert isinstance(json.loads(reply.text), str)
    assert capfd.readouterr() == ("", "")


async def test_a_schema_that_cannot_be_kept_is_refused(chat, ask):
    """With llama.cpp's reason."""
    schema = {"$ref": "https://example.com/schema"}

    with pytest.raises(InvalidRequest, match="only references into the same document"):
        await chat.complete(ask(schema=schema))


async def test_a_template_makes_the_prompt(make_chat, ask):
    """Without the model's own instructions there is less to read."""
    short = make_chat(chat_template="{{ messages[0]['content'] }}")
    usage = (await short.complete(ask("Hello"))).usage

    assert usage.input < 5
