"""`ibkr-async orders`: look at the order journal of a client, also while it is in use.

Responsible for printing what the journal says. It must never change a journal, and asks IBKR
nothing.
"""

from __future__ import annotations

import json as json_format
import sys
from datetime import UTC, datetime
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations at run time
from typing import TYPE_CHECKING, Annotated

import cyclopts

from ibkr_async.errors import ConfigError
from ibkr_async.models.base import encode

if TYPE_CHECKING:
    from ibkr_async.orders.fate.journal_entries import Entry, OpenIntent

orders_app = cyclopts.App(name="orders", help="Look at orders without logging in.")

_USAGE_ERROR = 2


@orders_app.command
def journal(
    path: Path,
    *,
    coid: str | None = None,
    last: int = 50,
    open_only: Annotated[bool, cyclopts.Parameter(name="--open", negative=())] = False,
    json: Annotated[bool, cyclopts.Parameter(negative=())] = False,
) -> int:
    """Print what an order journal says, oldest first.

    Parameters
    ----------
    path
        The journal: what the setting `journal` names.
    coid
        Only this client order id, all of it.
    last
        How many of the last entries.
    open_only
        Only orders whose outcome the journal does not know; the exit code is 1 when there are any.
    json
        One JSON object per line, for other programs.
    """
    from ibkr_async.orders.fate.journal_entries import read_entries, read_open_intents

    try:
        if open_only:
            return _print_open(read_open_intents(path), as_json=json)
        limit = None if coid is not None else max(last, 0)
        for entry in read_entries(path, coid=coid, last=limit):
            print(_as_json(entry) if json else _line(entry))
    except ConfigError as error:
        print(f"ibkr-async orders journal: {error}", file=sys.stderr)
        return _USAGE_ERROR
    return 0


def _print_open(intents: tuple[OpenIntent, ...], *, as_json: bool) -> int:
    for intent in intents:
        sent = intent.submission
        if as_json:
            print(_as_json(intent))
            continue
        what = "; ".join(
            f"{ticket.side} {ticket.quantity or ticket.cash_quantity or ticket.fx_quantity} of "
            f"{ticket.conid or ticket.conidex} {ticket.order_type}"
            for ticket in sent.tickets
        )
        known = f", IBKR named {', '.join(intent.order_ids)}" if intent.order_ids else ""
        print(f"{sent.coid}  {sent.account_id}  {what}{known}")
    if not intents and not as_json:
        print("no order is open")
    return 1 if intents else 0


def _line(entry: Entry) -> str:
    when = datetime.fromtimestamp(entry.at_ms / 1000, UTC).isoformat(" ", "milliseconds")
    detail = json_format.dumps(entry.detail, separators=(", ", "="), ensure_ascii=False)
    return f"{when}  {entry.event:9}  {entry.account_id}  {entry.coid or '-'}  {detail}"


def _as_json(value: Entry | OpenIntent) -> str:
    return encode(value).decode()
