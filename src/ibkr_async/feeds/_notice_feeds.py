"""Feeds that nobody has to ask for: what IBKR says of its own accord, and answers to keepalives.

Nothing is sent for these; whoever listens gets what comes from then on. Responsible for which topics
a call listens to; each method names them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, Unpack, overload

from ibkr_async.feeds._assembly import FeedFactory, Marked, Options
from ibkr_async.models.streaming import Bulletin, Notification, Prompt
from ibkr_async.stream.core.channel import Wish
from ibkr_async.stream.core.topics import TOPICS

if TYPE_CHECKING:
    from ibkr_async.feeds.consumer import Subscription
    from ibkr_async.models.streaming import AuthStatus, ErrorFrame, SystemMessage, TicReply
    from ibkr_async.stream.core.events import Marker

Notice: TypeAlias = Notification | Prompt | Bulletin


class NoticeFeeds(FeedFactory):
    """Feeds of unsolicited messages."""

    @overload
    def notifications(self, **options: Unpack[Options]) -> Subscription[Notice]: ...

    @overload
    def notifications(self, **options: Unpack[Marked]) -> Subscription[Notice | Marker]: ...

    def notifications(self, **options: Any) -> Subscription[Any]:
        """Listen to notices and prompts of the user's own trading, and to bulletins for everyone.

        A `Prompt` waits for an answer: `await ib.orders.answer_prompt(prompt, prompt.options[0])`.
        Source: `ntf`, "Notifications", and `blt`, "Bulletins"; both are unsolicited.
        """
        return self._subscription([Wish(TOPICS["ntf"]), Wish(TOPICS["blt"])], **options)

    @overload
    def bulletins(self, **options: Unpack[Options]) -> Subscription[Bulletin]: ...

    @overload
    def bulletins(self, **options: Unpack[Marked]) -> Subscription[Bulletin | Marker]: ...

    def bulletins(self, **options: Any) -> Subscription[Any]:
        """Listen to bulletins only: news of exchanges and of IBKR's systems.

        Source: `blt`, "Bulletins"; unsolicited.
        """
        return self._subscription([Wish(TOPICS["blt"])], **options)

    @overload
    def auth_status(self, **options: Unpack[Options]) -> Subscription[AuthStatus]: ...

    @overload
    def auth_status(self, **options: Unpack[Marked]) -> Subscription[AuthStatus | Marker]: ...

    def auth_status(self, **options: Any) -> Subscription[Any]:
        """Listen to what the server says of the session, as sent: often one field to a message.

        `AuthStatusChanged` of `ib.events()` has it merged.
        Source: `sts`, "Authentication Status"; unsolicited.
        """
        return self._subscription([Wish(TOPICS["sts"])], **options)

    @overload
    def system_messages(self, **options: Unpack[Options]) -> Subscription[SystemMessage]: ...

    @overload
    def system_messages(
        self, **options: Unpack[Marked]
    ) -> Subscription[SystemMessage | Marker]: ...

    def system_messages(self, **options: Any) -> Subscription[Any]:
        """Listen to the greeting of each connection and to the heartbeats, one in ten seconds.

        Source: `system`, "System Connection Messages"; unsolicited.
        """
        return self._subscription([Wish(TOPICS["system"])], **options)

    @overload
    def keepalives(self, **options: Unpack[Options]) -> Subscription[TicReply]: ...

    @overload
    def keepalives(self, **options: Unpack[Marked]) -> Subscription[TicReply | Marker]: ...

    def keepalives(self, **options: Any) -> Subscription[Any]:
        """Listen to the answers to our own `tic`; IBKR sends up to four copies of each.

        Source: `tic`, "Ping Session".
        """
        return self._subscription([Wish(TOPICS["tic"])], **options)

    @overload
    def errors(self, **options: Unpack[Options]) -> Subscription[ErrorFrame]: ...

    @overload
    def errors(self, **options: Unpack[Marked]) -> Subscription[ErrorFrame | Marker]: ...

    def errors(self, **options: Any) -> Subscription[Any]:
        """Listen to error frames, whichever topic they are about.

        Those that name a subscription also end or interrupt that one.
        """
        return self._subscription([Wish(TOPICS["error"])], **options)
