"""Payloads of the dialogue about exercising an option: `shs` and `inp`.

Responsible for their shapes only; `streaming` reads the frames, `stream.exercise` holds the
conversation. Known from the documentation only: unknown keys are kept in `extra`.
"""

from __future__ import annotations

import msgspec

from ibkr_async.models.base import Bool, Dec, Int, Model, Str


class ExerciseAction(Model):
    """One of the buttons of a form or a prompt."""

    id: Str = None
    """What the answer must name, such as `submit`."""
    text: Str = None
    """Its label."""


class ExerciseTerms(Model):
    """What can be chosen about the exercise."""

    enabled: Bool = None
    """It can be exercised now."""
    confirm: Bool = None
    """A confirmation is shown."""
    confirm_final: Bool = None
    """A last confirmation is shown."""
    allowed: Str = None
    """IBKR's own code of what may be entered."""
    value: Int = None
    """Contracts to exercise, where it was filled in."""


class ExerciseForm(Model):
    """The form in which to say how many contracts are exercised. Topics `shs` and `inp`."""

    id: Str = None
    """What the answer must name."""
    mid: Str = msgspec.field(default=None, name="MID")
    """IBKR's number of the message."""
    actions: tuple[ExerciseAction, ...] = msgspec.field(default=(), name="user_action")
    """The possible answers."""
    contract: Str = None
    """The option in words."""
    underlying_price: Str = None
    """Price of the underlying with its currency sign, such as `$211.35`."""
    position: Dec = None
    """Contracts held."""
    deadline: Str = None
    """Until when it can be exercised, as IBKR writes it."""
    exercise: ExerciseTerms | None = None
    """What can be chosen."""


class ExercisePrompt(Model):
    """A warning or question within the dialogue. Topics `shs` and `inp`."""

    id: Str = None
    """What the answer must name."""
    mid: Str = msgspec.field(default=None, name="MID")
    """IBKR's number of the message."""
    actions: tuple[ExerciseAction, ...] = msgspec.field(default=(), name="user_actions")
    """The possible answers."""
    title: Str = None
    """Its heading, such as `Warning`."""
    text: Str = None
    """The question."""
