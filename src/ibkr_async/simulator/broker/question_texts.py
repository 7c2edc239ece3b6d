"""What IBKR asks about orders: the words and the choices, by message id. Pure.

Responsible for the texts alone. Programs match questions by their words, so these are IBKR's own as far
as they are known, and never ours. It must never decide which question is asked.

Where they are from: o163 and o354 are the documentation's examples and were recorded with `Yes` and `No`;
o383, o403, o451, o10138, o10164, o10223, o10331, p6 and p12 stand in IBKR's lists of message ids; o10153
was recorded with the choices `Decline` and `Accept and Continue`, in this order. Of o382, o10151 and
o10152 only the words by which other clients know them are public. That the other questions with a
heading have the choices of o10153 is one user's remark. The remaining ids are only described.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_SURE = "\nAre you sure you want to submit this order?"
_ORDER = 'The following order "{order}" '

QUESTION_TEXTS: Final[Mapping[str, str]] = MappingProxyType({
    "o163": f"{_ORDER}price exceeds \nthe Percentage constraint of {{percent}}%.{_SURE}",
    "o354": "You are submitting an order without market data. We strongly recommend against this as it may result in erroneous and unexpected trades." + _SURE,
    "o382": f"{_ORDER}price exceeds \nthe Tick Size Limit of {{ticks}}.{_SURE}",
    "o383": f"{_ORDER}size exceeds the Size Limit of {{size_limit}}.{_SURE}",
    "o403": "This order will most likely trigger and fill immediately." + _SURE,
    "o451": f"{_ORDER}value estimate of {{value}} {{currency}} exceeds \nthe Total Value Limit of {{value_limit}} USD.{_SURE}",
    "o2136": "Mixed allocation order warning",
    "o2137": "Cross side order warning",
    "o2165": "Warns that instrument does not support trading in fractions outside regular trading hours",
    "o10082": "Called Bond warning",
    "o10138": f"{_ORDER}size modification exceeds the size modification limit.{_SURE}",
    "o10151": "<h4>Market Order Confirmation</h4>A Market Order is an instruction to trade your order at any available price.",
    "o10152": '<h4>Stop Variant Order Confirmation</h4>A Stop Order - i.e. a Stop (Market) Order - is an instruction to buy or sell at the market price once your trigger ("stop") price is reached.',
    "o10153": "<h4>Confirm Mandatory Cap Price</h4>To avoid trading at a price that is not consistent with a fair and orderly market, IB may set a cap (for a buy order) or floor (for a sell order). THIS MAY CAUSE AN ORDER THAT WOULD OTHERWISE BE MARKETABLE NOT TO BE TRADED.",
    "o10164": "Traders are responsible for understanding cash quantity details, which are provided on a best efforts basis only.",
    "o10223": "<h4>Cash Quantity Order Confirmation</h4>Orders that express size using a monetary value (cash quantity) are provided on a non-guaranteed basis. The system simulates the order by cancelling it once the specified amount is spent (for buy orders) or collected (for sell orders). In addition to the monetary value, the order uses a maximum size that is calculated using the Cash Quantity Estimate Factor, which you can modify in Presets.",
    "o10288": "Warns about risks associated with market orders for Crypto",
    "o10331": "You are about to submit a stop order. Please be aware of the various stop order types available and the risks associated with each one." + _SURE,
    "o10332": "OSL Digital Securities LTD Crypto Order Warning",
    "o10333": "Option Exercise at the Money warning",
    "o10334": "Warns that order will be placed into current omnibus account instead of currently selected global account.",
    "o10335": "Serves internal Rapid Entry window.",
    "p6": "This order will be distributed over multiple accounts. We strongly suggest you familiarize yourself with our allocation facilities before submitting orders.",
    "p12": "If your order is not immediately executable, our systems may, depending on market conditions, reject your order if its limit price is more than the allowed amount away from the reference price at that time. If this happens, you will not receive a fill. This is a control designed to ensure that we comply with our regulatory obligations to avoid submitting disruptive orders to the marketplace.\nUse the Price Management Algo?",
})  # fmt: skip
"""Texts with the names in braces that `Dialogue.facts` fills in."""

_YES_OR_NO = ("Yes", "No")
_WITH_A_HEADING = ("Decline", "Accept and Continue")


def options_of(text: str) -> tuple[str, ...]:
    """Return the choices that come with a question. The consenting one is not always the first."""
    return _WITH_A_HEADING if text.startswith("<h4>") else _YES_OR_NO
