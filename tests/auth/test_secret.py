from __future__ import annotations

import copy
import pickle
import traceback

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.auth._secret import Secret


@given(st.text() | st.binary() | st.integers())
def test_text_of_a_secret_is_always_stars(value: str | bytes | int) -> None:
    """However a secret is formatted, nothing of it shows."""
    secret = Secret(value)

    assert {repr(secret), str(secret), f"{secret}", f"{secret!r}"} == {"***"}
    assert secret.reveal() == value


def test_secret_is_not_written_anywhere() -> None:
    """Pickling, copying and JSON are refused."""
    secret = Secret("canary")

    for write in (pickle.dumps, copy.copy, copy.deepcopy, msgspec.json.encode):
        with pytest.raises(TypeError) as caught:
            write(secret)
        assert "canary" not in str(caught.value)


def test_traceback_with_locals_shows_no_secret() -> None:
    """A debugging traceback that prints every local prints stars."""
    secret = Secret("canary")
    try:
        assert secret is None
    except AssertionError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)

    assert "canary" not in str(next(frame.locals for frame in shown.stack))
