from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.session.state import SessionFacts, SessionState, Step, next_step

UP = SessionFacts(connected=True, authenticated=True, established=True, competing=False)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (SessionFacts(), SessionState.UNKNOWN),
        (UP, SessionState.READY),
        (SessionFacts(authenticated=True), SessionState.READY),
        (SessionFacts(authenticated=True, established=False), SessionState.LOADING),
        (SessionFacts(authenticated=False), SessionState.NOT_AUTHENTICATED),
        (SessionFacts(connected=False, authenticated=True), SessionState.DISCONNECTED),
        (SessionFacts(authenticated=True, competing=True), SessionState.COMPETING),
    ],
)
def test_state_is_read_from_the_flags(facts: SessionFacts, state: SessionState) -> None:
    """`established` gates readiness, `competing` outranks everything."""
    assert facts.state is state


def test_absent_flags_are_no_statement() -> None:
    """A piecemeal `sts` that says only `competing` leaves the login as it was."""
    assert UP.merge(SessionFacts(competing=True)) == SessionFacts(
        connected=True, authenticated=True, established=True, competing=True
    )


def test_denied_login_takes_established_with_it() -> None:
    """`{"authenticated":false}` alone ends the established session too."""
    after = UP.merge(SessionFacts(authenticated=False))
    back = after.merge(SessionFacts(authenticated=True))

    assert after.established is False
    assert back.state is SessionState.LOADING


flags = st.sampled_from([None, True, False])
facts_strategy = st.builds(
    SessionFacts, connected=flags, authenticated=flags, established=flags, competing=flags
)


@given(facts_strategy, facts_strategy)
def test_merge_keeps_what_the_newer_statement_leaves_out(
    old: SessionFacts, new: SessionFacts
) -> None:
    """No flag that the newer statement names is overruled, and none that it omits is lost."""
    merged = old.merge(new)

    for name in ("connected", "authenticated", "competing"):
        said = getattr(new, name)
        assert getattr(merged, name) == (getattr(old, name) if said is None else said)


@given(facts_strategy, st.booleans(), st.booleans(), st.booleans())
def test_every_situation_has_a_next_step(
    facts: SessionFacts, loaded: bool, may_initialise: bool, may_take_over: bool
) -> None:
    """The tables leave no hole, and a competing login is never pushed out without permission."""
    step = next_step(
        facts,
        accounts_loaded=loaded,
        may_initialise=may_initialise,
        may_take_over=may_take_over,
    )

    assert isinstance(step, Step)
    if facts.state is SessionState.COMPETING and not may_take_over:
        assert step is Step.STAND_BACK
    if step is Step.INITIALISE:
        assert may_initialise or may_take_over
    if facts.state is SessionState.READY:
        assert step is (Step.TICKLE if loaded else Step.LOAD_ACCOUNTS)
