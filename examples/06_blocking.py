"""The same board without async: every call blocks until it is done."""

from pathlib import Path

from pegboard.sync import KeyValue, Messenger, Pegboard

SETTINGS = {"storage": {"notes": {"provider": "memory"}}}

with Pegboard(SETTINGS, folder=Path(__file__).parent) as board:
    reply = board.llm().complete("What is a pegboard good for?")
    notes = board.storage("notes", KeyValue)
    notes.set("answer", reply.text)
    board.integration("team", Messenger).post_message("ops", notes.get("answer"))

    with board.llm("careful").stream("And how much does it hold?") as stream:
        for text in stream.text:
            print(text, end="", flush=True)
    print(f"\n{stream.reply.usage.output} tokens")
