"""The facade besides chat: what is refused, what is split, what is put together."""

import pytest
from pegboard import (
    EmbeddingRequest,
    Embeddings,
    Image,
    LLMProvider,
    Pegboard,
    Usage,
    errors,
    hookimpl,
    sync,
)
from pegboard.options import Options

SECRET = "a secret of the user"


class Small:
    """An embedder that takes two texts at once and writes down what it is asked."""

    texts_at_once = 2
    made = -1
    """Vectors too many or too few: -1 makes as many as there are texts."""

    def __init__(self, _options, _context):
        self.requests = []

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """Return a vector with the length of each text."""
        self.requests.append(request)
        vectors = tuple((float(len(text)),) for text in request.texts)
        return Embeddings(
            vectors=vectors if self.made < 0 else vectors[: self.made],
            model="small",
            usage=Usage(input=len(request.texts)),
        )


class Short(Small):
    """Loses a vector."""

    made = 1


class Plugin:
    """Offers both."""

    @hookimpl
    def pegboard_llm_providers(self):
        """Offer embedders that cannot chat."""
        return [
            LLMProvider(
                name=factory.__name__.lower(),
                factory=factory,
                options=Options,
                contracts={"Embedder": 1},
            )
            for factory in (Small, Short)
        ]


def board_of(**settings):
    """Return a board with one model."""
    return Pegboard.isolated({"llm": {"default": settings}}, plugins=[Plugin()])


async def test_texts_are_sent_in_portions():
    """A request has no more texts than the service takes; the order is kept."""
    async with board_of(provider="small") as board:
        made = await board.llm().embed(["a", "bb", "ccc", "dd", "e"])
        asked = board.provider("llm.default").requests

    assert [request.texts for request in asked] == [("a", "bb"), ("ccc", "dd"), ("e",)]
    assert [vector[0] for vector in made.vectors] == [1, 2, 3, 2, 1]
    assert made.usage == Usage(input=5)


async def test_what_is_asked_reaches_the_provider():
    """Every parameter is in every portion."""
    asked = {"model": "m", "dimensions": 3, "purpose": "query", "extra": {"x": {}}}
    async with board_of(provider="small") as board:
        await board.llm().embed(iter("abc"), **asked)
        requests = board.provider("llm.default").requests

    for request in requests:
        assert {name: getattr(request, name) for name in asked} == asked


async def test_lost_vector_is_an_error():
    """A reply that does not fit its texts is never handed on."""
    async with board_of(provider="short") as board:
        with pytest.raises(errors.InvalidReply, match="1 vectors of 2 texts"):
            await board.llm().embed(["a", "b"])


async def test_model_that_cannot_chat_says_what_it_can():
    """A program that asks for the wrong thing learns what there is."""
    async with board_of(provider="small") as board:
        llm = board.llm()
        with pytest.raises(errors.Unsupported, match=r"has no chat .* has embeddings"):
            await llm.complete("Hello.")
        with pytest.raises(errors.Unsupported, match="has no streaming"):
            llm.stream("Hello.")

    assert llm.abilities == {"embeddings"}


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("generate_images", ["a circle"]),
        ("speak", ["hello"]),
        ("transcribe", [b"RIFF"]),
        ("list_models", []),
        ("count_tokens", ["hello"]),
    ],
)
async def test_what_is_not_offered_is_refused(operation, arguments):
    """Nothing is sent to a provider that has no such thing."""
    async with board_of(provider="small") as board:
        with pytest.raises(errors.Unsupported) as raised:
            await getattr(board.llm(), operation)(*arguments)

    assert raised.value.operation == operation
    assert raised.value.request_sent == "no"


async def test_streams_that_are_not_offered_are_refused():
    """Also where the error can only come with the first step."""
    async with board_of(provider="small") as board:
        llm = board.llm()
        for steps in (llm.pull_model("m"), llm.batches.results("b")):
            with pytest.raises(errors.Unsupported):
                await anext(steps)


