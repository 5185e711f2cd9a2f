"""Somebody in Slack asks for an emoji. Moments later it is there."""

from typing import Annotated

from pegboard import (
    Blobs,
    Delivery,
    Documents,
    Key,
    Messenger,
    Pegboard,
    Queue,
    SecretStore,
)
from pegboard_aws.functions import Answer, Request
from pegboard_slack.inbound import Challenge, Command, NotFromSlack, Unreadable
from pegboard_slack.inbound import receive as read
from pydantic import BaseModel, Field


class Wish(BaseModel):
    """What somebody asks for."""

    name: str = Field(pattern=r"^[a-z0-9_-]{1,50}$")
    shows: str = Field(min_length=1)
    user: str
    channel: str


class Emoji(BaseModel):
    """What was made of a wish."""

    wish: Annotated[str, Key()]
    """The id of the message, since a message may come twice."""
    name: str
    user: str
    picture: str
    is_posted: bool = False


async def receive(board: Pegboard, request: Request) -> Answer:
    """Answer Slack, which waits for three seconds, and hand over the work."""
    safe = board.integration("safe", SecretStore)
    secret = await safe.get_secret("SLACK_SIGNING_SECRET")
    try:
        heard = read(request.body, request.headers, secret=secret.get_secret_value())
    except NotFromSlack:
        return Answer(status=401)
    except Unreadable:
        return Answer(status=400)
    if isinstance(heard, Challenge):
        return Answer(heard.text)
    if not isinstance(heard, Command):
        return Answer()
    name, _, shows = heard.text.partition(" ")
    wish = {"name": name, "shows": shows, "user": heard.user, "channel": heard.channel}
    await board.integration("jobs", Queue).publish(
        wish, attributes={"correlation_id": request.correlation_id}
    )
    return Answer(f"I am making :{name}: for you.")


async def forge(board: Pegboard, job: Delivery) -> None:
    """Make the emoji of a wish; what was done before is not done again."""
    wish = Wish.model_validate(job.body)
    emojis = board.storage("emojis", Documents[Emoji])
    emoji = await emojis.get(job.id) or await paint(board, job.id, wish)
    await emojis.put(emoji)
    if not emoji.is_posted:
        team = board.integration("team", Messenger)
        await team.post_message(wish.channel, f"Here is :{wish.name}: - {wish.shows}.")
        await emojis.put(emoji.model_copy(update={"is_posted": True}))


async def paint(board: Pegboard, name: str, wish: Wish) -> Emoji:
    """Paint what was wished for, and store the picture."""
    painted = await board.llm().generate_images(f"An emoji that shows {wish.shows}")
    key = f"{wish.name}-{name}.png"
    pictures = board.storage("pictures", Blobs)
    await pictures.put(key, painted.images[0].source, media_type="image/png")
    return Emoji(wish=name, name=wish.name, user=wish.user, picture=key)
