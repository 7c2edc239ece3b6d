"""Exercising an option: a conversation over the socket, step by step.

Responsible for the conversation's frames and for the permission before each answer. It must never answer by
itself, never send an answer twice, and never take the conversation up again on another connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import msgspec

from ibkr_async._arguments import checked
from ibkr_async.errors import UsageError
from ibkr_async.feeds.feed import Feed
from ibkr_async.models.streaming import ExerciseForm, ExercisePrompt
from ibkr_async.orders.write.rules import read_fields
from ibkr_async.types import whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.feeds.feed import Line

ExerciseMessage: TypeAlias = ExerciseForm | ExercisePrompt


class CheckExercise(Protocol):
    """Asks for permission in the line before an answer leaves."""

    def __call__(self, conid: int, contracts: int | None, *, is_new: bool) -> None:
        """Raise unless so many contracts may be exercised now; None when it is not known how many.

        Errors: `OrderGuardError`; `UsageError` in a dry run.
        """
        ...


@checked
class ExerciseDialogue(Feed[ExerciseMessage]):
    """The dialogue about exercising one option.

    ::

        async with ib.stream.option_exercise(conid) as dialogue:
            form = await anext(dialogue)
            await dialogue.submit(form, contracts=5)
            warning = await anext(dialogue)
            await dialogue.choose(warning, "continue")

    The order then appears among `ib.stream.live_orders()` with side `EXER`. One dialogue at a time.
    Errors while iterating: `SubscriptionError` when IBKR does not answer or the connection is lost in
    the middle; whether an answer got through is then for `ib.orders.live()` to say.
    """

    def __init__(
        self,
        line: Line,
        say: Callable[[str, str], None],
        check_may_exercise: CheckExercise,
        conid: int,
    ) -> None:
        """`say(key, text)` sends a frame; `check_may_exercise` raises where that is not allowed."""
        super().__init__(line)
        self._say = say
        self._check_may_exercise = check_may_exercise
        self._conid = conid
        self._contracts: int | None = None
        """How many were asked for; a prompt is about as many."""

    async def submit(self, form: ExerciseForm, *, contracts: int, final: bool = True) -> None:
        """Ask IBKR to exercise so many contracts. A prompt may follow.

        `final` means that it cannot be taken back until the deadline.
        Errors: `OrderGuardError` where an order would not be allowed either; `SubscriptionError`
        when the dialogue is over; `UsageError`, also in a dry run. Nothing was sent then.
        Side effects at the broker: may exercise the option immediately.
        """
        number = whole(contracts) or 0
        if number < 1:
            raise UsageError(f"contracts={contracts!r}: at least one, and whole")
        read_fields(final=final)
        terms = {"allowed": "not_shown", "make_final": final, "value": number}
        self._contracts = number
        self._answer(form, "submit", {"exercise": terms}, is_new=True)

    async def choose(self, message: ExerciseMessage, action: str) -> None:
        """Press one of the buttons of a form or a prompt, such as `continue` or `cancel`.

        Errors: `UsageError` for a button that is not there; else as `submit`, but `cancel` is always
        allowed.
        """
        offered = [one.id for one in message.actions]
        if action not in offered:
            raise UsageError(f"{action!r} is not one of {offered}")
        self._answer(message, action, {}, is_new=self._contracts is None)

    def _answer(
        self, message: ExerciseMessage, action: str, more: dict[str, Any], *, is_new: bool
    ) -> None:
        if message.id is None:
            raise UsageError("this message has no id and cannot be answered")
        data = {"id": message.id, "user_action": action, **more}
        text = msgspec.json.encode({"action": "user_input", "data": data}).decode()
        if action != "cancel":
            self._check_may_exercise(self._conid, self._contracts, is_new=is_new)
        self._say("shs+exercise", f"inp+exercise+{text}")
