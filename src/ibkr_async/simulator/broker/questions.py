"""The questions that the broker asks before it accepts an order.

Responsible for the texts, the dialogues that are open, and what happens to a dialogue when
another order request comes in between. It must never decide which questions an order deserves.
"""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ibkr_async.simulator.answers import BAD_REQUEST, UNAVAILABLE, Answer, failure, ok

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from typing import Literal

_DEFAULT_TEXTS = {
    "o163": 'The order "{order}" has a price that exceeds the Percentage constraint of 3%.\nAre you sure you want to submit this order?',
    "o354": "You are about to submit an order without market data. This may cause losses.\nAre you sure you want to submit this order?",
    "o382": 'The order "{order}" exceeds the number of ticks that your settings allow.\nSubmit it anyway?',
    "o383": 'The order "{order}" size exceeds the Size Limit of your settings.\nSubmit it anyway?',
    "o403": 'The order "{order}" would be triggered and filled at once.\nSubmit it anyway?',
    "o451": 'The order "{order}" value exceeds the Total Value Limit of your settings.\nSubmit it anyway?',
    "o10151": "<h4>Confirm Market Order</h4>A market order may be filled far from the price that you see now.",
    "o10152": "<h4>Confirm Stop Order</h4>Once active, a stop order may be filled far from its stop price.",
    "o10153": '<h4>Confirm Mandatory Cap Price</h4>To avoid trading at a price that is not consistent with a fair and orderly market, a cap may be set on the price of your order "{order}".',
    "o10331": "A stop order becomes a market order when it is triggered. Submit it anyway?",
}  # fmt: skip
_UNKNOWN_TEXT = 'Please confirm the order "{order}".'
_MOST_KEPT = 100


@dataclass(slots=True)
class Dialogue:
    """An order that waits for an answer."""

    account_id: str
    subject: str
    """The order in words, for the question's text."""
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
        self._texts = {**_DEFAULT_TEXTS, **texts}
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
        text = self._texts.get(message_id, _UNKNOWN_TEXT).format(order=dialogue.subject)
        return ok(
            [
                {
                    "id": reply_id,
                    "message": [text],
                    "isSuppressed": False,
                    "messageIds": [message_id],
                    "messageOptions": ["Yes", "No"],
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
