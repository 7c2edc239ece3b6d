from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from ibkr_async.models.base import decode
from ibkr_async.models.session import (
    AuthStatusReply,
    LiveSessionTokenReply,
    LogoutReply,
    SsoValidation,
    TickleReply,
)

T = TypeVar("T")
SAMPLES = Path(__file__).parents[1] / "samples" / "rest"


def read(type_: type[T], name: str) -> T:
    """Decode a sample answer."""
    return decode(type_, (SAMPLES / f"{name}.json").read_bytes())


def test_auth_status_reads_every_flag_and_the_server() -> None:
    """Each documented key has its field, and nothing is left over."""
    status = read(AuthStatusReply, "auth_status")

    assert status.authenticated is True
    assert status.established is True
    assert status.competing is False
    assert status.connected is True
    assert status.mac == "02:00:00:00:00:01"
    assert status.hardware_info == "0a1b2c3d|02:00:00:00:00:01"
    assert status.server_info is not None
    assert status.server_info.server_name == "SimServer01"
    assert not status.extra


def test_absent_flag_is_no_statement() -> None:
    """A flag that was not sent is None, which is not False."""
    status = read(AuthStatusReply, "auth_status_sparse")

    assert status.connected is True
    assert status.authenticated is None
    assert status.established is None
    assert status.competing is None


def test_tickle_of_a_gateway_has_the_remaining_milliseconds() -> None:
    """The gateway says how long the portal login lasts; `established` is not in it."""
    tickle = read(TickleReply, "tickle_gateway")

    assert tickle.session == "00112233445566778899aabbccddeeff"
    assert tickle.sso_expires == 432_100
    assert tickle.collission is False
    assert tickle.hmds is not None
    assert tickle.hmds.error == "no bridge"
    assert tickle.auth_status is not None
    assert tickle.auth_status.authenticated is True
    assert tickle.auth_status.established is None


def test_tickle_under_oauth_keeps_unknown_keys() -> None:
    """OAuth answers lack the portal's keys, and new keys are kept."""
    tickle = read(TickleReply, "tickle_oauth")

    assert tickle.sso_expires is None
    assert tickle.auth_status is not None
    assert tickle.auth_status.established is True
    assert tickle.extra == {"futureKey": {"a": 1}}


def test_tickle_without_brokerage_part_has_no_status() -> None:
    """An answer that says nothing of the brokerage session gives None."""
    assert decode(TickleReply, b'{"session":"x"}').auth_status is None


def test_session_value_is_in_no_repr() -> None:
    """The cookie value authorises a socket, so it must not reach a log through a repr."""
    tickle = read(TickleReply, "tickle_gateway")

    assert "00112233" not in repr(tickle)
    assert "authenticated=True" in repr(tickle)
    assert "02:00:00" not in repr(tickle)


def test_sso_validation_reads_capitals_and_nested_features() -> None:
    """The keys in capitals have snake_case fields; `EXPIRES` is a remaining time."""
    sso = read(SsoValidation, "sso_validate")

    assert sso.result is True
    assert sso.expires == 415_000
    assert sso.is_paper is True
    assert sso.features is not None
    assert sso.features.option_chains is True
    assert not sso.extra
    assert "sampleuser" not in repr(sso)
    assert "192.0.2.7" not in repr(sso)


def test_login_type_tells_live_from_paper_or_nothing() -> None:
    """1 is live; an absent or new number is no statement."""
    assert decode(SsoValidation, b'{"LOGIN_TYPE":1}').is_paper is False
    assert decode(SsoValidation, b'{"LOGIN_TYPE":7}').is_paper is None
    assert decode(SsoValidation, b"{}").is_paper is None


def test_login_type_is_read_in_both_spellings() -> None:
    """IBKR writes the key in capitals and in camel case; beside each other the usual one counts."""
    camel = decode(SsoValidation, b'{"loginType":2}')
    both = decode(SsoValidation, b'{"loginType":2,"LOGIN_TYPE":1}')

    assert (camel.is_paper, dict(camel.extra)) == (True, {})
    assert (both.is_paper, dict(both.extra)) == (False, {"loginType": 2})


def test_logout_reads_its_status() -> None:
    """Logging out answers one flag."""
    assert read(LogoutReply, "logout").status is True


def test_live_session_token_reply_hides_its_values() -> None:
    """The handshake's values are read and not shown."""
    reply = read(LiveSessionTokenReply, "live_session_token")

    assert reply.diffie_hellman_response == "1f2e3d"
    assert reply.live_session_token_signature == "aabbcc"
    assert reply.live_session_token_expiration == 1_775_186_400_000
    assert "1f2e3d" not in repr(reply)
    assert "aabbcc" not in repr(reply)