async def test_pictures_of_pictures_need_the_claim():
    """A model that only paints from words is not sent a picture."""
    settings = {"provider": "fake", "capabilities": []}
    async with board_of(**settings) as board:
        with pytest.raises(errors.Unsupported, match="pictures of pictures"):
            await board.llm().generate_images("blue", images=[Image(b"")])


async def test_mask_without_a_picture_is_refused():
    """A mask alone says nothing."""
    async with board_of(provider="fake") as board:
        with pytest.raises(errors.InvalidRequest, match="Pass images too"):
            await board.llm().generate_images("blue", mask=Image(b""))


async def test_every_ability_is_filtered():
    """Whatever leaves passes the user's filter first, batches item by item."""

    def refuse(_):
        raise ValueError(SECRET)

    async with board_of(provider="fake", filter_request=refuse) as board:
        llm = board.llm()
        for work in (
            llm.embed(SECRET),
            llm.generate_images(SECRET),
            llm.speak(SECRET),
            llm.transcribe(SECRET.encode()),
            llm.count_tokens(SECRET),
            llm.batches.submit([SECRET]),
        ):
            with pytest.raises(errors.InvalidRequest, match="Nothing was sent") as one:
                await work
            assert SECRET not in str(one.value)


async def test_replies_of_a_batch_are_validated():
    """There is no way around the user's functions."""

    def must_be_loud(reply):
        if not reply.text.isupper():
            msg = "too quiet"
            raise ValueError(msg)

    async with board_of(provider="fake", validate_reply=must_be_loud) as board:
        batches = board.llm().batches
        batch = await batches.submit({"loud": "YES", "quiet": "yes"})
        async for _ in batches.watch(batch.id, every=0):
            pass
        results = {one.id: one async for one in batches.results(batch.id)}

    assert results["loud"].reply.text == "YES"
    assert "too quiet" in str(results["quiet"].error)


async def test_batch_is_watched_through_an_outage():
    """A batch outlasts a service that cannot be reached for a while."""
    failures = ["Unavailable"] * 3
    settings = {"provider": "fake", "policy": {"attempts": 1}}
    async with board_of(**settings) as board:
        batches = board.llm().batches
        batch = await batches.submit(["one", "two"])
        seen = []
        async for state in batches.watch(batch.id, every=0):
            seen.append(state.state)
            if len(seen) == 1:
                board.provider("llm.default")._failures._names.extend(failures)

    assert seen == ["running", "done"]


async def test_items_of_a_batch_are_numbered():
    """Prompts without ids get those of their places."""
    async with board_of(provider="fake", failures=[]) as board:
        batches = board.llm().batches
        batch = await batches.submit(["one", "two"], max_tokens=5)
        async for _ in batches.watch(batch.id, every=0):
            pass
        results = {one.id: one.reply.text async for one in batches.results(batch.id)}

    assert results == {"0": "one", "1": "two"}


def test_blocking_programs_have_all_of_it():
    """The same surface without async."""
    settings = {"llm": {"default": {"provider": "fake"}}}
    with sync.Pegboard.isolated(settings) as board:
        llm = board.llm()
        speech = llm.speak("Two pegs.")
        batch = llm.batches.submit({"a": "Hello."})
        states = [state.state for state in llm.batches.watch(batch.id, every=0)]

        assert len(llm.embed(["a", "b"]).vectors) == 2
        assert llm.generate_images("a circle").images
        assert llm.transcribe(speech.audio).text == "Two pegs."
        assert [model.id for model in llm.list_models()] == ["fake"]
        assert [step.status for step in llm.pull_model("x")][-1] == "there"
        assert llm.count_tokens("one two") == 2
        assert states == ["running", "done"]
        assert [one.reply.text for one in llm.batches.results(batch.id)] == ["Hello."]
        assert board.select(needs={"embeddings"}).address == "llm.default"
        assert "batches" in llm.abilities
