"""The Flex Web Service: reports of one's own account, without a brokerage session.

The token and the queries are made in Client Portal, under *Flex Queries*.
"""

from __future__ import annotations

from ibkr_async.flex.client import FLEX_URL, FlexClient, FlexTicket
from ibkr_async.flex.report import FlexReport, FlexRow

__all__ = ["FLEX_URL", "FlexClient", "FlexReport", "FlexRow", "FlexTicket"]
