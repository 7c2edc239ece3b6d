from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.orders.write.questions import KNOWN_QUESTIONS, meaning, plain_text


def test_markup_is_stripped() -> None:
    """Tags go, entities become characters, breaks become spaces, all on one line."""
    markup = "<h4>Price</h4> is <b>5&nbsp;%</b> away.<br/>Go&nbsp;on,\n if a &lt; b?"

    assert plain_text(markup) == "Price is 5 % away. Go on, if a < b?"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<h4>Confirm Mandatory Cap Price</h4>To avoid", "Confirm Mandatory Cap Price To avoid"),
        ("Price<p>To avoid", "Price To avoid"),
        ("Price<BR>To avoid", "Price To avoid"),
        ("<ul><li>one<li>two</ul>three", "one two three"),
        ("<table><tr><td>1</td><td>2</td></tr></table>3", "1 2 3"),
        ("<div class='a'>one</div><div>two</div>", "one two"),
        ("un<b>brok</b>en", "unbroken"),
    ],
)
def test_block_tags_part_words_and_others_do_not(markup: str, text: str) -> None:
    """`PriceTo avoid` is no word of IBKR's."""
    assert plain_text(markup) == text


def test_a_lone_less_than_sign_is_kept() -> None:
    """Only what looks like a tag is one."""
    assert plain_text("size < 5 and price > 3") == "size < 5 and price > 3"


@given(st.text(max_size=80))
def test_any_text_becomes_one_line(markup: str) -> None:
    """No text makes it fail."""
    assert "\n" not in plain_text(markup)


def test_endless_character_reference_is_no_error() -> None:
    """A number longer than Python reads names no character."""
    assert plain_text(f"Sure&#{'9' * 5000};?&#33;") == "Sure;?!"


@pytest.mark.parametrize("message_id", ["o163", "o354", "o10153", "p6", "p12"])
def test_known_questions_have_a_meaning(message_id: str) -> None:
    """The catalogue explains the documented ids and one that was seen live."""
    assert meaning(message_id)


def test_unknown_question_has_no_meaning() -> None:
    """An id that is not catalogued is not guessed at."""
    assert meaning("o1") is None
    assert len(KNOWN_QUESTIONS) == 25
