"""The asyncio client for Interactive Brokers' Web API.

| Name | What it is |
|---|---|
| `Client` | one object from login to logout: REST, orders and streams |
| `OAuth1a`, `OAuth2`, `Gateway` | ways of logging in, given to `Client` |
| `OAuthFlow` | for third parties: how a user grants access; it ends in an `OAuth1a` |
| `ThirdPartyClient` | the older Third-Party Web API v1 |
| `MarketOrder` … `Bracket`, `Answers` | orders, and the policy for IBKR's questions about them |
| `Quote`, `MarketDataUpdate`, `QUOTE` | what market data looks like, and the usual fields |
| `Settings` | everything that can be set, with safe defaults |
| `ibkr_async.errors` | the exception tree; `IbkrError` is its root |
| `ibkr_async.events` | what `ib.events()` yields |
| `ibkr_async.feeds` | what `ib.quotes`, `ib.bars`, `ib.ladder` and `ib.stream` give |
| `ibkr_async.orders` | handles, states and events of orders, and their parts |
| `ibkr_async.models` | every answer and message, with `to_dict()` and `to_json()` |
| `ibkr_async.types` | ids, and enums of the words that IBKR uses |
| `ibkr_async.simulator` | a small broker on your machine, for tests (extra: `sim`) |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async._late import importer
from ibkr_async._version import __version__
from ibkr_async.client import Client
from ibkr_async.config import Settings
from ibkr_async.errors import (
    IbkrError,
    OrderGuardError,
    OrderQuestionError,
    OrderRejectedError,
    OrderUnknownError,
    UsageError,
    is_retryable,
)
from ibkr_async.health import Health
from ibkr_async.models.market_data import QUOTE, MarketDataUpdate
from ibkr_async.models.quotes import Quote
from ibkr_async.orders import (
    Answers,
    Bracket,
    LimitIfTouchedOrder,
    LimitOnCloseOrder,
    LimitOrder,
    MarketIfTouchedOrder,
    MarketOnCloseOrder,
    MarketOrder,
    MidpriceOrder,
    OcaGroup,
    RelativeOrder,
    StopLimitOrder,
    StopOrder,
    TrailingStopLimitOrder,
    TrailingStopOrder,
)
from ibkr_async.orders.settings import GuardSettings
from ibkr_async.session.keeper import SessionInfo
from ibkr_async.session.state import SessionState
from ibkr_async.types import OrderStatus, OrderType, Side, TimeInForce

if TYPE_CHECKING:
    from ibkr_async.auth import Gateway, OAuth1a, OAuth2, OAuthFlow
    from ibkr_async.thirdparty import ThirdPartyClient

__all__ = [
    "QUOTE",
    "Answers",
    "Bracket",
    "Client",
    "Gateway",
    "GuardSettings",
    "Health",
    "IbkrError",
    "LimitIfTouchedOrder",
    "LimitOnCloseOrder",
    "LimitOrder",
    "MarketDataUpdate",
    "MarketIfTouchedOrder",
    "MarketOnCloseOrder",
    "MarketOrder",
    "MidpriceOrder",
    "OAuth1a",
    "OAuth2",
    "OAuthFlow",
    "OcaGroup",
    "OrderGuardError",
    "OrderQuestionError",
    "OrderRejectedError",
    "OrderStatus",
    "OrderType",
    "OrderUnknownError",
    "Quote",
    "RelativeOrder",
    "SessionInfo",
    "SessionState",
    "Settings",
    "Side",
    "StopLimitOrder",
    "StopOrder",
    "ThirdPartyClient",
    "TimeInForce",
    "TrailingStopLimitOrder",
    "TrailingStopOrder",
    "UsageError",
    "__version__",
    "is_retryable",
]


# A program logs in one way, and the older API is needed by few: each is imported when it is used.
__getattr__ = importer(
    __name__,
    {
        "ibkr_async.auth": "Gateway OAuth1a OAuth2 OAuthFlow",
        "ibkr_async.thirdparty": "ThirdPartyClient",
    },
)


def __dir__() -> list[str]:
    return __all__
