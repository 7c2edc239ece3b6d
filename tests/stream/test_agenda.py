"""Who is due when, against a list that is searched whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.stream.core.agenda import Agenda
from ibkr_async.stream.core.channel import NEVER


@dataclass
class Entry:
    """What the agenda looks at of a channel."""

    due: float = NEVER
    listed_at: float = NEVER


Step = tuple[str, int, float]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["note", "note", "never", "drop", "take", "later"]),
        st.integers(0, 5),
        st.sampled_from([0.0, 1.0, 1.5, 2.0, 7.0]),
    ),
    max_size=60,
)


@given(steps=STEPS)
def test_the_earliest_is_always_known_and_what_is_taken_is_due(steps: list[Step]) -> None:
    """Whatever was noted, postponed, dropped and taken before."""
    agenda: Any = Agenda()
    entries, listed = [Entry() for _ in range(6)], [False] * 6
    for what, index, at in steps:
        entry = entries[index]
        if what in {"note", "never"}:
            entry.due, listed[index] = at if what == "note" else NEVER, True
            agenda.note(entry)
        elif what == "later":
            for other, is_listed in zip(entries, listed, strict=True):
                other.due += at if is_listed else 0.0
            agenda.settle()
        elif what == "drop":
            listed[index] = False
            agenda.drop(entry)
        else:
            expected = sorted(
                other.due
                for other, on in zip(entries, listed, strict=True)
                if on and other.due <= at
            )
            taken = agenda.take_due(at)
            assert [other.due for other in taken] == expected
            for other in taken:
                other.due = at + 1.0
                agenda.note(other)
        known = [other.due for other, on in zip(entries, listed, strict=True) if on]
        assert agenda.next_due == min(known, default=NEVER)


def test_dead_entries_are_cleared_away() -> None:
    """Ten thousand channels that come and go leave nothing behind."""
    agenda: Any = Agenda()
    for number in range(10_000):
        entry = Entry(due=float(number % 7))
        agenda.note(entry)
        agenda.drop(entry)

    assert agenda.next_due == NEVER
    assert len(agenda._entries) < 200  # what is held is not visible from outside
