"""`ib.session`: what a user sees, and that nothing of the engine shows."""

from __future__ import annotations

import pytest

from ibkr_async.errors import ClosedError
from ibkr_async.session.face import Session
from ibkr_async.session.state import SessionState
from session.test_keeper import FakeIbkr, Harness


def test_completion_shows_only_what_a_user_may_call() -> None:
    """No `run`, `close`, `observe` or `doubt`: those are the keeper's."""
    session = Session(Harness(FakeIbkr()).keeper, lambda: None)

    assert [name for name in dir(session) if not name.startswith("_")] == [
        "info", "logout", "ready", "state",
    ]  # fmt: skip


async def test_face_shows_what_the_keeper_knows() -> None:
    """State and facts are those of this moment; `ready` gives them."""
    harness = Harness(FakeIbkr())
    session = Session(harness.keeper, lambda: None)
    assert repr(session) == "<Session unknown>"

    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    assert await session.ready() is session.info
    assert session.state is SessionState.READY
    await session.logout()
    assert session.state is SessionState.CLOSED
    assert harness.ibkr.calls[-1] == "logout"


@pytest.mark.parametrize("verb", ["ready", "logout"])
async def test_closed_client_is_told_before_anything_is_asked(verb: str) -> None:
    """What the client says about itself comes first."""
    harness = Harness(FakeIbkr())

    def check() -> None:
        raise ClosedError("client")

    with pytest.raises(ClosedError):
        await getattr(Session(harness.keeper, check), verb)()

    assert harness.ibkr.calls == []
