from __future__ import annotations

import pytest

from ibkr_async.models.availability import Availability

STATEMENTS = (
    "real_time", "delayed", "frozen", "frozen_delayed", "not_subscribed", "acknowledgement_missing",
    "acknowledgement_incomplete", "regulatory_exemption", "snapshot", "consolidated", "book",
    "performance_details",
)  # fmt: skip


def said(code: str) -> set[str]:
    """Name everything that a code states."""
    availability = Availability.parse(code)
    return {name for name in STATEMENTS if getattr(availability, name)}


@pytest.mark.parametrize(
    ("code", "statements"),
    [
        ("RpB", {"real_time", "consolidated", "book"}),
        ("RB", {"real_time", "book"}),
        ("DPB", {"delayed", "snapshot", "book"}),
        ("ZPd", {"frozen", "snapshot", "performance_details"}),
        ("Y", {"frozen_delayed"}),
        ("N", {"not_subscribed"}),
        ("O", {"acknowledgement_missing"}),
        ("iv", {"acknowledgement_incomplete", "regulatory_exemption"}),
        ("", set()),
    ],
)
def test_letters_are_read_one_by_one(code: str, statements: set[str]) -> None:
    """Codes of any length are understood without a list of whole codes."""
    assert said(code) == statements


def test_unknown_letters_are_kept() -> None:
    """A letter that IBKR adds is reported, not refused."""
    availability = Availability.parse("RSx")

    assert availability.real_time
    assert availability.unknown == "Sx"
    assert availability.raw == "RSx"


def test_code_reads_as_words() -> None:
    """A person sees what the letters mean."""
    assert str(Availability.parse("DpB")) == "delayed, consolidated, book"
    assert str(Availability.parse("RS")) == "real time, 'S'"
    assert str(Availability.parse("")) == "not stated"
