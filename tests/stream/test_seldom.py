from __future__ import annotations

from ibkr_async.stream.seldom import Seldom


def test_one_in_each_second_comes_through_with_the_number_of_the_others() -> None:
    """A flood becomes a line a second, and nothing is lost from the count: fault F11."""
    seldom = Seldom(1.0)

    assert [seldom.admits(tenth / 10) for tenth in range(25)] == [
        0, *[None] * 9, 9, *[None] * 9, 9, *[None] * 4,
    ]  # fmt: skip


def test_what_comes_seldom_always_comes_through() -> None:
    """The first too."""
    seldom = Seldom(1.0)

    assert [seldom.admits(now) for now in (0.0, 1.0, 50.0)] == [0, 0, 0]
