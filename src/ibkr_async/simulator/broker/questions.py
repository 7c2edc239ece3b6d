"""The questions that the broker asks before it accepts an order.

Responsible for the dialogues that are open, and what happens to a dialogue when
another order request comes in between. It must never decide which questions an order deserves.
"""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibkr_async.simulator.answers import BAD_REQUEST, UNAVAILABLE, Answer, failure, ok
from ibkr_async.simulator.broker.question_texts import QUESTION_TEXTS, options_of

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from typing import Literal

_UNKNOWN_TEXT = 'Please confirm the order "{order}".'
_MOST_KEPT = 100


@dataclass(slots=True)
class Dialogue:
    """An order that waits for an answer."""

    account_id: str
    facts: Mapping[str, str]
    """What the texts of questions name, such as `order`: the order in words."""
    message_ids: deque[str]
    """Questions still to be answered, the one that was asked first."""
    accept: Callable[[float], Answer]
    """What to do, at a Unix time, once everything is confirmed."""


class QuestionDesk:
    """The open dialogues."""

    def __init__(
        self,
        *,
        ids: random.Random,
        texts: Mapping[str, str],
        stale_reply: Literal["not_found", "unavailable"],
    ) -> None:
        self._ids = ids
        self._texts = {**QUESTION_TEXTS, **texts}
        self._stale_reply = stale_reply
        self._open: dict[str, Dialogue] = {}
        self._stale: dict[str, Dialogue] = {}
        self._ghosts: deque[Dialogue] = deque(maxlen=_MOST_KEPT)

    def start(self, dialogue: Dialogue, now: float) -> Answer:
        """Ask the first question, or accept at once when there is none."""
        if not dialogue.message_ids:
            return dialogue.accept(now)
        reply_id = str(uuid.UUID(int=self._ids.getrandbits(128), version=4))
        self._open[reply_id] = dialogue
        message_id = dialogue.message_ids[0]
        text = self._texts.get(message_id, _UNKNOWN_TEXT).format_map(dialogue.facts)
        return ok(
            [
                {
                    "id": reply_id,
                    "message": [text],
                    "isSuppressed": False,
                    "messageIds": [message_id],
                    "messageOptions": list(options_of(text)),
                }
            ]
        )

    def interrupt(self, account_id: str) -> None:
        """Make the account's open dialogues stale: another order request came in between."""
        for reply_id, dialogue in list(self._open.items()):
            if dialogue.account_id == account_id:
                self._stale[reply_id] = self._open.pop(reply_id)
        while len(self._stale) > _MOST_KEPT:
            del self._stale[next(iter(self._stale))]

    def forget(self) -> None:
        """Drop all dialogues: they do not outlive a brokerage session."""
        self._open.clear()
        self._stale.clear()
        self._ghosts.clear()

    def reply(self, reply_id: str, *, confirmed: bool, now: float) -> Answer:
        """Answer a question. Refusing it drops the order.

        Source: POST /iserver/reply/{replyId}, "Place Order Reply".
        """
        dialogue = self._open.pop(reply_id, None)
        if dialogue is None:
            return self._unknown(reply_id)
        if not confirmed:
            return ok({"error": "Order not confirmed "})
        answered = dialogue.message_ids.popleft()
        self._release_ghosts(answered, now)
        return self.start(dialogue, now)

    def _unknown(self, reply_id: str) -> Answer:
        stale = self._stale.pop(reply_id, None)
        if stale is not None and self._stale_reply == "unavailable":
            self._ghosts.append(stale)
            return failure(UNAVAILABLE, "Service Unavailable")
        return failure(BAD_REQUEST, f"reply id not found: '{reply_id}'", with_code=False)

    def _release_ghosts(self, message_id: str, now: float) -> None:
        """Let orders whose reply got 503 go live: seen at IBKR, and the worst of its quirks."""
        for ghost in [held for held in self._ghosts if held.message_ids[0] == message_id]:
            self._ghosts.remove(ghost)
            ghost.accept(now)
