"""The feeds that a user can subscribe to: `ib.stream.market_data(...)` and its siblings.

Responsible for collecting them in one class; the feeds themselves are in the modules named below.
"""

from __future__ import annotations

from ibkr_async.feeds._account_feeds import AccountFeeds
from ibkr_async.feeds._notice_feeds import Notice, NoticeFeeds
from ibkr_async.feeds._price_feeds import PriceFeeds

__all__ = ["Feeds", "Notice"]


class Feeds(PriceFeeds, AccountFeeds, NoticeFeeds):
    """Makes subscriptions.

    Every feed takes these keywords too: `buffer` is how many messages may wait for a slow consumer, `policy` what happens then:
    `conflate`, `fail`, `latest` or `drop_oldest` (see `ibkr_async.feeds.buffer`). `markers=True`
    interleaves `Gap`, `Resumed` and their like with the data.
    Errors of every feed: `UsageError`, at once, for what cannot be asked.
    """
