"""What is requested when, what is said on the way, and what becomes of what was given up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ibkr_async.errors import SubscriptionError
from ibkr_async.stream.core.channel import NEVER, Channel, Listener
from ibkr_async.stream.core.channel_state import ChannelState
from ibkr_async.stream.core.lifecycle import Lifecycle
from ibkr_async.stream.core.output import Output
from ibkr_async.stream.core.registry import Registry
from ibkr_async.stream.core.stats import CoreStats
from ibkr_async.stream.delivery.events import (
    Confirmed,
    Gap,
    Renewed,
    Resumed,
    Stale,
    StreamEvent,
    SubscriptionFailed,
)
from ibkr_async.stream.settings import CoreSettings
from ibkr_async.stream.wire.topics import TOPICS
from stream.core_driver import Heard, make_buffer, wish

if TYPE_CHECKING:
    from collections.abc import Callable

WANTED, REQUESTED, RENEWING, LIVE, DOUBTED, ABANDONED = ChannelState
EPOCH = 1_000.0
SMD = 'smd+1+{"fields":["31"]}'


class Life:
    """Channels, and what is sent and said about them."""

    def __init__(
        self,
        *,
        greeted: bool = True,
        random: float = 0.5,
        is_open: Callable[[str], bool | None] = lambda _target: None,
        **settings: Any,
    ) -> None:
        self.registry, self.stats = Registry(), CoreStats()
        self.output = Output(self.stats, unix=lambda now: EPOCH + now)
        self.lifecycle = Lifecycle(
            self.registry,
            self.output,
            CoreSettings(**settings),
            self.stats,
            random=lambda: random,
            is_open=is_open,
        )
        if greeted:
            self.lifecycle.greeted(0.0)

    def want(
        self,
        topic: str,
        arguments: dict[str, Any] | None = None,
        *,
        now: float = 0.0,
        waits: bool = False,
        listener: Heard | None = None,
    ) -> tuple[Channel, Heard]:
        """Subscribe, as a consumer of its own unless told otherwise."""
        listener = listener or Heard(make_buffer())
        wanted = wish(topic, arguments, waits=waits)
        self.lifecycle.subscribe(wanted, listener, now)
        return self.registry.channels[wanted.key], listener

    def live(
        self, topic: str = "smd+1", arguments: dict[str, Any] | None = None, *, number: str = ""
    ) -> tuple[Channel, Heard]:
        """Subscribe, be answered, and take what was said of it."""
        channel, listener = self.want(topic, arguments)
        if number:
            self.lifecycle.name(channel, number, 0.0)
        self.lifecycle.first_frame(channel, 0.0)
        self.sent()
        self.said()
        return channel, listener

    def leave(self, channel: Channel, listener: Listener, now: float = 0.0) -> None:
        """Unsubscribe."""
        self.lifecycle.unsubscribe(channel.key, listener, now)

    def sent(self) -> list[str]:
        """Take what is to be sent."""
        return self.output.take_frames()

    def said(self) -> list[StreamEvent]:
        """Take what was reported."""
        return self.output.take_events()


def marks(listener: Heard) -> list[Any]:
    """Take everything that waits for a consumer."""
    return listener.buffer.take_all_marked()


# --- requests ------------------------------------------------------------------------------------


def test_nothing_is_requested_before_the_greeting() -> None:
    """Requests would not be heard; afterwards they go out in the order of the wishes."""
    life = Life(greeted=False)
    life.want("smd+1")
    life.want("sor")
    assert life.sent() == []
    life.lifecycle.greeted(5.0)

    assert life.sent() == [SMD, "sor+{}"]
    life.lifecycle.request_wanted(6.0)
    assert life.sent() == []


def test_what_needs_the_brokerage_session_waits_for_it() -> None:
    """While it is known to be down; what does not need it goes out, and so does all while unknown."""
    life = Life()
    assert life.lifecycle.brokerage is None
    life.want("smd+2")
    assert life.sent() == ['smd+2+{"fields":["31"]}']
    life.lifecycle.brokerage_is(False, 1.0)
    life.want("smd+1")
    life.want("spl")
    assert life.sent() == ["spl+{}"]
    life.lifecycle.brokerage_is(True, 2.0)

    assert life.sent() == ['smd+2+{"fields":["31"]}', SMD]
    life.lifecycle.brokerage_is(True, 3.0)
    assert life.sent() == []


def test_request_is_timed() -> None:
    """Its answer, and the end of its lifetime where it has one."""
    life = Life()
    quotes, _ = life.want("smd+1", now=3.0)
    figures, _ = life.want("spl", now=4.0)

    assert (quotes.state, quotes.requested_at, quotes.started_at) == (REQUESTED, 3.0, 3.0)
    assert (quotes.act_at, quotes.renew_at) == (13.0, 483.0)
    assert (figures.act_at, figures.renew_at) == (14.0, NEVER)
    assert life.lifecycle.next_due == 5.0  # the first period of `staleness`


@pytest.mark.parametrize(("random", "renew_at"), [(0.0, 432.0), (0.5, 480.0), (1.0, 528.0)])
def test_renewals_are_spread(random: float, renew_at: float) -> None:
    """Ten percent either way."""
    channel, _ = Life(random=random).want("smd+1")

    assert channel.renew_at == pytest.approx(renew_at)


def test_topic_that_is_never_confirmed_is_live_once_requested() -> None:
    """Nothing is said, as nothing is known."""
    life = Life()
    channel, _ = life.want("sor")

    assert (life.sent(), life.said()) == (["sor+{}"], [])
    assert (channel.state, channel.act_at) == (LIVE, NEVER)


def test_unsolicited_topic_is_not_requested() -> None:
    """The server sends it by itself."""
    life = Life()
    channel, listener = life.want("act")
    assert (channel.state, life.sent()) == (LIVE, [])
    life.leave(channel, listener)

    assert life.sent() == []


# --- newcomers -----------------------------------------------------------------------------------


def test_newcomer_begins_with_a_full_frame_and_its_own_fields() -> None:
    """One more request for all fields, which changes no time and no state."""
    life = Life()
    channel, _ = life.live()
    life.want("smd+1", {"fields": ["84"]}, now=7.0)

    assert life.sent() == ['smd+1+{"fields":["31","84"]}']
    assert (channel.state, channel.requested_at, channel.renew_at) == (LIVE, 0.0, 480.0)


def test_newcomer_to_what_begins_empty_changes_nothing() -> None:
    """A request for orders brings no state; one that was not sent yet is not sent twice."""
    life = Life()
    life.want("sor")
    life.want("act")
    life.sent()
    life.want("sor")
    life.want("act")
    assert life.sent() == []
    early = Life(greeted=False)
    early.want("smd+1")
    early.want("smd+1")
    assert early.sent() == []
    early.lifecycle.greeted(1.0)

    assert early.sent() == [SMD]


def test_newcomer_to_bars_takes_the_place_of_the_request_that_there_is() -> None:
    """It comes under another number; while the server has not said one, its answer is shared."""
    life = Life()
    channel, _ = life.want("smh+1")
    life.sent()
    life.want("smh+1", now=1.0)
    assert life.sent() == []
    life.lifecycle.name(channel, "7", 2.0)
    life.lifecycle.first_frame(channel, 2.0)
    life.want("smh+1", now=3.0)

    assert life.sent() == ["umh+7", "smh+1+{}"]
    assert (channel.server_id, channel.state, channel.act_at) == ("", RENEWING, 13.0)


# --- answers -------------------------------------------------------------------------------------


def test_first_frame_confirms() -> None:
    """Once, and no answer is waited for any more."""
    life = Life()
    channel, listener = life.want("smd+1")
    listener.note_failure(channel.key)
    life.lifecycle.first_frame(channel, 3.0)

    assert life.said() == [Confirmed(at=EPOCH + 3.0, topic="smd+1")]
    assert (channel.state, channel.act_at, channel.heard_at) == (LIVE, NEVER, 3.0)
    assert set(listener.failed) == set()
    assert marks(listener) == []


def test_first_frame_after_a_gap_resumes_for_those_who_were_told_of_it() -> None:
    """Who came later knows of no gap."""
    life = Life()
    channel, listener = life.live()
    life.lifecycle.connection_lost("lost", 10.0, 2.0)
    _, newcomer = life.want("smd+1", now=11.0)
    life.lifecycle.greeted(12.0)
    life.lifecycle.first_frame(channel, 14.0)

    gap = Gap(at=EPOCH + 10.0, topic="smd+1", reason="lost", silent_s=2.0)
    resumed = Resumed(at=EPOCH + 14.0, topic="smd+1", gap_s=4.0, confirmed=True)
    assert life.said() == [gap, resumed]
    assert marks(listener) == [gap, resumed]
    assert marks(newcomer) == []
    assert (channel.gap_since, channel.told_of_gap) == (None, ())
    assert life.stats.gaps == 1


def test_topic_that_is_never_confirmed_resumes_unconfirmed() -> None:
    """With its request."""
    life = Life()
    life.want("sor")
    life.lifecycle.connection_lost("lost", 1.0, 0.0)
    life.lifecycle.greeted(2.0)

    assert life.said()[-1] == Resumed(at=EPOCH + 2.0, topic="sor", gap_s=1.0, confirmed=False)


def test_trades_of_a_gap_are_asked_for_whatever_was_asked_for_at_first() -> None:
    """In the first request after it alone."""
    life = Life()
    channel, _ = life.live("str", {"realtimeUpdatesOnly": True, "days": 2})
    life.lifecycle.connection_lost("lost", 1.0, 0.0)
    life.lifecycle.greeted(2.0)
    assert life.sent() == ['str+{"realtimeUpdatesOnly":false,"days":2}']
    life.lifecycle.first_frame(channel, 3.0)
    life.want("str", {"realtimeUpdatesOnly": True, "days": 2}, now=4.0)

    assert life.sent() == ['str+{"realtimeUpdatesOnly":true,"days":2}']


def test_request_that_is_not_answered_ends_a_subscription_of_nothing_else() -> None:
    """After ten seconds, and not before."""
    life = Life()
    channel, listener = life.want("spl")
    life.sent()
    life.lifecycle.serve_due(9.99)
    assert life.said() == []
    life.lifecycle.serve_due(10.0)

    stale = Stale(at=EPOCH + 10.0, topic="spl", silent_s=10.0)
    failed = SubscriptionFailed(at=EPOCH + 10.0, topic="spl", detail="no answer within 10 s")
    assert life.said() == [stale, failed]
    assert listener.buffer.ended
    assert marks(listener) == [failed]
    assert isinstance(listener.buffer.error, SubscriptionError)
    assert "no answer within 10 s" in str(listener.buffer.error)
    assert life.sent() == ["upl+{}"]
    assert list(life.registry) == []
    assert channel.due == NEVER


def test_subscription_with_another_topic_goes_on_and_asks_again() -> None:
    """After thirty seconds; a second refusal in that time is the same failure."""
    life = Life()
    channel, listener = life.want("spl")
    life.want("ssd+DU1", listener=listener)
    life.sent()
    life.lifecycle.fail(channel, "no", 1.0)
    life.lifecycle.fail(channel, "no", 2.0)
    assert [type(event) for event in life.said()] == [SubscriptionFailed]
    assert (channel.state, channel.act_at, set(listener.failed)) == (DOUBTED, 31.0, {"spl"})
    assert not listener.buffer.ended
    life.lifecycle.first_frame(life.registry.channels["ssd+DU1"], 3.0)
    life.lifecycle.serve_due(30.99)
    assert life.sent() == []
    life.lifecycle.serve_due(31.0)

    assert life.sent() == ["spl+{}"]
    assert (channel.state, channel.act_at) == (REQUESTED, 41.0)
    assert life.lifecycle.next_due == 41.0


def test_other_consumers_of_a_refused_topic_go_on() -> None:
    """Only who has nothing else ends, and takes its own wishes along."""
    life = Life()
    channel, alone = life.want("spl")
    _, other = life.want("spl")
    life.want("sor", listener=other)
    life.sent()
    life.lifecycle.fail(channel, "no", 1.0)

    assert (alone.buffer.ended, other.buffer.ended) == (True, False)
    assert list(channel.wishes) == [other]
    assert life.sent() == []


def test_live_topic_that_is_refused_has_a_gap_and_is_not_failed() -> None:
    """Its data may go on in spite of all, so that its renewal stays due."""
    life = Life()
    channel, listener = life.live()
    life.lifecycle.fail(channel, "no", 1.0)

    gap = Gap(at=EPOCH + 1.0, topic="smd+1", reason="no")
    assert life.said() == marks(listener) == [gap]
    assert (channel.state, channel.renew_at, set(listener.failed)) == (DOUBTED, 480.0, set())


def test_topic_that_is_refused_in_its_gap_says_nothing_new() -> None:
    """The gap is known."""
    life = Life()
    channel, listener = life.live()
    life.lifecycle.connection_lost("lost", 1.0, 0.0)
    life.lifecycle.greeted(2.0)
    marks(listener)
    life.said()
    life.lifecycle.fail(channel, "no", 3.0)

    assert (life.said(), marks(listener)) == ([], [])
    assert not listener.buffer.ended
    assert life.stats.gaps == 1


def test_namesake_that_waits_for_its_answer_puts_the_repetition_off() -> None:
    """One request of a name at a time; it is tried again after as long."""
    life = Life(confirm_timeout_s=100.0)
    first, listener = life.want("smh+1", {"bar": "1min"})
    life.want("sor", listener=listener)
    life.want("smh+1", {"bar": "1h"})
    assert life.sent() == ['smh+1+{"bar":"1min"}', "sor+{}"]
    life.lifecycle.fail(first, "no", 1.0)
    assert life.sent() == ['smh+1+{"bar":"1h"}']
    life.lifecycle.serve_due(31.0)

    assert (life.sent(), first.state, first.act_at) == ([], DOUBTED, 61.0)
    assert life.lifecycle.next_due == 61.0


# --- renewals ------------------------------------------------------------------------------------


def test_subscription_is_renewed_before_its_lifetime_ends() -> None:
    """Asked for again, without a gap and without an end; the next one counts from there."""
    life = Life()
    channel, listener = life.live()
    life.lifecycle.serve_due(479.99)
    assert life.sent() == []
    channel.spoke = True
    life.lifecycle.serve_due(480.0)
    assert (life.sent(), life.said()) == ([SMD], [])
    assert (channel.state, channel.act_at, channel.renew_at) == (RENEWING, 490.0, 960.0)
    life.lifecycle.first_frame(channel, 481.0)

    assert life.said() == [Renewed(at=EPOCH + 481.0, topic="smd+1", silent_s=0.0)]
    assert (life.stats.renewals, marks(listener)) == (1, [])
    assert life.lifecycle.next_due < 960.0


def test_renewal_that_ends_it_first_is_a_gap() -> None:
    """What comes between the two requests is lost: that must be said."""
    life = Life(unsubscribe_to_renew=True)
    channel, _ = life.live()
    life.lifecycle.serve_due(480.0)
    life.lifecycle.first_frame(channel, 481.0)

    assert life.sent() == ["umd+1+{}", SMD]
    assert [type(event) for event in life.said()] == [Gap, Resumed]


@pytest.mark.parametrize(
    ("fell_silent_at", "ended_first"), [(602.0, True), (900.0, True), (700.0, False)]
)
def test_topics_that_end_with_their_first_request_are_ended_before_they_are_renewed(
    fell_silent_at: float, ended_first: bool
) -> None:
    """Three busy ones show that the server does not count a repeated request."""
    life = Life()
    channels = [life.live(f"smd+{n}")[0] for n in range(1, 5)]
    for channel in channels:
        life.lifecycle._ask_again(channel, 480.0)  # the renewal, at its time
        life.lifecycle.first_frame(channel, 480.0)
    for channel in channels[:3]:
        channel.heard_at, channel.busy, channel.idle, channel.spoke = fell_silent_at, 12, 11, False
        now = fell_silent_at + 60
        life.lifecycle._look_at_silence(channel, now)  # as above: no clock runs here
    life.sent()
    life.lifecycle._renew(channels[3], 970.0)  # as above: no clock runs here

    assert ("umd+4+{}" in life.sent()) is ended_first


@pytest.mark.parametrize(("spoke", "silent_s"), [(True, 0.0), (False, 80.0)])
def test_renewal_says_how_long_nothing_had_come(spoke: bool, silent_s: float) -> None:
    """Its answer would hide that."""
    life = Life(stale_after_s=1e6)
    channel, _ = life.live()
    channel.spoke, channel.heard_at = spoke, 400.0
    life.lifecycle.serve_due(480.0)
    life.lifecycle.first_frame(channel, 481.0)

    assert life.said() == [Renewed(at=EPOCH + 481.0, topic="smd+1", silent_s=silent_s)]


@pytest.mark.parametrize(("now", "gaps"), [(600.0, 0), (600.01, 1)])
def test_lifetime_that_ended_before_the_renewal_is_a_gap(now: float, gaps: int) -> None:
    """As when our own loop stood still."""
    life = Life(stale_after_s=1e6)
    life.live()
    life.lifecycle.serve_due(now)

    said = life.said()
    assert len(said) == life.stats.gaps == gaps
    assert all(isinstance(event, Gap) and "lifetime" in event.reason for event in said)
    assert life.sent() == ["umd+1+{}", SMD][1 - gaps :]


def test_refused_topic_whose_time_is_over_has_no_second_gap() -> None:
    """What does not flow cannot end."""
    life = Life(stale_after_s=1e6, retry_interval_s=1e6)
    channel, _ = life.live()
    life.lifecycle.fail(channel, "no", 1.0)
    life.said()
    life.lifecycle.serve_due(700.0)

    assert life.said() == []
    assert channel.state is REQUESTED


def test_renewal_that_is_not_answered_is_a_gap() -> None:
    """And is asked for again."""
    life = Life(stale_after_s=1e6)
    channel, _ = life.live()
    life.lifecycle.serve_due(480.0)
    life.said()
    life.lifecycle.serve_due(490.0)

    assert [type(event) for event in life.said()] == [Stale, Gap]
    assert (channel.state, channel.act_at) == (DOUBTED, 520.0)


# --- silence -------------------------------------------------------------------------------------


def fall_silent(life: Life, channel: Channel) -> None:
    """Speak in six periods, and in none of the twelve after them."""
    for period in range(1, 19):
        channel.spoke = period <= 6
        life.lifecycle.serve_due(5.0 * period)


def test_busy_topic_that_falls_silent_is_asked_for_again() -> None:
    """Suspicion, gap and request, together and for everyone who listens."""
    life = Life()
    channel, listener = life.live()
    fall_silent(life, channel)

    at = EPOCH + 90.0
    stale = Stale(at=at, topic="smd+1", silent_s=60.0)
    gap = Gap(at=at, topic="smd+1", reason="it was busy and fell silent", silent_s=60.0)
    assert life.said() == marks(listener) == [stale, gap]
    assert life.sent() == ["umd+1+{}", SMD]
    assert (channel.state, channel.heard_at) == (RENEWING, 30.0)


def test_silence_of_a_closed_market_is_nothing() -> None:
    """Where the hours are known."""
    life = Life(is_open=lambda target: {"1": False}[target])
    channel, _ = life.live()
    fall_silent(life, channel)

    assert (life.said(), life.sent(), channel.state) == ([], [], LIVE)


def test_only_a_live_and_watched_topic_is_suspected() -> None:
    """One that is asked for again has its own clock, and others may be silent for ever."""
    life = Life()
    channel, _ = life.live()
    figures, _ = life.live("spl")
    life.lifecycle.fail(channel, "no", 1.0)
    life.said()
    for period in range(1, 6):
        channel.spoke = figures.spoke = True
        life.lifecycle.serve_due(5.0 * period)

    assert channel.spoke
    assert figures.spoke
    assert channel.heard_at == 0.0


# --- giving up -----------------------------------------------------------------------------------


def test_last_who_leaves_tells_the_server() -> None:
    """Once; the times of the channel are gone."""
    life = Life()
    channel, one = life.live()
    _, other = life.want("smd+1")
    life.sent()
    life.leave(channel, one)
    assert life.sent() == []
    life.leave(channel, other)
    assert life.sent() == ["umd+1+{}"]
    life.leave(channel, other)

    assert life.sent() == []
    assert life.lifecycle.next_due == NEVER
    assert life.registry.find("smd+1") == []


def test_server_that_does_not_know_of_a_topic_is_not_told() -> None:
    """Before the greeting, after the loss, and where it was held back."""
    life = Life(greeted=False)
    life.leave(*life.want("smd+1"))
    life.lifecycle.greeted(0.0)
    life.lifecycle.brokerage_is(False, 0.0)
    life.leave(*life.want("smd+1"))
    life.lifecycle.brokerage_is(True, 0.0)
    lost = life.live()
    life.lifecycle.connection_lost("lost", 1.0, 0.0)
    life.leave(*lost)

    assert life.sent() == []


def test_bars_without_a_number_are_given_up_when_it_comes() -> None:
    """Then the place goes to the next who waits."""
    life = Life()
    asked = [life.want(f"smh+{conid}") for conid in range(5)]
    waiting, _ = life.want("smh+9", waits=True)
    life.sent()
    channel, listener = asked[0]
    life.leave(channel, listener, 3.0)
    assert life.sent() == []
    assert (channel.state, channel.act_at, channel.renew_at) == (ABANDONED, 20.0, NEVER)
    assert waiting.state is WANTED
    life.lifecycle.name(channel, "7", 4.0)

    assert life.sent() == ["umh+7", "smh+9+{}"]
    assert life.registry.find("smh+0") == []
    assert channel.server_id == ""


def test_bars_whose_number_never_comes_are_forgotten() -> None:
    """After twice the time of an answer, counted from the request."""
    life = Life()
    asked = [life.want(f"smh+{conid}") for conid in range(5)]
    life.want("smh+9", waits=True, now=6.0)
    for channel, _ in asked[1:]:
        life.lifecycle.name(channel, channel.target, 1.0)
        life.lifecycle.first_frame(channel, 1.0)
    life.sent()
    life.leave(*asked[0], 3.0)
    assert life.lifecycle.next_due == 20.0
    life.lifecycle.serve_due(19.99)
    assert life.sent() == []
    life.lifecycle.serve_due(20.0)

    assert life.sent() == ["smh+9+{}"]
    assert life.registry.find("smh+0") == []
    assert list(life.registry.unnamed) == []


def test_bars_with_a_number_give_their_place_back_immediately() -> None:
    """To the first who waits."""
    life = Life()
    held = [life.live(f"smh+{conid}", number=f"n{conid}") for conid in range(5)]
    for conid in (8, 9):
        life.want(f"smh+{conid}", waits=True)
    life.leave(*held[2])

    assert life.sent() == ["umh+n2", "smh+8+{}"]


def test_place_of_one_that_waits_is_nobodys() -> None:
    """Leaving the queue sends nothing, and neither does a place while the session is down."""
    life = Life()
    held = [life.live(f"smh+{conid}", number=f"n{conid}") for conid in range(5)]
    life.leave(*life.want("smh+8", waits=True))
    life.want("smh+9", waits=True)
    assert life.sent() == []
    life.lifecycle.brokerage_is(False, 1.0)
    life.leave(*held[0], 2.0)

    assert life.sent() == []


def test_second_bar_size_of_a_contract_is_requested_after_the_first_answer() -> None:
    """Both are called by one name."""
    life = Life()
    first, _ = life.want("smh+1", {"bar": "1min"})
    life.want("smh+1", {"bar": "1h"})
    assert life.sent() == ['smh+1+{"bar":"1min"}']
    life.lifecycle.first_frame(first, 1.0)

    assert life.sent() == ['smh+1+{"bar":"1h"}']


def test_number_of_nobody_is_freed_once() -> None:
    """What was given up under it before is not given up again; a new connection counts anew."""
    life = Life()
    smh = TOPICS["smh"]
    life.leave(*life.live("smh+1", number="7"))
    life.sent()
    for number in ("7", "8", "8", ""):
        life.lifecycle.release(smh, number)
    assert life.sent() == ["umh+8"]
    life.lifecycle.connection_lost("lost", 1.0, 0.0)
    life.lifecycle.release(smh, "9")
    assert life.sent() == []
    life.lifecycle.greeted(2.0)
    life.lifecycle.release(smh, "8")

    assert life.sent() == ["umh+8"]


def test_closing_gives_everything_up_and_ends_every_consumer() -> None:
    """Afterwards nothing is due and nothing is sent."""
    life = Life()
    _, one = life.live()
    _, other = life.want("spl")
    life.sent()
    life.lifecycle.close()

    assert life.sent() == ["umd+1+{}", "upl+{}"]
    assert (one.buffer.ended, other.buffer.ended) == (True, True)
    assert (one.buffer.error, other.buffer.error) == (None, None)
    assert (list(life.registry), life.lifecycle.ready) == ([], False)
    assert life.lifecycle.next_due == NEVER
    life.want("smd+2")
    assert life.sent() == []


# --- interruptions -------------------------------------------------------------------------------


def test_lost_session_interrupts_what_needs_it() -> None:
    """Once; what does not need it flows on."""
    life = Life()
    quotes, _ = life.live()
    figures, _ = life.live("spl")
    life.lifecycle.brokerage_is(False, 3.0)
    life.lifecycle.brokerage_is(False, 4.0)

    assert life.said() == [Gap(at=EPOCH + 3.0, topic="smd+1", reason="brokerage session lost")]
    assert (quotes.state, figures.state) == (WANTED, LIVE)
    assert life.lifecycle.next_due == NEVER


def test_lost_connection_interrupts_everything_that_flowed() -> None:
    """What was never answered has no gap, and what has one gets no second."""
    life = Life()
    life.live()
    figures, _ = life.live("spl")
    unanswered, _ = life.want("ssd+DU1")
    life.lifecycle.connection_lost("lost", 1.0, 0.5)
    assert [event.topic for event in life.said() if isinstance(event, Gap)] == ["smd+1", "spl"]
    assert (unanswered.state, figures.act_at, life.lifecycle.ready) == (WANTED, NEVER, False)
    life.lifecycle.greeted(2.0)
    life.lifecycle.connection_lost("lost", 3.0, 0.5)

    assert life.said() == []
    assert (figures.gap_since, life.stats.gaps) == (1.0, 2)


@pytest.mark.parametrize("how", ["session", "connection"])
def test_abandoned_requests_end_with_what_served_them(how: str) -> None:
    """Their places are free then."""
    life = Life()
    life.leave(*life.want("smh+1"))
    assert list(life.registry.unnamed)
    if how == "session":
        life.lifecycle.brokerage_is(False, 1.0)
    else:
        life.lifecycle.connection_lost("lost", 1.0, 0.0)

    assert list(life.registry.unnamed) == []
    assert life.lifecycle.next_due == NEVER


def test_dialogue_ends_with_its_connection() -> None:
    """What was agreed in it is not known, so it is not taken up again."""
    life = Life()
    channel, listener = life.want("shs+exercise")
    life.lifecycle.first_frame(channel, 1.0)
    life.sent()
    life.lifecycle.connection_lost("lost", 2.0, 0.0)

    assert listener.buffer.ended
    assert "lost in the middle of the dialogue" in str(listener.buffer.error)
    assert list(life.registry) == []
    life.lifecycle.greeted(3.0)
    assert life.sent() == []


def test_time_in_which_nobody_listened_is_credited() -> None:
    """To answers that are waited for, abandoned ones among them, and to the period of silence."""
    life = Life()
    channel, _ = life.want("smd+1")
    abandoned, listener = life.want("smh+1")
    life.leave(abandoned, listener)
    life.sent()
    life.lifecycle.postpone(100.0)

    assert (channel.act_at, abandoned.act_at) == (110.0, 120.0)
    assert life.lifecycle.next_due == 105.0
    life.lifecycle.serve_due(104.99)
    assert life.said() == []
    life.lifecycle.serve_due(110.0)
    assert isinstance(life.said()[0], Stale)


# --- one of several, and the first moment --------------------------------------------------------


def test_live_topic_that_is_refused_is_asked_for_again_when_its_time_has_come() -> None:
    """Nothing else has a time that would wake anybody."""
    life = Life()
    life.live("spl")
    life.lifecycle.fail(life.registry.channels["spl"], "no", 1.0)
    due = life.lifecycle.next_due
    assert due == 1.0 + CoreSettings().retry_interval_s
    life.lifecycle.serve_due(due - 0.01)
    assert life.sent() == []
    life.lifecycle.serve_due(due)

    assert life.sent() == ["spl+{}"]


TOPICS_OF_ALL = ("smd+1", "smd+2", "smd+3")


def three() -> Life:
    """Follow three contracts that flow."""
    life = Life()
    for topic in TOPICS_OF_ALL:
        life.live(topic)
    return life


def gaps(life: Life) -> tuple[str, ...]:
    """Take what was reported, and return what has a gap."""
    return tuple(event.topic for event in life.said() if isinstance(event, Gap))


@pytest.mark.parametrize("how", ["session", "connection", "refusal"])
def test_every_topic_is_interrupted_and_asked_for_again(how: str) -> None:
    """Not the first or the last alone, and in their order."""
    life = three()
    if how == "session":
        life.lifecycle.brokerage_is(False, 1.0)
        found = gaps(life)
        life.lifecycle.brokerage_is(True, 2.0)
    elif how == "connection":
        life.lifecycle.connection_lost("lost", 1.0, 0.0)
        found = gaps(life)
        life.lifecycle.greeted(2.0)
    else:
        for channel in life.registry:
            channel.become(RENEWING)
        life.lifecycle.refuse("smd", "no", 1.0)
        found = gaps(life)
        life.lifecycle.serve_due(1.0 + CoreSettings().retry_interval_s)

    assert found == TOPICS_OF_ALL
    assert life.sent() == [f'{topic}+{{"fields":["31"]}}' for topic in TOPICS_OF_ALL]


def test_every_topic_that_is_due_is_served() -> None:
    """Three requests without an answer at one time, and three renewals."""
    life = Life()
    for topic in TOPICS_OF_ALL:
        life.want(topic)
    life.lifecycle.serve_due(10.0)
    failed = [event.topic for event in life.said() if isinstance(event, SubscriptionFailed)]
    renewed = three()
    renewed.lifecycle.serve_due(480.0)

    assert failed == list(TOPICS_OF_ALL)
    assert renewed.sent() == [f'{topic}+{{"fields":["31"]}}' for topic in TOPICS_OF_ALL]
    assert renewed.lifecycle.next_due == 485.0


def test_every_topic_that_stalls_is_suspected() -> None:
    """Those that fall silent together as well."""
    life = three()
    for period in range(1, 19):
        for channel in life.registry:
            channel.spoke = period <= 6
        life.lifecycle.serve_due(5.0 * period)

    assert gaps(life) == TOPICS_OF_ALL


def test_gap_at_the_first_moment_is_one() -> None:
    """A monotonic clock may show zero: the gap ends, is told once, and its trades are asked for."""
    life = Life()
    channel, listener = life.live("str", {"days": 2})
    life.lifecycle.connection_lost("lost", 0.0, 0.0)
    life.lifecycle.greeted(0.0)
    assert life.sent() == ['str+{"days":2,"realtimeUpdatesOnly":false}']
    life.lifecycle.connection_lost("lost", 0.0, 0.0)
    life.lifecycle.greeted(0.0)
    life.lifecycle.first_frame(channel, 3.0)

    gap = Gap(at=EPOCH, topic="str", reason="lost")
    resumed = Resumed(at=EPOCH + 3.0, topic="str", gap_s=3.0, confirmed=True)
    assert life.said() == marks(listener) == [gap, resumed]


def test_gap_since_the_first_moment_is_ended_at_the_server_before_its_renewal() -> None:
    """As any other gap: what lies between the two requests is lost anyway."""
    life = Life(retry_interval_s=1_000.0)
    channel, _ = life.live()
    life.lifecycle.fail(channel, "refused", 0.0)
    life.lifecycle.serve_due(480.0)

    assert (life.sent(), channel.begun_at) == (["umd+1+{}", SMD], 480.0)


def test_gap_that_lasts_is_told_once_and_measured_from_its_beginning() -> None:
    """Whatever else interrupts a topic meanwhile."""
    life = Life()
    channel, listener = life.live()
    life.lifecycle.fail(channel, "refused", 1.0)
    life.lifecycle.brokerage_is(False, 2.0)
    life.lifecycle.connection_lost("lost", 3.0, 0.0)
    life.lifecycle.brokerage_is(True, 4.0)
    life.lifecycle.greeted(5.0)
    life.lifecycle.fail(channel, "refused", 6.0)
    life.lifecycle.first_frame(channel, 9.0)

    gap = Gap(at=EPOCH + 1.0, topic="smd+1", reason="refused")
    resumed = Resumed(at=EPOCH + 9.0, topic="smd+1", gap_s=8.0, confirmed=True)
    assert life.said() == marks(listener) == [gap, resumed]
    assert life.stats.gaps == 1


def test_request_that_was_made_at_the_first_moment_is_timed_from_then() -> None:
    """A later one anew."""
    life = Life()
    channel, _ = life.want("smd+1", now=0.0)
    assert (channel.requested_at, channel.act_at, channel.renew_at) == (0.0, 10.0, 480.0)
    life.lifecycle.first_frame(channel, 0.0)
    assert (channel.begun_at, channel.started_at, channel.heard_at) == (0.0, 0.0, 0.0)
    life.lifecycle.serve_due(480.0)

    assert (channel.begun_at, channel.requested_at, channel.started_at) == (0.0, 480.0, 480.0)
