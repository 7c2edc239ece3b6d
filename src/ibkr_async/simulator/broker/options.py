"""What an option is worth, and how that changes: the formula of Black and Scholes. Pure.

Responsible for value, implied volatility and greeks, so that a chain of many strikes and months hangs
together and with its underlying. Without interest and dividends; the smile is invented. It must never
know a market.
"""

from __future__ import annotations

import math
from typing import NamedTuple

VOLATILITY = 0.27
"""Implied volatility at the money, a year."""
_SMILE = 0.6
_A_MONTH = 1 / 12
_LEAST_YEARS = 1 / 730
_DAYS = 365


class Greeks(NamedTuple):
    """How an option's value changes."""

    delta: float
    """With a unit of the underlying."""
    gamma: float
    """Of delta, with a unit of the underlying."""
    vega: float
    """With a percent point of volatility."""
    theta: float
    """With a day; negative."""


def implied_volatility(spot: float, strike: float) -> float:
    """Return the volatility of a strike, as a ratio: the further from the market the higher."""
    return VOLATILITY + _SMILE * math.log(strike / spot) ** 2


def option_value(spot: float, strike: float, right: str, years: float = _A_MONTH) -> float:
    """Return the value of a European option."""
    upper, lower = _distances(spot, strike, years)
    if right == "C":
        return spot * _normal(upper) - strike * _normal(lower)
    return strike * _normal(-lower) - spot * _normal(-upper)


def greeks(spot: float, strike: float, right: str, years: float) -> Greeks:
    """Return how the value changes."""
    years = max(years, _LEAST_YEARS)
    sigma = implied_volatility(spot, strike)
    upper, _ = _distances(spot, strike, years)
    density = math.exp(-upper * upper / 2) / math.sqrt(math.tau)
    return Greeks(
        delta=_normal(upper) - (right != "C"),
        gamma=density / (spot * sigma * math.sqrt(years)),
        vega=spot * density * math.sqrt(years) / 100,
        theta=-spot * density * sigma / (2 * math.sqrt(years)) / _DAYS,
    )


def years_between(days: int) -> float:
    """Return the years that so many calendar days are; half a day at the least."""
    return max(days / _DAYS, _LEAST_YEARS)


def _distances(spot: float, strike: float, years: float) -> tuple[float, float]:
    spread = implied_volatility(spot, strike) * math.sqrt(max(years, _LEAST_YEARS))
    upper = math.log(spot / strike) / spread + spread / 2
    return upper, upper - spread


def _normal(value: float) -> float:
    """Return the share of a normal distribution below a value."""
    return (1 + math.erf(value / math.sqrt(2))) / 2
