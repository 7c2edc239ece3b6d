"""Every answer, payload and quote: one home for whatever a call or a stream hands out.

Responsible for the names only. All of them are `Fact`s: immutable (but for `MarketDataUpdate`, which
merges), printed by what was said, and written out with `to_dict()` and `to_json()`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async._late import importer
from ibkr_async.models.accounts import (
    AccountBalances,
    AccountMargins,
    AccountMarketValue,
    AccountMatch,
    AccountProperties,
    AccountSearch,
    AccountsReply,
    AccountSummary,
    AccountUser,
    AllowedFeatures,
    Applicant,
    AvailableFunds,
    CashBalance,
    Person,
    SignaturesAndOwners,
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
    AllocationSides,
    ComboPosition,
    ComboPositionLeg,
    FreshPosition,
    InvalidateReply,
    LedgerEntry,
    PagePlace,
    PartitionedPnl,
    PnlPart,
    PnlRow,
    PortfolioAccount,
    PortfolioAllocation,
    Position,
    SubaccountPage,
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

if TYPE_CHECKING:
    from ibkr_async.models.alerts import (
        ALERT_KINDS,
        Alert,
        AlertCondition,
        AlertEntry,
        AlertReply,
        AlertTerms,
        Condition,
    )
    from ibkr_async.models.analyst import (
        AccountPerformance,
        AllocationItem,
        AllocationSide,
        AllPeriods,
        AnalystAllocation,
        Performance,
        PerformanceRow,
        PerformanceSeries,
        PeriodPerformance,
        RealizedPnl,
        RealizedRow,
        StartValue,
        Transaction,
        Transactions,
        TypeAllocation,
    )
    from ibkr_async.models.event_contracts import (
        EventCategories,
        EventCategory,
        EventContractDetails,
        EventContractRules,
        EventMarket,
        EventMarketContract,
        EventMarketInfo,
        EventPriceIncrement,
        EventSchedule,
        EventTradingDay,
        EventTradingTime,
    )
    from ibkr_async.models.fyi import (
        DeliveryDevice,
        DeliveryOptions,
        Disclaimer,
        FyiNotification,
        FyiReply,
        FyiSetting,
        NotificationRead,
        NotificationState,
        UnreadNumber,
    )
    from ibkr_async.models.scanner import (
        ScanChoice,
        ScanFilter,
        ScanInstrument,
        ScanLocation,
        ScannerParameters,
        ScannerResult,
        ScannerRow,
        ScanType,
    )
    from ibkr_async.models.watchlists import (
        Heading,
        Watchlist,
        WatchlistDirectory,
        WatchlistEntry,
        WatchlistReply,
        WatchlistRow,
    )

__all__ = [
    "ALERT_KINDS",
    "FIELDS",
    "FIELDS_BY_NAME",
    "QUOTE",
    "AccessTokenReply",
    "AccountBalances",
    "AccountMargins",
    "AccountMarketValue",
    "AccountMatch",
    "AccountParent",
    "AccountPerformance",
    "AccountProperties",
    "AccountSearch",
    "AccountSummary",
    "AccountUser",
    "AccountsMessage",
    "AccountsReply",
    "Alert",
    "AlertCondition",
    "AlertEntry",
    "AlertReply",
    "AlertTerms",
    "AllPeriods",
    "AllocationItem",
    "AllocationSide",
    "AllocationSides",
    "AllowedFeatures",
    "AnalystAllocation",
    "Applicant",
    "AuthStatus",
    "AuthStatusReply",
    "Availability",
    "AvailableFunds",
    "Bar",
    "BarsMessage",
    "BearerReply",
    "BondIssuer",
    "BrokerageStatus",
    "Bulletin",
    "CancelReply",
    "CashBalance",
    "ComboPosition",
    "ComboPositionLeg",
    "Condition",
    "ContractInfo",
    "ContractRules",
    "ContractSearchResult",
    "CurrencyPair",
    "DeliveryDevice",
    "DeliveryOptions",
    "DerivativeContract",
    "Disclaimer",
    "ErrorFrame",
    "EventCategories",
    "EventCategory",
    "EventContractDetails",
    "EventContractRules",
    "EventMarket",
    "EventMarketContract",
    "EventMarketInfo",
    "EventPriceIncrement",
    "EventSchedule",
    "EventTradingDay",
    "EventTradingTime",
    "ExerciseAction",
    "ExerciseForm",
    "ExercisePrompt",
    "ExerciseTerms",
    "Fact",
    "Field",
    "Fills",
    "FreshPosition",
    "FutureListing",
    "FyiNotification",
    "FyiReply",
    "FyiSetting",
    "Heading",
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
    "NotificationRead",
    "NotificationState",
    "OptionStrikes",
    "OrderAccepted",
    "OrderQuestion",
    "OrderRefused",
    "OrderStatusReply",
    "PagePlace",
    "PartitionedPnl",
    "Performance",
    "PerformanceRow",
    "PerformanceSeries",
    "PeriodPerformance",
    "Person",
    "PlaceAnswer",
    "PlainMessage",
    "PnlPart",
    "PnlRow",
    "PortfolioAccount",
    "PortfolioAllocation",
    "Position",
    "Price",
    "PriceBar",
    "PriceLadder",
    "ProfitAndLoss",
    "Prompt",
    "PromptQuestion",
    "Quote",
    "RealizedPnl",
    "RealizedRow",
    "RequestTokenReply",
    "ResolvedContract",
    "ScanChoice",
    "ScanFilter",
    "ScanInstrument",
    "ScanLocation",
    "ScanType",
    "ScannerParameters",
    "ScannerResult",
    "ScannerRow",
    "Section",
    "SecurityDefinition",
    "SecurityDefinitions",
    "ServerInfo",
    "SignaturesAndOwners",
    "SsoFeatures",
    "SsoValidation",
    "StartValue",
    "StockContract",
    "StockListing",
    "SubaccountPage",
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
    "Transaction",
    "Transactions",
    "TypeAllocation",
    "UnreadNumber",
    "Watchlist",
    "WatchlistDirectory",
    "WatchlistEntry",
    "WatchlistReply",
    "WatchlistRow",
    "WhatIf",
    "WhatIfAmount",
    "WhatIfChange",
]

# What few programs use is imported when it is used.
__getattr__ = importer(
    __name__,
    {
        "ibkr_async.models.analyst": (
            "StartValue PerformanceRow PerformanceSeries Performance PeriodPerformance AccountPerformance AllPeriods Transaction RealizedRow RealizedPnl Transactions AllocationItem AllocationSide TypeAllocation AnalystAllocation"
        ),
        "ibkr_async.models.scanner": (
            "ScanType ScanInstrument ScanChoice ScanFilter ScanLocation ScannerParameters ScannerRow ScannerResult"
        ),
        "ibkr_async.models.watchlists": (
            "Heading WatchlistEntry WatchlistRow Watchlist WatchlistDirectory WatchlistReply"
        ),
        "ibkr_async.models.alerts": (
            "AlertEntry AlertCondition Alert AlertReply Condition AlertTerms ALERT_KINDS"
        ),
        "ibkr_async.models.fyi": (
            "UnreadNumber FyiSetting FyiReply NotificationState NotificationRead Disclaimer DeliveryDevice DeliveryOptions FyiNotification"
        ),
        "ibkr_async.models.event_contracts": (
            "EventMarket EventCategory EventCategories EventMarketContract EventMarketInfo EventContractDetails EventPriceIncrement EventContractRules EventTradingTime EventTradingDay EventSchedule"
        ),
    },
)


def __dir__() -> list[str]:
    return __all__
