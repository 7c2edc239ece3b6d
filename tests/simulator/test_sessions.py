"""Logins and the one brokerage session."""

from __future__ import annotations

from itertools import count

import pytest

from ibkr_async.simulator.login.sessions import GATEWAY, Sessions, oauth_identity

NOW = 1_700_000_000.0
A = oauth_identity("SIMULATOR", "a")
B = oauth_identity("SIMULATOR", "b")


@pytest.fixture
def sessions() -> Sessions:
    """Return sessions with predictable ids."""
    numbers = count(1)
    return Sessions(
        new_id=lambda: f"{next(numbers):032x}", login_lifetime_s=86_400, idle_timeout_s=360
    )


def test_live_token_lasts_until_it_expires(sessions: Sessions) -> None:
    """A token is valid for the lifetime, not longer."""
    assert sessions.log_in(A, b"token", NOW) == NOW + 86_400

    assert list(sessions.live_tokens(A, NOW + 86_399)) == [b"token"]
    assert sessions.live_tokens(A, NOW + 86_400) == {}
    assert sessions.live_tokens(B, NOW) == {}


def test_new_login_has_a_new_session_id(sessions: Sessions) -> None:
    """The id of the former login binds no socket any more; its token is good all the same."""
    sessions.log_in(A, b"1", NOW)
    first = sessions.session_id(sessions.live_tokens(A, NOW)[b"1"])
    assert sessions.identity_of(first) == sessions.live_tokens(A, NOW)[b"1"]

    sessions.log_in(A, b"2", NOW)

    tokens = sessions.live_tokens(A, NOW)
    assert list(tokens) == [b"2", b"1"]
    assert sessions.session_id(tokens[b"2"]) != first
    assert sessions.identity_of(first) is None


def test_expired_logins_are_all_gone(sessions: Sessions) -> None:
    """The lever for tests makes every token invalid."""
    sessions.log_in(A, b"1", NOW)

    sessions.expire_logins()

    assert sessions.live_tokens(A, NOW) == {}


def test_renewed_login_keeps_the_session_until_the_old_one_is_used(sessions: Sessions) -> None:
    """Then there are two programs with the same keys, and one session between them."""
    sessions.log_in(A, b"1", NOW)
    first = sessions.live_tokens(A, NOW)[b"1"]
    sessions.open(first, compete=False, now=NOW)
    sessions.log_in(A, b"2", NOW)
    second = sessions.live_tokens(A, NOW)[b"2"]
    assert sessions.holds(first)
    assert sessions.holds(second)
    assert not sessions.competing(first)

    sessions.touch(first, NOW)

    assert (sessions.holds(first), sessions.competing(first)) == (False, True)
    assert (sessions.holds(second), sessions.competing(second)) == (True, False)
    assert not sessions.open(first, compete=False, now=NOW)
    assert sessions.open(first, compete=True, now=NOW)
    assert (sessions.holds(second), sessions.competing(second)) == (False, True)


def test_second_identity_competes(sessions: Sessions) -> None:
    """Without `compete` the first keeps the session; with it the first loses it and sees why."""
    assert sessions.open(A, compete=False, now=NOW)
    assert not sessions.open(B, compete=False, now=NOW)
    assert sessions.auth_status(B)["competing"] is True

    assert sessions.open(B, compete=True, now=NOW)

    status = sessions.auth_status(A)
    assert (status["authenticated"], status["competing"], status["connected"]) == (
        False,
        True,
        True,
    )


def test_takeover_from_elsewhere_can_be_won_back(sessions: Sessions) -> None:
    """Another program's session does not idle out, but `compete` takes it."""
    sessions.open(A, compete=False, now=NOW)
    sessions.take_over()

    assert not sessions.expire_idle(NOW + 1e6)
    assert not sessions.open(A, compete=False, now=NOW)
    assert sessions.open(A, compete=True, now=NOW)


def test_silent_holder_loses_the_session(sessions: Sessions) -> None:
    """Requests of the holder keep the session; six minutes without one end it."""
    sessions.open(A, compete=False, now=NOW)
    sessions.touch(A, NOW + 300)
    assert not sessions.expire_idle(NOW + 600)
    sessions.touch(B, NOW + 650)

    assert sessions.expire_idle(NOW + 661)

    status = sessions.auth_status(A)
    assert (status["connected"], status["authenticated"]) == (True, False)


def test_gateway_opens_its_session_once(sessions: Sessions) -> None:
    """A gateway is logged in at its first request, and after a lapse only when asked."""
    sessions.touch(GATEWAY, NOW)
    assert sessions.holds(GATEWAY)

    sessions.lapse()
    sessions.touch(GATEWAY, NOW)

    assert not sessions.holds(GATEWAY)


def test_status_before_anything_is_not_connected(sessions: Sessions) -> None:
    """A login alone is not a brokerage session."""
    status = sessions.auth_status(A)

    assert (status["connected"], status["authenticated"], status["competing"]) == (
        False,
        False,
        False,
    )
