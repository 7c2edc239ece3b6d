from __future__ import annotations

import pytest

from ibkr_async.errors import UnknownFieldError
from ibkr_async.models.fields import FIELDS, FIELDS_BY_NAME, QUOTE, Kind, resolve_fields, tag_of

# Every tag of protocol section 3.1, in its order.
TAGS = """
31 55 58 70 71 73 74 75 80 76 77 78 7920 79 82 83 84 86 88 85 87 7762 201 6004 6008 6070 6072 6073
6119 6457 6508 6509 7051 7057 7068 7058 7059 7084 7085 7086 7285 7087 7088 7284 7089 7607 7094 7184
7219 7220 7221 7280 7281 7282 7283 7633 7292 7921 7293 7294 7295 7296 7741 7308 7309 7310 7311 7635
7636 7637 7644 7638 7697 7639 7671 7672 7674 7675 7676 7677 7678 7679 7724 7681 7682 7683 7684 7685
7686 7687 7688 7689 7690 7694 7700 7695 7696 7698 7699 7720 7702 7703 7704 7705 7706 7707 7708 7714
7715 7768 7943 7655 7718 7286 7287 7288 7289 7290 7291
""".split()  # noqa: SIM905 - reads as the list that it was taken from


def test_every_tag_of_the_documentation_has_a_field() -> None:
    """The table is complete, and holds nothing else."""
    assert sorted(FIELDS) == sorted(TAGS)
    assert len(TAGS) == len(set(TAGS)) == 119


def test_names_are_unique_identifiers() -> None:
    """Each field can be asked for by its own name."""
    assert len(FIELDS_BY_NAME) == len(FIELDS)
    assert all(name.isidentifier() and name == name.lower() for name in FIELDS_BY_NAME)


def test_every_field_says_what_it_means_and_in_which_unit() -> None:
    """Numbers have a unit; texts and flags need none."""
    for field in FIELDS.values():
        assert field.meaning
        assert bool(field.unit) is (field.kind not in {Kind.TEXT, Kind.FLAG}), field


@pytest.mark.parametrize(
    ("tag", "sent", "value"),
    [
        ("84", "1,189.56", 1189.56),
        ("87", "24.2M", 24_200_000.0),
        ("6008", 265598, 265598),
        ("7184", "1", True),
        ("7051", "APPLE INC", "APPLE INC"),
        ("31", "", None),
    ],
)
def test_values_are_read_by_kind(tag: str, sent: object, value: object) -> None:
    """Each field knows the type of its value."""
    assert FIELDS[tag].read(sent) == value


def test_ask_size_is_85_and_bid_size_is_88() -> None:
    """The one pair of tags that everybody swaps."""
    assert (tag_of("ask_size"), tag_of("bid_size")) == ("85", "88")


def test_names_and_tags_resolve_to_tags_in_order_and_once() -> None:
    """Names, known tags and tags that are newer than this table mix freely."""
    assert resolve_fields(["bid", "31", "84", "last", "9999"]) == ("84", "31", "9999")
    assert resolve_fields("bid") == ("84",)
    assert resolve_fields([]) == ()
    assert resolve_fields(QUOTE) == QUOTE


def test_misspelt_name_names_its_neighbours() -> None:
    """The error says what was probably meant."""
    with pytest.raises(UnknownFieldError, match="bid_size") as caught:
        resolve_fields(["bidSize"])

    assert caught.value.suggestions[0] == "bid_size"


@pytest.mark.parametrize("name", ["", "quux", "\u0663\u0661", "-31"])
def test_nonsense_is_not_passed_on_as_a_tag(name: str) -> None:
    """Only plain ASCII digits are a tag."""
    with pytest.raises(UnknownFieldError):
        resolve_fields([name])
