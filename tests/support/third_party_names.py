"""Every name of the Third-Party Web API v1 reference, as a list of our own.

The reference's text is not part of the project; `test_docs_table` compares this list with it where
it is at hand, and the table in `docs/third-party.md` with this list everywhere.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Endpoint(NamedTuple):
    """What the reference says about one endpoint."""

    parameters: str
    """Names, separated by `|` because some have spaces."""
    fields: str
    """Names of the response, nested ones with their parent: `Bid.price`."""
    statuses: str
    """Codes, the successful one first."""


_SIGNED: Final = (
    "oauth_consumer_key|oauth_signature_method|oauth_signature|oauth_timestamp|oauth_nonce"
)
_OAUTH: Final = "200 400 401 403 408"
_READ: Final = "200 202 204 400 401 403 408"
_WRITE: Final = "200 202 204 400 401 403 408 423"
_CONTRACT: Final = "Ticker|ListingExchange|Currency|InstrumentType|ContractId"
_TERMS: Final = "CustomerOrderId|Quantity|Price|Order Type|Aux Price|Time In Force|Side"
_DECLARED: Final = (
    "Outside RTH|GermanHftAlgo|Mifid2DecisionMaker|Mifid2Algo|Mifid2ExecutionTrader|"
    "Mifid2ExecutionAlgo|UsePricemanagementAlgo"
)
_ORDER: Final = (
    "CustomerOrderId|ContractId|Ticker|ListingExchange|RemainingQuantity|FilledQuantity|OrderType|"
    "TimeInForce|OutsideRTH|Side|Price|Status|Warning|TransactionTime"
)

ENDPOINTS: Final = {
    "POST /oauth/request_token": Endpoint(f"{_SIGNED}|oauth_callback", "oauth_token", _OAUTH),
    "POST /oauth/access_token": Endpoint(
        f"{_SIGNED}|oauth_token|oauth_verifier", "oauth_token|oauth_token_secret", _OAUTH
    ),
    "POST /oauth/live_session_token": Endpoint(
        f"{_SIGNED}|oauth_token|diffie_hellman_challenge",
        "diffie_hellman_response|live_session_token_signature",
        _OAUTH,
    ),
    "GET /accounts": Endpoint("", "accounts", "200 202 204 401 403 408"),
    "GET /accounts/{account}/positions": Endpoint(
        "account", "Position|AverageCost|ContractId", _READ
    ),
    "GET /accounts/{account}/summary": Endpoint("account", "Info|Ledger|Summary", _READ),
    "GET /accounts/{account}/orders": Endpoint("account", _ORDER, _READ),
    "POST /accounts/{account}/orders": Endpoint(
        f"account|{_CONTRACT}|{_TERMS}|{_DECLARED}|OrderRestrictions", _ORDER, _WRITE
    ),
    "GET /accounts/{account}/orders/CUST_ORDER_ID": Endpoint(
        "account|CustomerOrderId", _ORDER, _READ
    ),
    "DELETE /accounts/{account}/orders/CUST_ORDER_ID": Endpoint(
        "account|CustomerOrderId",
        "CustomerOrderId|Symbol|OrderQty|Price|Side|Status|Warning|OrderType",
        _WRITE,
    ),
    "PUT /accounts/{account}/orders/CUST_ORDER_ID": Endpoint(
        f"account|OrigCustomerOrderId|{_TERMS}|{_DECLARED}",
        "OrigCustomerOrderId|CustomerOrderId|OrderQty|Price|Side|Status|Warning|OrderType",
        _WRITE,
    ),
    "POST /accounts/{account}/order_impact": Endpoint(
        f"account|{_CONTRACT}|{_TERMS}",
        "EquityWithLoan|InitMargin|InitMarginBefore|MaintMargin|MaintMarginBefore|MarginCurrency|"
        "Commission|MinCommissions|MaxCommissions|CommissionsCurrency",
        _READ,
    ),
    "GET /accounts/{account}/trades": Endpoint(
        "account|since",
        "CustomerOrderId|ContractId|OrderId|Ticker|ListingExchange|Currency|Side|OrderType|"
        "FilledQuantity|RemainingQuantity|Quantity|TradePrice|TradeSize|AvgPrice|ExecutionTime|"
        "ExecId|Commission|CommissionCurrency|LastMarket",
        _READ,
    ),
    "GET /secdef": Endpoint(
        "conid|type|symbol|exchange|currency",
        "ContractId|Ticker|SecurityType|Exchange|CompanyName|Currency",
        "200 202 400 401 403 408",
    ),
    "GET /marketdata/snapshot": Endpoint(
        "conids|type|symbol|exchange|currency",
        "Conid|Temporality|Complete|Trade|Trade.market|Trade.price|Trade.size|Trade.time|Closing|"
        "Closing.price|Bid|Bid.market|Bid.price|Bid.size|Offer|Offer.market|Offer.price|Offer.size",
        _OAUTH,
    ),
    "GET /marketdata/exchange_components": Endpoint(
        "conids", "Conid|Complete|mapping|mapping.bit|mapping.code|mapping.exchange", _OAUTH
    ),
}

_FIX_STATUS: Final = "New=0 PartiallyFilled=1 Filled=2 DoneForTheDay=3 Canceled=4 Replaced=5"
ENUMS: Final = {
    "Order Status": (
        f"InvalidOrderStatus=-1 {_FIX_STATUS} PendingCancelReplace=6 Stopped=7 Rejected=8 "
        "Suspended=9 PendingNew=A Calculated=B Expired=C AcceptedForBidding=D PendingReplace=E"
    ),
    "FIX Order Type": "Market=1 Limit=2 Stop=3 StopLimit=4",
    "FIX Side": "Buy=1 Sell=2",
    "FIX TIF": "Day=0 GTC=1 IOC=3 Open=2 Close=7",
    "Execution Type": (
        "Invalid=-1 New=0 PartialFill=1 Fill=2 DoneForDay=3 ETCanceled=4 Replace=5 "
        "PendingCancel=6 Stopped=7 Rejected=8 Suspended=9 PendingNew=A Calculated=B Expired=C "
        "Restated=D PendingReplace=E Trade=F TradeCorrect=G TradeCancel=H OrderStatus=I"
    ),
}
"""Names and codes, without spaces."""

EXCHANGES: Final = {
    "American Stock Exchange": "AMEX",
    "Bulletin Board": "ARCAEDGE",
    "New York Stock Exchange": "NYSE",
    "NASDAQ": "ISLAND",
    "Pink Sheets": "ARCAEDGE",
    "OTCQB": "ARCAEDGE",
    "OTCQX": "ARCAEDGE",
    "Toronto Exchange": "TSE",
    "Venture Exchange": "VENTURE",
    "NEX": "AEQNEO",
}
WORDED: Final = {
    "OrderRestrictions": {
        "1": "Program Trade",
        "2": "Index Arbitrage",
        "3": "Non-Index Arbitrage",
    },
    "Temporality": {"0": "Real time data", "1": "Delayed data"},
    "Instrument Type": {"STK": "Stocks", "CASH": "FX"},
}
"""Sets whose codes have a description instead of a name."""


def rows() -> set[tuple[str, str, str]]:
    """Give each name as the table has it: kind, what it belongs to, the name."""
    found: set[tuple[str, str, str]] = set()
    for endpoint, names in ENDPOINTS.items():
        found.add(("endpoint", endpoint, endpoint))
        found |= {("parameter", endpoint, name) for name in names.parameters.split("|") if name}
        found |= {("field", endpoint, name) for name in names.fields.split("|")}
        found |= {("status", endpoint, status) for status in names.statuses.split()}
    for model, values in ENUMS.items():
        found |= {("value", model, value.replace("=", " = ")) for value in values.split()}
    for model, codes in WORDED.items():
        found |= {("value", model, f"{words} = {code}") for code, words in codes.items()}
    found |= {("value", "Exchanges", f"{name} = {code}") for name, code in EXCHANGES.items()}
    return found
