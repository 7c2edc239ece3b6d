"""`ib.health()`: what counts as healthy, and how it reads."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ibkr_async import Health

GOOD = Health(
    session="ready",
    account_id="DU1",
    socket_wanted=True,
    socket_connected=True,
    rate_limited=False,
    tickle_age_s=3.0,
    login_expires_in_s=80_000.0,
    unknown_orders=0,
    gaps=0,
    requests=7,
)


def changed(**values: Any) -> Health:
    """Return the good health with something else in it."""
    return msgspec.structs.replace(GOOD, **values)


@pytest.mark.parametrize(
    ("health", "ok", "words"),
    [
        (GOOD, True, "ok: session ready, socket connected"),
        (
            changed(socket_wanted=False, socket_connected=False),
            True,
            "ok: session ready, socket idle",
        ),
        (changed(gaps=2), True, "ok: session ready, socket connected, 2 gaps"),
        (
            changed(session="competing"),
            False,
            "NOT OK: session competing, socket connected",
        ),
        (changed(socket_connected=False), False, "NOT OK: session ready, socket down"),
        (
            changed(rate_limited=True),
            False,
            "NOT OK: session ready, socket connected, rate limited",
        ),
        (
            changed(unknown_orders=1),
            False,
            "NOT OK: session ready, socket connected, 1 orders unknown",
        ),
    ],
)
def test_health_is_what_it_says(health: Health, *, ok: bool, words: str) -> None:
    """Whatever keeps market data or orders from working is not ok, and is named."""
    assert health.ok is ok
    assert str(health) == words
