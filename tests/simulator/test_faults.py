"""Ordered failures."""

from __future__ import annotations

from ibkr_async.simulator.faults import Fault, Faults


def test_fault_fits_its_path_and_is_used_up() -> None:
    """A pattern matches only its paths, as often as it was ordered."""
    faults = Faults()
    faults.add(Fault("/iserver/reply/*", 503, "", times=2, after=True))

    assert faults.take("/tickle") is None
    assert faults.take("/iserver/reply/1") is not None
    assert faults.take("/iserver/reply/2") is not None
    assert faults.take("/iserver/reply/3") is None
