from __future__ import annotations

import re
from functools import partial
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.orders.write.coid import CoidMaker, make_coid
from support.fake_time import FakeRandom, FakeTime, fake_world


def test_coid_is_26_safe_characters() -> None:
    """An id passes through URLs, logs and file names as it is."""
    assert make_coid(33, 1, 2, 3) == "0000000011" + "0001" + "000002" + "000003"
    assert re.fullmatch(r"[0-9A-Z]{26}", make_coid(2**60, 2**40, 2**40, 2**40))


@given(st.lists(st.integers(0, 2**45), min_size=2, max_size=20))
def test_coids_of_a_process_sort_in_the_order_of_making(clock: list[int]) -> None:
    """Even when the clock steps back or stands still."""
    time = FakeTime()
    maker = CoidMaker(fake_world(time))
    coids = []
    for at_ms in clock:
        time.at = at_ms / 1000
        coids.append(maker())

    assert all(earlier < later for earlier, later in pairwise(coids))


def test_two_processes_never_make_the_same_coid() -> None:
    """At the same instant and count, the instance part differs."""
    one, other = (
        CoidMaker(fake_world(FakeTime(0.005), FakeRandom(bits=partial(int, bits))))
        for bits in (1, 2)
    )

    assert one() != other()


def test_halves_of_a_fork_never_make_the_same_coid() -> None:
    """They share clock, count and instance; the random part differs."""
    one, other = (make_coid(5, 1, 7, random_bits) for random_bits in (1, 2))

    assert one != other
