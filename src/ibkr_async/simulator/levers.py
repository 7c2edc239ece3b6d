"""What a test can do to the streams of a running simulator, and look at.

Responsible for the levers on sockets, topics, sessions and limits beyond the plain ones of
`Simulator`, which inherits them. They act at once and never wait.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from ibkr_async.simulator.wire import frame

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable

    from ibkr_async.simulator.rest.app import Desk
    from ibkr_async.simulator.sockets.floor import Floor
    from ibkr_async.simulator.sockets.socket import SocketHub

_NOTICE_ID = "118"
_REQUEST_ID = "29042"
_MESSAGE_ID = "p12"
_BULLETIN_ID = 1_789_618_148


class LeverParts(Protocol):
    """What the levers move."""

    floor: Floor
    hub: SocketHub
    desk: Desk


class StreamLevers(ABC):
    """Levers of a simulator on its streams."""

    @property
    @abstractmethod
    def _running(self) -> LeverParts:
        """The parts of the running simulator. Errors: `RuntimeError` when it is not running."""

    # what there is

    @property
    def streams(self) -> list[list[str]]:
        """Full topics that are running, for each socket that is bound to a session."""
        return [screen.topics for screen in self._running.floor.screens]

    @property
    def prompt_answers(self) -> list[dict[str, Any]]:
        """What was answered to prompts: bodies of `POST /iserver/notification`, oldest first."""
        return list(self._running.floor.prompt_answers)

    @property
    def violations(self) -> Counter[str]:
        """Requests that broke a published rate limit, by limit; counted also when not enforced."""
        return self._running.desk.judge.violations

    @property
    def boxed_requests(self) -> int:
        """Requests that came while the address would have been in the penalty box."""
        return self._running.desk.judge.boxed

    # silence

    def stall(self) -> None:
        """Send nothing any more on any socket but answers to pings, until `unstall`."""
        self._running.hub.stalled = True

    def unstall(self) -> None:
        """Send again. What was to be sent meanwhile is lost."""
        self._running.hub.stalled = False

    def mute(self, topic: str, *, until_asked: bool = False) -> None:
        """Lose the frames of one full topic, such as `smd+265598`, and of no other.

        With `until_asked`, the next request for the topic brings it back to life.
        """
        self._running.floor.mute(topic, until_asked=until_asked)

    def unmute(self, topic: str) -> None:
        """Send the frames of a topic again."""
        self._running.floor.unmute(topic)

    def silence_market_data(self, conid: int | None = None) -> None:
        """End the `smd` streams of one instrument, or of all, without a word."""
        self._running.floor.silence(conid)

    # sessions

    def begin_reset(self) -> None:
        """Begin the nightly reset: no brokerage session, and none to be had."""
        self._running.floor.begin_reset()

    def end_reset(self) -> None:
        """End the nightly reset: a brokerage session can be opened again."""
        self._running.floor.end_reset()

    # what the server says by itself

    def notify(self, text: str, *, title: str | None = None, url: str | None = None) -> None:
        """Send an `ntf` notice to every socket."""
        self._say("ntf", [{"id": _NOTICE_ID, "text": text, "title": title, "url": url}])

    def prompt(self, text: str, options: Iterable[str], *, order_id: int = 1883733600) -> None:
        """Send an `ntf` prompt, which expects one of `options`, to every socket."""
        row = {
            "orderId": order_id,
            "reqId": _REQUEST_ID,
            "dismissable": [],
            "text": text,
            "options": list(options),
            "type": "M",
            "messageId": _MESSAGE_ID,
            "prompt": True,
        }
        self._say("ntf", [row])

    def bulletin(self, text: str) -> None:
        """Send a `blt` bulletin to every socket."""
        self._say("blt", [{"id": _BULLETIN_ID, "exchanges": None, "message": text}])

    def push_accounts(self) -> None:
        """Send `act` once more to every socket, as after a change of the accounts."""
        self._say("act", self._running.floor.broker.accounts_payload())

    def push_error(self, error: str, *, code: int | None = None, topic: str | None = None) -> None:
        """Send an error frame to every socket; `code` and `topic` are left out when None."""
        extras: dict[str, Any] = {"code": code, "topic": topic}
        told = {name: value for name, value in extras.items() if value is not None}
        self._running.hub.push(frame({"error": error} | told))

    def _say(self, topic: str, args: Any) -> None:
        for screen in list(self._running.floor.screens):
            screen.say(topic, args)
