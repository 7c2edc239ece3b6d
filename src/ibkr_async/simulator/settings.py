"""The switches of the simulator's shell: sessions, socket, timing.

Responsible for naming each documented or recorded behaviour of the server around the broker; the
broker's own switches are in `broker_settings`. It must never read the environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ibkr_async.simulator.broker.settings import BrokerSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatorSettings:
    """How the server behaves. The defaults are what IBKR does on an ordinary day."""

    broker: BrokerSettings = field(default_factory=BrokerSettings)
    """Switches of prices, orders and questions."""
    account_ids: tuple[str, ...] = ("DU1234567",)
    """Accounts of the one user. The first is selected at the start."""

    # sessions
    gateway: bool = True
    """Answer requests without an `Authorization` header as a gateway does after its login."""
    public_origins: tuple[str, ...] = ()
    """Further origins, such as `https://api.ibkr.com`, that a client may have signed."""
    timestamp_window_s: float = 300.0
    """How far `oauth_timestamp` may be from our clock. IBKR's tolerance is not known."""
    login_lifetime_s: float = 86_400.0
    """How long a live session token is valid."""
    idle_timeout_s: float = 360.0
    """Without a request for so long, the brokerage session lapses (5 to 6 minutes at IBKR)."""
    reset_window_s: tuple[float, float] | None = None
    """Nightly reset: from and to, in seconds after midnight UTC; `/iserver` answers 503 meanwhile."""
    reset_close_code: int | None = None
    """Close the sockets with this code when a reset begins; None leaves them open, with `sts`."""

    # limits
    enforce_limits: bool = False
    """Answer 429 to what breaks a rate limit, then block the address. Breaches are counted always."""
    penalty_box_s: float = 600.0
    """How long an address is blocked after a breach (10 or 15 minutes at IBKR)."""

    # socket
    bearer_parameter: str = "sessionToken"
    """Query parameter in which OAuth 2.0 sockets carry their bearer; IBKR's schema has another."""
    greeting_delay_s: float = 0.05
    """From binding to the greeting. Frames that arrive before it are lost without a word."""
    heartbeat_s: float = 10.0
    """Between two `system` heartbeats."""
    tic_copies: int = 4
    """Identical answers to one `tic`, as recorded on a gateway."""
    piecemeal_sts: bool = False
    """Send the greeting's `sts` facts one by one instead of in one frame."""
    waiting_for_session: bool = False
    """Ignore the cookie and ask for the session in a text frame."""
    session_text_unknown: bool = True
    """Answer `{"session":…}` on a socket that is bound already with `Topic unknown`; else silence."""
    sts_first: bool = False
    """Send `sts` before `system`, as in old traces."""
    binary_frames: bool = False
    """Send the JSON in binary frames, as some old gateways did."""
    outbox_frames: int = 10_000
    """Frames that may wait for a client that does not read; more, and the socket is dropped."""
    frame_copies: int = 1
    """How often each frame of a stream is sent."""
    args_shape: Literal["recorded", "object", "array"] = "recorded"
    """Form of `args`: as recorded for each topic, always an object (one row a frame), or an array."""

    # streams
    tick_s: float = 0.5
    """Between two looks at the market: `smd` updates come at most this often."""
    pnl_s: float = 1.0
    """Between two `spl` frames."""
    smd_lifetime_s: float = 600.0
    """How long a `smd` request delivers, 600 or 900; then its stream ends without a word."""
    rest_unsubscribe_silences: bool = True
    """Unsubscribing by REST ends the sockets' `smd` streams too."""
    availability_once: bool = True
    """Send 6509 in the first frame of a stream only; else in each."""
    first_smd_frame_twice: bool = True
    """Send the first full frame in two key orders, as recorded live."""
    topic_only_every: int = 0
    """Every n-th `smd` update is followed by a frame with nothing but its topic; 0 for never."""
    smh_streams: bool = False
    """Send the forming bar again and again, as old documentation says; else there is one answer."""
    bars_s: float = 5.0
    """Between two frames of a streamed `smh`."""
    sixth_smh: Literal["error", "silent"] = "error"
    """What a request for bars gets while five are open. IBKR's own way is not known."""
    umh_answers: bool = False
    """Answer `umh` with `{"message":"Unsubscribed <serverId>"}`; the documentation knows no answer."""
    depth_data: bool = True
    """The login has depth of book; without it `sbd` stays silent."""
    ladder_depth: int = 5
    """Steps of a `sbd` ladder on each side."""
    old_ladder: bool = False
    """Send ladders as older documentation has them: topic `sbd` alone, numbers instead of texts."""
    summary_s: float = 10.0
    """Between two looks at what has changed for `ssd`; IBKR's figure is not known."""
    ledger_s: float = 10.0
    """Between two `sld` frames; they come even when nothing has changed."""
    replay_fills_twice: bool = False
    """Let the history of `str` have each fill without and with its commission, as it came live."""
