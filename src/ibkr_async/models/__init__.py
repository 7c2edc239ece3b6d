"""Every answer, payload and quote: one home for whatever a call or a stream hands out.

Responsible for the names only. All of them are `Fact`s: immutable (but for `MarketDataUpdate`, which
merges), printed by what was said, and written out with `to_dict()` and `to_json()`.
"""

from __future__ import annotations

from ibkr_async.models.accounts import (
    AccountProperties,
    AccountsReply,
    AccountSummary,
    AllowedFeatures,
    CashBalance,
    SwitchReply,
)
from ibkr_async.models.availability import Availability
from ibkr_async.models.base import Model
from ibkr_async.models.contract_rules import ContractRules, IncrementRule
from ibkr_async.models.contracts import (
    BondIssuer,
    ContractInfo,
    ContractSearchResult,
    CurrencyPair,
    DerivativeContract,
    FutureListing,
    OptionStrikes,
    ResolvedContract,
    Section,
    SecurityDefinition,
    SecurityDefinitions,
    StockContract,
    StockListing,
    TradingDay,
    TradingHours,
    TradingSchedule,
)
from ibkr_async.models.fact import Fact
from ibkr_async.models.fields import FIELDS, FIELDS_BY_NAME, QUOTE, Field, Kind
from ibkr_async.models.history import Bar, HistoryReply
from ibkr_async.models.market_data import MarketDataUpdate
from ibkr_async.models.oauth import AccessTokenReply, BearerReply, RequestTokenReply
from ibkr_async.models.order_answers import (
    LegRejected,
    OrderAccepted,
    OrderQuestion,
    OrderRefused,
    PlaceAnswer,
    PromptQuestion,
)
from ibkr_async.models.orders import (
    CancelReply,
    LiveOrder,
    LiveOrders,
    OrderStatusReply,
    SuppressReply,
    Ticket,
    Trade,
    WhatIf,
    WhatIfAmount,
    WhatIfChange,
)
from ibkr_async.models.portfolio import (
    AccountParent,
    InvalidateReply,
    LedgerEntry,
    PartitionedPnl,
    PnlPart,
    PnlRow,
    PortfolioAccount,
    Position,
    SummaryEntry,
)
from ibkr_async.models.quotes import Quote
from ibkr_async.models.scalars import Price
from ibkr_async.models.session import (
    AuthStatusReply,
    BrokerageStatus,
    HistoryFarmStatus,
    LiveSessionTokenReply,
    LogoutReply,
    ServerInfo,
    SsoFeatures,
    SsoValidation,
    TickleReply,
)
from ibkr_async.models.streaming.accounts import LedgerRow, ProfitAndLoss, SummaryRow
from ibkr_async.models.streaming.bars import PriceBar
from ibkr_async.models.streaming.exercise import (
    ExerciseAction,
    ExerciseForm,
    ExercisePrompt,
    ExerciseTerms,
)
from ibkr_async.models.streaming.orders import Fills, LiveOrderUpdate, TradeUpdate
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
    "FIELDS",
    "FIELDS_BY_NAME",
    "QUOTE",
    "AccessTokenReply",
    "AccountParent",
    "AccountProperties",
    "AccountSummary",
    "AccountsMessage",
    "AccountsReply",
    "AllowedFeatures",
    "AuthStatus",
    "AuthStatusReply",
    "Availability",
    "Bar",
    "BarsMessage",
    "BearerReply",
    "BondIssuer",
    "BrokerageStatus",
    "Bulletin",
    "CancelReply",
    "CashBalance",
    "ContractInfo",
    "ContractRules",
    "ContractSearchResult",
    "CurrencyPair",
    "DerivativeContract",
    "ErrorFrame",
    "ExerciseAction",
    "ExerciseForm",
    "ExercisePrompt",
    "ExerciseTerms",
    "Fact",
    "Field",
    "Fills",
    "FutureListing",
    "HistoryFarmStatus",
    "HistoryReply",
    "IncrementRule",
    "InvalidateReply",
    "Kind",
    "LadderRow",
    "LedgerEntry",
    "LedgerRow",
    "LegRejected",
    "LiveOrder",
    "LiveOrderUpdate",
    "LiveOrders",
    "LiveSessionTokenReply",
    "LogoutReply",
    "MarketDataUpdate",
    "Model",
    "Notification",
    "OptionStrikes",
    "OrderAccepted",
    "OrderQuestion",
    "OrderRefused",
    "OrderStatusReply",
    "PartitionedPnl",
    "PlaceAnswer",
    "PlainMessage",
    "PnlPart",
    "PnlRow",
    "PortfolioAccount",
    "Position",
    "Price",
    "PriceBar",
    "PriceLadder",
    "ProfitAndLoss",
    "Prompt",
    "PromptQuestion",
    "Quote",
    "RequestTokenReply",
    "ResolvedContract",
    "Section",
    "SecurityDefinition",
    "SecurityDefinitions",
    "ServerInfo",
    "SsoFeatures",
    "SsoValidation",
    "StockContract",
    "StockListing",
    "SummaryEntry",
    "SummaryRow",
    "SuppressReply",
    "SwitchReply",
    "SystemMessage",
    "TicReply",
    "Ticket",
    "TickleReply",
    "Trade",
    "TradeUpdate",
    "TradingDay",
    "TradingHours",
    "TradingSchedule",
    "WhatIf",
    "WhatIfAmount",
    "WhatIfChange",
]
