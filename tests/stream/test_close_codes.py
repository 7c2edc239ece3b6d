from __future__ import annotations

from ibkr_async.stream.socket.close_codes import close_code


def test_close_codes_say_whether_to_try_again() -> None:
    """A quiet 1000 is a disconnect; only a refusal of the credentials is final."""
    assert not close_code(1000).fatal
    assert close_code(1013).at_least_s == 5.0
    assert close_code(3000).fatal
    assert close_code(4321).meaning == "unlisted close code"
    assert not close_code(4321).fatal
