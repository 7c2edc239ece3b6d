"""The payloads of every socket topic but `smd`, and how their frames are read.

Responsible for shapes only: which topic a frame belongs to is decided in `stream.topics`. A
`read_*` function takes a frame as `parse_json` returned it and gives the payloads in the order of
the wire. It must never lose a key: what the fields do not say is in each payload's `extra`.

Errors: all `read_*` functions raise `msgspec.ValidationError` when the shape is another one.

Source: "Websocket Topics" in IBKR's Web API documentation; shapes checked against recordings where
there are some. `smh` and `sbd` are known from the documentation only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

import msgspec

from ibkr_async.models.base import Model, convert, is_array, is_object
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


def read_system(frame: Frame) -> list[SystemMessage]:
    """Read a `system` frame."""
    return [convert(SystemMessage, frame)]


def read_auth_status(frame: Frame) -> list[AuthStatus]:
    """Read an `sts` frame."""
    return _rows(AuthStatus, frame.get("args"))


def read_accounts(frame: Frame) -> list[AccountsMessage]:
    """Read an `act` frame."""
    return _rows(AccountsMessage, frame.get("args"))


def read_tic(frame: Frame) -> list[TicReply]:
    """Read a `tic` frame."""
    return [convert(TicReply, frame)]


def read_error(frame: Frame) -> list[ErrorFrame]:
    """Read a frame that has an `error`."""
    return [convert(ErrorFrame, frame)]


def read_plain(frame: Frame) -> list[PlainMessage]:
    """Read a frame that has neither topic nor `error`."""
    return [convert(PlainMessage, frame)]


def read_notifications(frame: Frame) -> list[Notification | Prompt]:
    """Read an `ntf` frame; a row that expects an answer becomes a `Prompt`."""
    return [
        convert(Prompt, {key: value for key, value in row.items() if value is not None})
        if row.get("prompt") or "reqId" in row
        else convert(Notification, row)
        for row in _objects(frame.get("args"))
    ]


def read_bulletins(frame: Frame) -> list[Bulletin]:
    """Read a `blt` frame."""
    return _rows(Bulletin, frame.get("args"))


def read_live_orders(frame: Frame) -> list[LiveOrderUpdate]:
    """Read a `sor` frame."""
    return [
        convert(LiveOrderUpdate, _respell(row, {"conidEx": "conidex"}))
        for row in _objects(frame.get("args"))
    ]


def read_trades(frame: Frame) -> list[TradeUpdate]:
    """Read a `str` frame; empty for the acknowledgement that starts a subscription."""
    # Both spellings of conidEx were recorded; `comission` was reported from REST rows.
    spellings = {"conidex": "conidEx", "comission": "commission"}
    return [convert(TradeUpdate, _respell(row, spellings)) for row in _objects(frame.get("args"))]


def read_profit_and_loss(frame: Frame) -> list[ProfitAndLoss]:
    """Read an `spl` frame: one payload for each account and segment."""
    args = frame.get("args")
    return [
        convert(ProfitAndLoss, {**_object(row), "key": key})
        for part in _objects(args)
        for key, row in part.items()
    ]


def read_account_summary(frame: Frame) -> list[SummaryRow]:
    """Read an `ssd` frame."""
    return _rows(SummaryRow, frame.get("result"))


def read_account_ledger(frame: Frame) -> list[LedgerRow]:
    """Read an `sld` frame."""
    return _rows(LedgerRow, frame.get("result"))


def read_bars(frame: Frame) -> list[BarsMessage]:
    """Read an `smh` frame."""
    return [convert(BarsMessage, frame)]


def read_price_ladder(frame: Frame) -> list[LadderRow]:
    """Read an `sbd` frame."""
    return _rows(LadderRow, frame.get("data"))


def read_exercise(frame: Frame) -> list[ExerciseForm | ExercisePrompt]:
    """Read a `shs` or `inp` frame: a form, or a prompt if its `action` says so.

    Shape: empty for the acknowledgement that starts the dialogue, which has no `data`.
    """
    if frame.get("data") is None:
        return []
    data = {**_object(frame.get("data")), "MID": frame.get("MID")}
    if frame.get("action") == "prompt" or "user_actions" in data:
        return [convert(ExercisePrompt, data)]
    return [convert(ExerciseForm, data)]


def _rows(type_: type[_ModelT], args: Any) -> list[_ModelT]:
    return [convert(type_, row) for row in as_rows(args)]


def _objects(args: Any) -> list[Mapping[str, Any]]:
    return [_object(row) for row in as_rows(args)]


def _object(row: Any) -> Mapping[str, Any]:
    if is_object(row):
        return row
    raise msgspec.ValidationError(f"Expected an object, got `{type(row).__name__}`")


def _respell(row: Mapping[str, Any], spellings: Mapping[str, str]) -> Mapping[str, Any]:
    """Write a row with its usual keys where IBKR used another spelling; a usual key is never replaced."""
    found = {odd: usual for odd, usual in spellings.items() if odd in row and usual not in row}
    return {found.get(key, key): value for key, value in row.items()} if found else row
