"""Instruments in the several spellings of IBKR's contract endpoints.

Responsible for the keys and number forms of each spelling. It must never search or refuse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibkr_async.simulator.broker.instruments import Instrument


def definition(instrument: Instrument) -> dict[str, Any]:
    """Return an instrument as `/trsrv/secdef` and full portfolio rows describe it."""
    expiry = instrument.expiry.strftime("%Y%m%d") if instrument.expiry else None
    return {
        "conid": instrument.conid,
        "currency": instrument.currency,
        "name": instrument.company,
        "assetClass": instrument.sec_type,
        "expiry": expiry,
        "lastTradingDay": expiry,
        "group": instrument.category or None,
        "putOrCall": instrument.right or None,
        "sector": instrument.industry or None,
        "sectorGroup": instrument.category or None,
        "strike": str(instrument.strike or 0),
        "ticker": instrument.symbol,
        "undConid": instrument.underlying,
        "multiplier": 0.0 if instrument.multiplier == 1 else float(instrument.multiplier),
        "type": instrument.kind if instrument.sec_type == "STK" else "",
        "hasOptions": bool(instrument.option_months),
        "fullName": instrument.description,
        "isUS": instrument.is_us,
        "isEventContract": False,
        "listingExchange": instrument.exchange,
        "countryCode": instrument.country,
    }


def listings(stocks: Iterable[Instrument]) -> list[dict[str, Any]]:
    """Return listings grouped by company, as `/trsrv/stocks` shows them."""
    companies: dict[str, list[dict[str, Any]]] = {}
    for stock in stocks:
        companies.setdefault(stock.company, []).append(
            {
                "conid": stock.conid,
                "exchange": stock.exchange,
                "isUS": stock.is_us,
            }
        )
    return [
        {"name": company, "chineseName": None, "assetClass": "STK", "contracts": contracts}
        for company, contracts in companies.items()
    ]


def future(contract: Instrument) -> dict[str, Any]:
    """Return a future as `/trsrv/futures` shows it: dates are integers."""
    expiry = int(contract.expiry.strftime("%Y%m%d")) if contract.expiry else 0
    return {
        "symbol": contract.symbol,
        "conid": contract.conid,
        "underlyingConid": contract.underlying,
        "expirationDate": expiry,
        "ltd": expiry,
        "shortFuturesCutOff": expiry,
        "longFuturesCutOff": expiry,
    }


def chain_row(contract: Instrument) -> dict[str, Any]:
    """Return a derivative as `/iserver/secdef/info` shows it: `strike` is a number."""
    expiry = contract.expiry.strftime("%Y%m%d") if contract.expiry else ""
    return {
        "conid": contract.conid,
        "symbol": contract.symbol,
        "secType": contract.sec_type,
        "exchange": contract.exchange,
        "listingExchange": None,
        "right": contract.right or "?",
        "strike": float(contract.strike or 0),
        "currency": contract.currency,
        "cusip": None,
        "coupon": "No Coupon",
        "desc1": contract.symbol,
        "desc2": contract.description.removeprefix(contract.symbol).strip(),
        "maturityDate": expiry,
        "multiplier": str(contract.multiplier),
        "tradingClass": contract.symbol,
        "validExchanges": contract.routes,
    }


def contract_facts(instrument: Instrument) -> dict[str, Any]:
    """Return a contract as `/iserver/contract/{conid}/info` shows it, in snake case."""
    expiry = instrument.expiry.strftime("%Y%m%d") if instrument.expiry else None
    return {
        "cfi_code": "",
        "symbol": instrument.symbol,
        "cusip": None,
        "expiry_full": expiry[:6] if expiry else None,
        "con_id": instrument.conid,
        "maturity_date": expiry,
        "industry": instrument.industry,
        "instrument_type": instrument.sec_type,
        "has_related_contracts": bool(instrument.option_months or instrument.future_months),
        "trading_class": "NMS" if instrument.listing == "NASDAQ.NMS" else instrument.symbol,
        "valid_exchanges": instrument.routes,
        "allow_sell_long": False,
        "is_zero_commission_security": False,
        "local_symbol": instrument.description,
        "contract_clarification_type": None,
        "classifier": None,
        "currency": instrument.currency,
        "text": None,
        "underlying_con_id": instrument.underlying,
        "r_t_h": True,
        "multiplier": None if instrument.multiplier == 1 else str(instrument.multiplier),
        "underlying_issuer": None,
        "contract_month": expiry[:6] if expiry else None,
        "company_name": instrument.company,
        "smart_available": instrument.routes.startswith("SMART"),
        "exchange": "SMART" if instrument.routes.startswith("SMART") else instrument.exchange,
        "category": instrument.category,
    }
