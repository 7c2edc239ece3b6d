"""What users iterate over: every kind of feed that a call of the client returns."""

from __future__ import annotations

from ibkr_async.feeds.bars import Bars
from ibkr_async.feeds.catalogue import Streams
from ibkr_async.feeds.feed import Feed, Folded, Steps
from ibkr_async.feeds.ladder import Ladder
from ibkr_async.feeds.quotes import Quotes
from ibkr_async.stream.core.stats import CoreStats
from ibkr_async.stream.delivery.buffer import FeedStats
from ibkr_async.stream.delivery.events import Marker
from ibkr_async.stream.hours import MarketHours
from ibkr_async.stream.wire.topic_row import Policy

__all__ = [
    "Bars",
    "CoreStats",
    "Feed",
    "FeedStats",
    "Folded",
    "Ladder",
    "Marker",
    "MarketHours",
    "Policy",
    "Quotes",
    "Steps",
    "Streams",
]
