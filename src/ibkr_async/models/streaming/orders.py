"""Payloads about orders and executions: `sor` and `str`.

Responsible for their shapes only; `streaming` reads the frames, `orders.tracker` decides what is
true. Prices, quantities and commissions are `Decimal`: they are owed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from ibkr_async.models.base import Bool, Dec, Int, Model, Str, parse_decimal
from ibkr_async.types import AccountId


class Fills(NamedTuple):
    """How much of an order is done, in shares or contracts."""

    filled: Decimal
    remaining: Decimal


class LiveOrderUpdate(Model, rename="camel"):
    """What changed about an order: only the changed fields are sent. Topic `sor`.

    A hint that something happened, never the whole truth: see `GET /iserver/account/orders`.
    """

    acct: Str = None
    """Account id."""
    account: Str = None
    """Account id again; absent in most rows."""
    conidex: Str = None
    """Contract, with its exchange if one was given."""
    conid: Int = None
    """Contract."""
    order_id: Str = None
    """IBKR's number of the order."""
    order_ref: Str = msgspec.field(default=None, name="order_ref")
    """The caller's own reference, the ticket's `cOID`."""
    status: Str = None
    """Status word, such as `Submitted`; see `types.OrderStatus`."""
    order_ccp_status: Str = msgspec.field(default=None, name="order_ccp_status")
    """Status in a second spelling, such as `Pending Submit`."""
    size_and_fills: Str = None
    """Filled and remaining, as in `100/622`, or one number when all is filled; see `fills`."""
    filled_quantity: Dec = None
    """Filled so far, in shares or contracts."""
    remaining_quantity: Dec = None
    """Still open, in shares or contracts."""
    total_size: Dec = None
    """Size of the order, in shares or contracts."""
    avg_price: Dec = None
    """Mean price of the fills, currency of the contract."""
    price: Dec = None
    """Limit price, currency of the contract; None for market orders."""
    side: Str = None
    """`BUY`, `SELL`, or `EXER` for the exercise of an option."""
    order_type: Str = None
    """Type in words, such as `Limit`."""
    orig_order_type: Str = None
    """Type as it was sent, such as `LIMIT`."""
    time_in_force: Str = None
    """How long the order works; a day order may read `CLOSE`."""
    order_desc: Str = None
    """The order in words."""
    ticker: Str = None
    """Symbol."""
    description1: Str = None
    """The contract in words, usually its symbol."""
    description2: Str = None
    """The rest of the contract in words: expiry, strike, right."""
    company_name: Str = None
    """Name of the company."""
    sec_type: Str = None
    """Type of security, such as `STK`."""
    listing_exchange: Str = None
    """Exchange on which it is listed."""
    cash_ccy: Str = None
    """Currency of the contract."""
    last_execution_time: Str = None
    """Last change, `YYMMDDhhmmss` UTC."""
    last_execution_time_ms: Int = msgspec.field(default=None, name="lastExecutionTime_r")
    """The same instant, Unix milliseconds."""
    supports_tax_opt: Bool = None
    """Tax lots can be chosen."""
    is_event_trading: Bool = None
    """An event contract."""
    bg_color: Str = None
    """Background in IBKR's own screens."""
    fg_color: Str = None
    """Foreground in IBKR's own screens."""

    @property
    def account_id(self) -> AccountId | None:
        """The account, whichever key named it."""
        account = self.acct or self.account
        return AccountId(account) if account else None

    @property
    def fills(self) -> Fills | None:
        """`size_and_fills` as numbers; None when it was not sent or is not understood."""
        return parse_fills(self.size_and_fills)

    @property
    def is_marker(self) -> bool:
        """True for a row that names an order and says nothing about it."""
        return (
            self.status is None
            and self.order_desc is None
            and self.size_and_fills is None
            and self.filled_quantity is None
            and self.remaining_quantity is None
        )


class TradeUpdate(Model):
    """An execution. Topic `str`; the rows of `GET /iserver/account/trades` look the same.

    Each one comes at least twice, first without `commission`, and all of them again after every
    subscription: merge them by (`account`, `execution_id`).
    """

    execution_id: Str = None
    """Id of the execution; a correction changes its last group."""
    order_id: Str = None
    """IBKR's number of the order."""
    order_ref: Str = None
    """The caller's own reference, the ticket's `cOID`."""
    account: Str = None
    """Account id."""
    account_code: Str = msgspec.field(default=None, name="accountCode")
    """Account id again."""
    account_allocation_name: Str = None
    """Account or allocation that was filled."""
    conid: Int = None
    """Contract."""
    conid_ex: Str = msgspec.field(default=None, name="conidEx")
    """Contract, with its exchange if one was given."""
    symbol: Str = None
    """Ticker symbol."""
    side: Str = None
    """`B` bought, `S` sold, `N` netting of event contracts."""
    size: Dec = None
    """Quantity, in shares or contracts."""
    price: Dec = None
    """Price, currency of the contract."""
    commission: Dec = None
    """Commission, currency of the contract; None until it is known."""
    net_amount: Dec = None
    """Size times price times multiplier, currency of the contract."""
    position: Dec = None
    """Position after the execution, in shares or contracts."""
    exchange: Str = None
    """Where it was executed."""
    trade_time: Str = None
    """When, `YYYYMMDD-HH:mm:ss` UTC."""
    trade_time_ms: Int = msgspec.field(default=None, name="trade_time_r")
    """The same instant, Unix milliseconds."""
    order_description: Str = None
    """The execution in words."""
    submitter: Str = None
    """Who sent the order."""
    open_close: Str = None
    """Whether it opened or closed a position; `???` when that is not known."""
    company_name: Str = None
    """Name of the company."""
    contract_description_1: Str = None
    """The contract in words, usually its symbol."""
    contract_description_2: Str = None
    """The rest of the contract in words."""
    sec_type: Str = None
    """Type of security, such as `STK`."""
    listing_exchange: Str = None
    """Exchange on which it is listed."""
    clearing_id: Str = None
    """Who clears it."""
    clearing_name: Str = None
    """Who clears it, by name."""
    supports_tax_opt: Bool = None
    """Tax lots can be chosen."""
    liquidation_trade: Bool = None
    """IBKR made it without an order: a position closed by force, but also currency converted by itself."""
    is_event_trading: Bool = None
    """An event contract."""


def parse_fills(text: str | None) -> Fills | None:
    """Read `100/622` (filled, remaining) or `722` (all filled); None when it is neither."""
    filled_text, slash, remaining_text = (text or "").partition("/")
    filled = parse_decimal(filled_text)
    remaining = parse_decimal(remaining_text) if slash else Decimal(0)
    if filled is None or remaining is None:
        return None
    return Fills(filled, remaining)
