"""The Third-Party Web API v1: `ThirdPartyClient`, its orders, answers and FIX codes.

Another product than the Web API of `Client`: its own root, no brokerage session, no socket, FIX
codes instead of words, and orders that are named by the customer's own id.
"""

from __future__ import annotations

from ibkr_async.auth.flow import THIRD_PARTY_URL
from ibkr_async.thirdparty.answers import (
    CancelAnswer,
    ModifyAnswer,
    OrderImpact,
    ThirdPartyOrderState,
    ThirdPartyPosition,
    ThirdPartySecurityDefinition,
    ThirdPartyTrade,
)
from ibkr_async.thirdparty.client import ThirdPartyClient
from ibkr_async.thirdparty.fix import (
    EXCHANGES,
    Exchange,
    FixExecutionType,
    FixOrderStatus,
    FixOrderType,
    FixSide,
    FixTif,
    InstrumentType,
    OrderRestriction,
    Temporality,
)
from ibkr_async.thirdparty.market import (
    Closing,
    ExchangeBit,
    ExchangeComponents,
    LastTrade,
    MarketSide,
    QuoteSide,
    Snapshot,
    ThirdPartyQuote,
)
from ibkr_async.thirdparty.orders.requests import OrderChange, ThirdPartyOrder
from ibkr_async.thirdparty.summary import (
    Balances,
    CurrencyLedger,
    ThirdPartyAccount,
    ThirdPartyAccountSummary,
)

__all__ = [
    "EXCHANGES",
    "THIRD_PARTY_URL",
    "Balances",
    "CancelAnswer",
    "Closing",
    "CurrencyLedger",
    "Exchange",
    "ExchangeBit",
    "ExchangeComponents",
    "FixExecutionType",
    "FixOrderStatus",
    "FixOrderType",
    "FixSide",
    "FixTif",
    "InstrumentType",
    "LastTrade",
    "MarketSide",
    "ModifyAnswer",
    "OrderChange",
    "OrderImpact",
    "OrderRestriction",
    "QuoteSide",
    "Snapshot",
    "Temporality",
    "ThirdPartyAccount",
    "ThirdPartyAccountSummary",
    "ThirdPartyClient",
    "ThirdPartyOrder",
    "ThirdPartyOrderState",
    "ThirdPartyPosition",
    "ThirdPartyQuote",
    "ThirdPartySecurityDefinition",
    "ThirdPartyTrade",
]
