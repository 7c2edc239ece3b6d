"""The payloads of every socket topic but `smd`, and how their frames are read.

Responsible for shapes only: which topic a frame belongs to is decided in `stream.topics`. A
`read_*` function takes a frame as `parse_json` returned it and gives the payloads in the order of
the wire. It must never lose a key: what the fields do not say is in each payload's `extra`.

Errors: all `read_*` functions raise `msgspec.ValidationError` when the shape is another one. With an
`Unread` an odd row is missing and counted there, and only a shape without rows is refused.

Source: "Websocket Topics" in IBKR's Web API documentation; shapes checked against recordings where
there are some. `smh` and `sbd` are known from the documentation only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeVar

import msgspec

from ibkr_async.models.base import Model, Unread, convert, is_array, is_object, respell
from ibkr_async.models.streaming.accounts import LedgerRow, ProfitAndLoss, SummaryRow
from ibkr_async.models.streaming.bars import PriceBar
from ibkr_async.models.streaming.exercise import (
    ExerciseAction,
    ExerciseForm,
    ExercisePrompt,
    ExerciseTerms,
)
from ibkr_async.models.streaming.orders import Fills, LiveOrderUpdate, TradeUpdate, parse_fills
from ibkr_async.models.streaming.prices import BarsMessage, LadderRow, PriceLadder
from ibkr_async.models.streaming.session import (
    AccountsMessage,
    AuthStatus,
    Bulletin,
    ErrorFrame,
    Notification,
    PlainMessage,
    Prompt,
    SystemMessage,
    TicReply,
)

__all__ = [
    "AccountsMessage",
    "AuthStatus",
    "BarsMessage",
    "Bulletin",
    "ErrorFrame",
    "ExerciseAction",
    "ExerciseForm",
    "ExercisePrompt",
    "ExerciseTerms",
    "Fills",
    "Frame",
    "LadderRow",
    "LedgerRow",
    "LiveOrderUpdate",
    "Notification",
    "PlainMessage",
    "PriceBar",
    "PriceLadder",
    "ProfitAndLoss",
    "Prompt",
    "SummaryRow",
    "SystemMessage",
    "TicReply",
    "TradeUpdate",
    "as_rows",
    "parse_fills",
    "read_account_ledger",
    "read_account_summary",
    "read_accounts",
    "read_auth_status",
    "read_bars",
    "read_bulletins",
    "read_error",
    "read_exercise",
    "read_live_orders",
    "read_notifications",
    "read_plain",
    "read_price_ladder",
    "read_profit_and_loss",
    "read_system",
    "read_tic",
    "read_trades",
]

Frame: TypeAlias = Mapping[str, Any]
"""A frame as `parse_json` returned it."""

_ModelT = TypeVar("_ModelT", bound=Model)
_AS_SENT: Final[Mapping[str, str]] = MappingProxyType({})


def as_rows(args: Any) -> list[Any]:
    """Normalise a payload that IBKR sends as an object, an array of objects, or null.

    Documentation and wire disagree for `ntf` and `blt`; both forms are accepted everywhere.
    """
    if args is None:
        return []
    if is_array(args):
        return list(args)
    if is_object(args):
        return [args]
    raise msgspec.ValidationError(
        f"Expected an object or an array of objects, got `{type(args).__name__}`"
    )


def read_system(frame: Frame, unread: Unread | None = None) -> list[SystemMessage]:
    """Read a `system` frame."""
    return [convert(SystemMessage, frame, unread)]


def read_auth_status(frame: Frame, unread: Unread | None = None) -> list[AuthStatus]:
    """Read an `sts` frame."""
    return _rows(AuthStatus, frame, "args", unread)


def read_accounts(frame: Frame, unread: Unread | None = None) -> list[AccountsMessage]:
    """Read an `act` frame."""
    return _rows(AccountsMessage, frame, "args", unread)


def read_tic(frame: Frame, unread: Unread | None = None) -> list[TicReply]:
    """Read a `tic` frame."""
    return [convert(TicReply, frame, unread)]


def read_error(frame: Frame, unread: Unread | None = None) -> list[ErrorFrame]:
    """Read a frame that has an `error`."""
    return [convert(ErrorFrame, frame, unread)]


def read_plain(frame: Frame, unread: Unread | None = None) -> list[PlainMessage]:
    """Read a frame that has neither topic nor `error`."""
    return [convert(PlainMessage, frame, unread)]


def read_notifications(frame: Frame, unread: Unread | None = None) -> list[Notification | Prompt]:
    """Read an `ntf` frame; a row that expects an answer becomes a `Prompt`."""
    return [
        convert(Prompt, {key: value for key, value in row.items() if value is not None}, unread)
        if row.get("prompt") or "reqId" in row
        else convert(Notification, row, unread)
        for row in _parts(frame, "args", unread)
    ]


def read_bulletins(frame: Frame, unread: Unread | None = None) -> list[Bulletin]:
    """Read a `blt` frame."""
    return _rows(Bulletin, frame, "args", unread)


def read_live_orders(frame: Frame, unread: Unread | None = None) -> list[LiveOrderUpdate]:
    """Read a `sor` frame."""
    return _rows(LiveOrderUpdate, frame, "args", unread, {"conidEx": "conidex"})


def read_trades(frame: Frame, unread: Unread | None = None) -> list[TradeUpdate]:
    """Read a `str` frame; empty for the acknowledgement that starts a subscription."""
    # Both spellings of conidEx were recorded; `comission` was reported from REST rows.
    spellings = {"conidex": "conidEx", "comission": "commission"}
    return _rows(TradeUpdate, frame, "args", unread, spellings)


def read_profit_and_loss(frame: Frame, unread: Unread | None = None) -> list[ProfitAndLoss]:
    """Read an `spl` frame: one payload for each account and segment."""
    return [
        convert(ProfitAndLoss, {**row, "key": key}, unread)
        for part in _parts(frame, "args", unread)
        for key, row in _objects(part.items(), unread)
    ]


def read_account_summary(frame: Frame, unread: Unread | None = None) -> list[SummaryRow]:
    """Read an `ssd` frame."""
    return _rows(SummaryRow, frame, "result", unread)


def read_account_ledger(frame: Frame, unread: Unread | None = None) -> list[LedgerRow]:
    """Read an `sld` frame."""
    return _rows(LedgerRow, frame, "result", unread)


def read_bars(frame: Frame, unread: Unread | None = None) -> list[BarsMessage]:
    """Read an `smh` frame."""
    return [convert(BarsMessage, frame, unread)]


def read_price_ladder(frame: Frame, unread: Unread | None = None) -> list[LadderRow]:
    """Read an `sbd` frame."""
    return _rows(LadderRow, frame, "data", unread)


def read_exercise(
    frame: Frame, unread: Unread | None = None
) -> list[ExerciseForm | ExercisePrompt]:
    """Read a `shs` or `inp` frame: a form, or a prompt if its `action` says so.

    Shape: empty for the acknowledgement that starts the dialogue, which has no `data`. It must be
    whole, whatever `unread` allows elsewhere: what is answered must have been read.
    """
    del unread
    if frame.get("data") is None:
        return []
    ((_, row),) = _objects([("data", frame["data"])], None)
    is_prompt = frame.get("action") == "prompt" or "user_actions" in row
    data = {**row, "MID": frame.get("MID")}
    return [convert(ExercisePrompt, data) if is_prompt else convert(ExerciseForm, data)]


def _rows(
    type_: type[_ModelT],
    frame: Frame,
    key: str,
    unread: Unread | None,
    spellings: Mapping[str, str] = _AS_SENT,
) -> list[_ModelT]:
    rows = _parts(frame, key, unread)
    return [convert(type_, respell(row, spellings), unread) for row in rows]


def _parts(frame: Frame, key: str, unread: Unread | None) -> list[Mapping[str, Any]]:
    rows = enumerate(as_rows(frame.get(key)))
    return [row for _, row in _objects(((f"{key}[{n}]", row) for n, row in rows), unread)]


def _objects(
    rows: Iterable[tuple[str, Any]], unread: Unread | None
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Pass over rows that are no objects, or refuse them when nobody counts."""
    for name, row in rows:
        if is_object(row):
            yield name, row
            continue
        problem = f"Expected an object, got `{type(row).__name__}`"
        if unread is None:
            raise msgspec.ValidationError(problem)
        unread.note(name, problem)
