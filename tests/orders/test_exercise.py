from __future__ import annotations

import pytest

from ibkr_async.errors import OrderGuardError, SubscriptionError, UsageError
from ibkr_async.models.streaming import ExerciseForm, ExercisePrompt
from stream.core_feeds import CoreFeeds

FORM = (
    '{"data":{"user_action":[{"id":"submit","text":"Submit"},{"id":"cancel","text":"Cancel"}],'
    '"contract":"AAPL 200 C","id":"5"},"action":"content","MID":"16","topic":"shs+exercise"}'
)
PROMPT = (
    '{"data":{"user_actions":[{"id":"continue","text":"Continue"}],"id":7,"text":"Really?"},'
    '"MID":"19","action":"prompt","topic":"inp+exercise"}'
)


async def test_dialogue_is_answered_step_by_step() -> None:
    """The answers are spelled as documented."""
    feeds = CoreFeeds()
    async with feeds.option_exercise(495512563) as dialogue:
        with pytest.raises(SubscriptionError, match="not open"):
            await dialogue.submit(ExerciseForm(id="5"), contracts=1)
        feeds.receive(FORM)
        form = await anext(dialogue)
        assert isinstance(form, ExerciseForm)
        await dialogue.submit(form, contracts=5)
        feeds.receive(PROMPT)
        prompt = await anext(dialogue)
        assert isinstance(prompt, ExercisePrompt)
        with pytest.raises(UsageError, match="not one of"):
            await dialogue.choose(prompt, "maybe")
        await dialogue.choose(prompt, "continue")

        assert feeds.sent()[1:] == [
            (
                'inp+exercise+{"action":"user_input","data":{"id":"5","user_action":"submit",'
                '"exercise":{"allowed":"not_shown","make_final":true,"value":5}}}'
            ),
            'inp+exercise+{"action":"user_input","data":{"id":"7","user_action":"continue"}}',
        ]
        assert feeds.asked[-2:] == [(495512563, 5, True), (495512563, 5, False)]
    assert feeds.sent() == []


async def test_dialogue_respects_the_guard() -> None:
    """On an account where trading was not allowed only leaving is."""
    feeds = CoreFeeds()
    feeds.may_trade = False
    async with feeds.option_exercise(9) as dialogue:
        feeds.receive(FORM)
        form = await anext(dialogue)
        feeds.sent()
        with pytest.raises(OrderGuardError):
            await dialogue.submit(form, contracts=1)  # type: ignore[arg-type]  # it is a form
        with pytest.raises(UsageError, match="at least one"):
            await dialogue.submit(form, contracts=0)  # type: ignore[arg-type]  # as above
        with pytest.raises(UsageError, match="no id"):
            await dialogue.submit(ExerciseForm(), contracts=1)
        await dialogue.choose(form, "cancel")

        assert [text[:13] for text in feeds.sent()] == ["inp+exercise+"]


async def test_dialogue_ends_with_the_connection() -> None:
    """It is not taken up again: nothing must be exercised twice."""
    feeds = CoreFeeds()
    async with feeds.option_exercise(9) as dialogue:
        feeds.receive(FORM)
        await anext(dialogue)
        feeds.core.connection_lost(1.0, 1006, "")
        with pytest.raises(SubscriptionError, match="look at the orders"):
            await anext(dialogue)
