"""A language model after Weizenbaum's ELIZA of 1966: it turns what you say around."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator

from pegboard import (
    ChatRequest,
    Context,
    Finished,
    Options,
    Reply,
    StreamEvent,
    Text,
    TextDelta,
    Usage,
)

MODEL = "eliza-1966"
RULES = (
    (r"\b(?:hello|hi|hey)\b", ("How do you do. I am {doctor}. What troubles you?",)),
    (r"\bi need (.*)", ("Why do you need {0}?", "Would {0} really help you?")),
    (r"\bi(?: am|'m) (.*)", ("How long have you been {0}?", "Why are you {0}?")),
    (r"\bi feel (.*)", ("Do you often feel {0}?", "What makes you feel {0}?")),
    (r"\bmy (.*)", ("Tell me more about your {0}.", "Why your {0}?")),
    (r"\byou (.*)", ("We were talking about you, not about me.", "I, {0}?")),
    (r"\bbecause (.*)", ("Is that the real reason?",)),
    (r"", ("Please go on.", "I see.", "What does that suggest to you?")),
)
YOU_FOR_ME = {"i": "you", "me": "you", "my": "your", "am": "are", "mine": "yours"}
ME_FOR_YOU = {"you": "me", "your": "my", "yours": "mine", "myself": "yourself"}
TURNED = YOU_FOR_ME | ME_FOR_YOU


class ElizaOptions(Options):
    """What settings may say about the doctor."""

    doctor: str = "Eliza"
    """Name under which the doctor introduces herself."""


class Eliza:
    """A doctor who asks back. A word counts as a token."""

    def __init__(self, options: ElizaOptions, context: Context) -> None:
        del context  # she keeps no files and has no use for the time
        self._doctor = options.doctor

    async def complete(self, request: ChatRequest) -> Reply:
        """Answer the last words of the user."""
        said = [m.text for m in request.messages if m.role == "user"]
        words = _words(self._ask_back(said))
        kept = words[: request.max_tokens]
        heard = sum(len(_words(message.text)) for message in request.messages)
        return Reply(
            parts=(Text("".join(kept)),),
            finish_reason="length" if len(kept) < len(words) else "stop",
            usage=Usage(input=heard, output=len(kept)),
            model=MODEL,
        )

    async def stream(self, request: ChatRequest) -> AsyncGenerator[StreamEvent, None]:
        """Answer the last words of the user, word by word."""
        reply = await self.complete(request)
        for word in _words(reply.text):
            yield TextDelta(word)
        yield Finished(
            finish_reason=reply.finish_reason, model=reply.model, usage=reply.usage
        )

    def _ask_back(self, said: list[str]) -> str:
        """Return the answer of the first rule that fits; in turn, if it has several."""
        last = said[-1].strip(" .!?\n") if said else ""
        for pattern, answers in RULES:
            if found := re.search(pattern, last, re.IGNORECASE):
                answer = answers[len(said) % len(answers)]
                return answer.format(*map(_turned, found.groups()), doctor=self._doctor)
        raise AssertionError  # the last rule fits anything


def _turned(words: str) -> str:
    return " ".join(TURNED.get(word.lower(), word) for word in words.split())


def _words(text: str) -> list[str]:
    """Return *text* in pieces that add up to it."""
    return re.findall(r"\S+\s*", text)
