"""Settings that differ from others in a few places, named as `ibkr-async config` names them."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from ibkr_async import Settings

S = TypeVar("S", bound=msgspec.Struct)


def changed(settings: S, name: str, value: Any) -> S:
    """Change one setting by its dotted name."""
    group, _, rest = name.partition(".")
    new = changed(getattr(settings, group), rest, value) if rest else value
    return msgspec.structs.replace(settings, **{group: new})


def settings_with(changes: dict[str, Any], base: Settings | None = None) -> Settings:
    """Return settings with changes: `settings_with({"session.compete": True})`."""
    settings = base or Settings()
    for name, value in changes.items():
        settings = changed(settings, name, value)
    return settings


AT_ONCE = settings_with({"stream.reconnecting.first_retry_s": 0.0})
"""A socket that was lost is opened again without a pause."""
