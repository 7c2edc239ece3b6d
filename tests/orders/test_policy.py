from __future__ import annotations

from typing import Any, cast

import pytest

from ibkr_async.errors import UsageError
from ibkr_async.orders.write.policy import Answers, Question, Verdict


def question(*message_ids: str) -> Question:
    """Make a question of these kinds."""
    return Question(coid="c1", reply_id="r1", message_ids=message_ids, texts=("Sure?",))


async def yes(_question: Question) -> bool:
    """Accept everything."""
    return True


def verdict(answers: Answers, *message_ids: str) -> Verdict:
    """Decide without a callback."""
    decided = answers.decide(question(*message_ids))
    assert isinstance(decided, Verdict)
    return decided


def test_nothing_is_allowed_by_default() -> None:
    """The default answer is no, and it names the question."""
    refusal = verdict(Answers.none(), "o163")

    assert not refusal.accept
    assert refusal.reason == "the policy does not allow o163"


def test_allowed_question_is_accepted() -> None:
    """Every id of the question has to be allowed."""
    answers = Answers.allow("o163", "o354")

    assert verdict(answers, "o163").accept
    assert verdict(answers, "o163", "o354").accept
    assert verdict(answers, "o163", "o403").reason == "the policy does not allow o403"


def test_question_without_ids_is_refused() -> None:
    """Text that IBKR gives no id cannot be allowed in advance."""
    refusal = verdict(Answers.allow("o163"))

    assert not refusal.accept
    assert "Answers.ask" in refusal.reason


def test_denied_wins_over_allowed_and_callback() -> None:
    """A combination is never more permissive than its refusals."""
    answers = Answers.allow("o163") | Answers.ask(yes) | Answers.deny("o163")

    assert verdict(answers, "o163").reason == "the policy denies o163"


def test_callback_is_asked_for_the_rest() -> None:
    """What is neither denied nor allowed is for the callback."""
    answers = Answers.allow("o163") | Answers.ask(yes)

    assert verdict(answers, "o163").accept
    assert answers.decide(question("o354")) is yes
    assert answers.decide(question()) is yes


def test_two_callbacks_cannot_be_combined() -> None:
    """Which one would decide is not clear."""
    with pytest.raises(UsageError, match="only one"):
        Answers.ask(yes) | Answers.ask(yes)


def test_only_answers_combine() -> None:
    """Anything else is a type error, as for any operator."""
    with pytest.raises(TypeError):
        Answers.none() | cast("Any", "o163")


@pytest.mark.parametrize("message_id", ["", 163, None])
def test_message_ids_are_texts(message_id: Any) -> None:
    """A slip in the ids is found at once, not when the question comes."""
    with pytest.raises(UsageError, match="o163"):
        Answers.allow(message_id)


def test_question_explains_its_ids() -> None:
    """A callback can show what a question is about."""
    known, unknown = question("o163", "o1").meanings

    assert known is not None
    assert "percentage" in known
    assert unknown is None
