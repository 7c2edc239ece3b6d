"""Plain arguments are refused by the annotations of the method that is called."""

from __future__ import annotations

import copy
from typing import Any, Literal

import pytest

from ibkr_async._arguments import checked
from ibkr_async.errors import UsageError

Word = Literal["refuse", "wait"]


@checked
class Face:
    """Takes one of each kind and gives it back."""

    def text(self, given: str | None = None) -> Any:
        return given

    def texts(self, *given: str) -> Any:
        return given

    def word(self, given: Word) -> Any:
        return given

    def patience(self, timeout_s: float) -> Any:
        return timeout_s

    def free(self, given: Any) -> Any:
        return given

    async def later(self, given: bool) -> Any:
        return given


@pytest.mark.parametrize("given", ["AAPL", "Übung & Söhne", None])
def test_what_the_annotation_says_is_passed_on(given: str | None) -> None:
    """As it is."""
    assert Face().text(given) == given
    assert Face().text() is None


@pytest.mark.parametrize("given", ["", " ", "\ud800", "a\x00", "a\n", b"AAPL", 5, float("nan")])
def test_text_that_cannot_be_sent_is_refused(given: Any) -> None:
    """By the name of the argument, in whichever way it was passed."""
    for call in (lambda: Face().text(given), lambda: Face().text(given=given)):
        with pytest.raises(
            UsageError, match=r"text: given=.* is not a text that can be sent or None"
        ):
            call()
    with pytest.raises(UsageError, match="texts: given="):
        Face().texts("AAPL", given)


@pytest.mark.parametrize("given", [-1.0, float("nan"), True, "5", None, 2**63])
def test_what_is_no_time_is_refused(given: Any) -> None:
    """Waiting for ever is one."""
    with pytest.raises(UsageError, match=r"timeout_s=.* is not a number of seconds"):
        Face().patience(given)

    assert Face().patience(float("inf")) == float("inf")
    assert Face().patience(0) == 0


def test_words_of_a_literal_are_named() -> None:
    """The message lists them."""
    assert Face().word("wait") == "wait"
    with pytest.raises(UsageError, match="one of 'refuse', 'wait'"):
        Face().word([])  # type: ignore[arg-type]  # what is tried


def test_what_is_not_plain_is_left_to_whoever_reads_it() -> None:
    """An annotation with any other name is not looked at."""
    thing = object()

    assert Face().free(thing) is thing


async def test_coroutine_refuses_when_it_is_awaited() -> None:
    """As every other error of it."""
    call = Face().later(1)  # type: ignore[arg-type]  # what is tried

    with pytest.raises(UsageError, match="given=1 is not True or False"):
        await call
    assert await Face().later(given=True) is True


def test_missing_argument_is_a_type_error_of_python() -> None:
    """The signature is Python's business."""
    with pytest.raises(TypeError, match="given"):
        Face().word()  # type: ignore[call-arg]  # what is tried


def test_long_value_is_shortened() -> None:
    """A message is no place for a megabyte, nor for a number that Python refuses to write."""
    with pytest.raises(UsageError) as caught:
        Face().text(["x" * 10_000])  # type: ignore[arg-type]  # what is tried
    with pytest.raises(UsageError, match="a number that long"):
        Face().text(10**5000)  # type: ignore[arg-type]  # what is tried

    assert len(str(copy.copy(caught.value))) < 200
