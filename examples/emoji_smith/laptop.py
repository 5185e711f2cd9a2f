"""The same program on a laptop: one wish, and what becomes of it."""

import asyncio
import os
from functools import partial

from emoji_smith import Emoji, forge, receive
from pegboard import Blobs, Documents, Pegboard, Queue, Worker
from pegboard_aws.functions import Request
from pegboard_slack.inbound import sign

BODY = b"command=/emoji&text=party+a+cat+with+a+hat&user_id=U1&channel_id=team"


async def main() -> None:
    """Ask as Slack does, and do the work."""
    headers = sign(BODY, secret=os.environ["SLACK_SIGNING_SECRET"])
    async with Pegboard() as board:
        answer = await receive(board, Request("POST", "/", headers=headers, body=BODY))
        print(answer.status, answer.body)
        print((await receive(board, Request("POST", "/", body=BODY))).status)

        queue = board.integration("jobs", Queue)
        await queue.publish({"poison": True})
        worker = Worker(queue, partial(forge, board))
        await worker.drain()
        print(worker.done, "done,", worker.failed, "failed")

        (emoji,) = (await board.storage("emojis", Documents[Emoji]).find()).values
        print(emoji.name, emoji.is_posted)
        print((await board.storage("pictures", Blobs).stat(emoji.picture)).media_type)


asyncio.run(main())
