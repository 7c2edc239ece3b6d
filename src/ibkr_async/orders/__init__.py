"""The order desk: orders, the submit dialogue, and the policy for IBKR's questions."""

from __future__ import annotations

from ibkr_async.orders.desk import OrderDesk
from ibkr_async.orders.fate.journal import Journal
from ibkr_async.orders.fate.journal_entries import read_entries, read_open_intents
from ibkr_async.orders.fate.unknown import Submission, UnknownOrder
from ibkr_async.orders.handle import Leg, OrderHandle
from ibkr_async.orders.known.events import (
    Cancelled,
    Commission,
    Execution,
    Fill,
    NotApplied,
    OrderEvent,
    OrderState,
    Reconciled,
    Rejected,
    Replaced,
    StatusChange,
    Twin,
)
from ibkr_async.orders.known.news import OrderEvents
from ibkr_async.orders.results import DryRun, Recovered
from ibkr_async.orders.send.exercise import ExerciseDialogue
from ibkr_async.orders.write.combos import combo_conidex
from ibkr_async.orders.write.contract_checks import check_against, round_to
from ibkr_async.orders.write.groups import Bracket, OcaGroup
from ibkr_async.orders.write.order_types import (
    LimitIfTouchedOrder,
    LimitOnCloseOrder,
    LimitOrder,
    MarketIfTouchedOrder,
    MarketOnCloseOrder,
    MarketOrder,
    MidpriceOrder,
    RelativeOrder,
    StopLimitOrder,
    StopOrder,
    TrailingStopLimitOrder,
    TrailingStopOrder,
)
from ibkr_async.orders.write.policy import Answers, Question

__all__ = [
    "Answers",
    "Bracket",
    "Cancelled",
    "Commission",
    "DryRun",
    "Execution",
    "ExerciseDialogue",
    "Fill",
    "Journal",
    "Leg",
    "LimitIfTouchedOrder",
    "LimitOnCloseOrder",
    "LimitOrder",
    "MarketIfTouchedOrder",
    "MarketOnCloseOrder",
    "MarketOrder",
    "MidpriceOrder",
    "NotApplied",
    "OcaGroup",
    "OrderDesk",
    "OrderEvent",
    "OrderEvents",
    "OrderHandle",
    "OrderState",
    "Question",
    "Reconciled",
    "Recovered",
    "Rejected",
    "RelativeOrder",
    "Replaced",
    "StatusChange",
    "StopLimitOrder",
    "StopOrder",
    "Submission",
    "TrailingStopLimitOrder",
    "TrailingStopOrder",
    "Twin",
    "UnknownOrder",
    "check_against",
    "combo_conidex",
    "read_entries",
    "read_open_intents",
    "round_to",
]
