"""Which accounts of a login can trade, and which of them is meant where none is named. Pure.

Whatever stands for several accounts (a group, a profile, "All") is never a default: an order to it could
trade for everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ibkr_async.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ibkr_async.models.accounts import AccountsReply

_ALL: Final = "All"
"""How IBKR lists all accounts of an advisor together."""


def tradable(reply: AccountsReply) -> tuple[str, ...]:
    """Return the accounts that can trade, in IBKR's order."""
    several = {_ALL, *_names(reply.groups), *_names(reply.profiles)}
    return tuple(account_id for account_id in reply.accounts or () if account_id not in several)


def choose(named: str | None, default: str, account_ids: Sequence[str]) -> str:
    """Return the account that is meant: the one that is named, or else the default.

    Errors: `UsageError` that lists the accounts when there is no default.
    """
    if meant := named or default:
        return meant
    if not account_ids:
        raise UsageError(
            "the accounts are not known yet: await ib.ready(), or name one with account_id="
        )
    raise UsageError(
        f"this login has the accounts {', '.join(account_ids)}: name one, as in "
        f"account_id={account_ids[0]!r}"
    )


def _names(entries: Iterable[Any] | None) -> set[str]:
    """Return the names of groups or profiles, which come as texts or as objects with a name."""
    texts = (one.get("name") if isinstance(one, dict) else one for one in entries or ())
    return {text for text in texts if isinstance(text, str)}
