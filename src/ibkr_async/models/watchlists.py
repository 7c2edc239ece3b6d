"""Answers of the watchlists, which are saved for the username.

Responsible for their shapes only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from ibkr_async.models.base import Bool, Int, Model, Str
from ibkr_async.models.times import from_epoch_ms

if TYPE_CHECKING:
    from datetime import datetime


class Heading(msgspec.Struct, frozen=True):
    """A heading in a watchlist that is saved, or a blank row."""

    text: str = ""
    """Its text; empty for a blank row."""


class WatchlistEntry(Model, frozen=True):
    """One list in the list of lists."""

    id: Str = None
    """Id; those of IBKR's own lists may be negative."""
    name: Str = None
    """Name."""
    type: Str = None
    """`watchlist`."""
    modified: Int = None
    """When it was changed, Unix milliseconds; see `modified_at`."""
    is_open: Bool = None
    """It is shown in IBKR's own screens."""
    read_only: Bool = None
    """It cannot be changed."""

    @property
    def modified_at(self) -> datetime | None:
        """When it was changed, as UTC datetime."""
        return from_epoch_ms(self.modified)


class WatchlistRow(Model, frozen=True):
    """One row of a watchlist: a contract, or a heading."""

    sec_type: Str = msgspec.field(default=None, name="ST")
    """Security type."""
    conid_text: Str = msgspec.field(default=None, name="C")
    """Contract id, as text."""
    heading: Str = msgspec.field(default=None, name="H")
    """Text of a heading; None for a contract, and for a blank row."""
    conid: Int = None
    """Contract id; None for a heading and for a blank row."""
    name: Str = None
    """Company or product."""
    full_name: Str = msgspec.field(default=None, name="fullName")
    """Symbol with the terms of a derivative."""
    asset_class: Str = msgspec.field(default=None, name="assetClass")
    """Security type, again."""
    ticker: Str = None
    """Ticker."""
    chinese_name: Str = msgspec.field(default=None, name="chineseName")
    """Name in Chinese."""


class Watchlist(Model, frozen=True):
    """One watchlist. Source: `GET /iserver/watchlist`, `POST /iserver/watchlist`."""

    id: Str = None
    """Id."""
    hash: Str = None
    """IBKR's own mark of its state."""
    name: Str = None
    """Name."""
    read_only: Bool = msgspec.field(default=None, name="readOnly")
    """It cannot be changed."""
    instruments: tuple[WatchlistRow, ...] | None = None
    """Its rows; always empty in the answer to saving it."""


class WatchlistDirectory(Model, frozen=True):
    """What the list of lists holds."""

    scanners_only: Bool = None
    """Only scanners are listed."""
    show_scanners: Bool = None
    """Scanners are listed too."""
    bulk_delete: Bool = None
    """Several can be deleted together."""
    user_lists: tuple[WatchlistEntry, ...] | None = None
    """The lists."""
    deleted: Str = None
    """Id of the list that was deleted."""


class WatchlistReply(Model, frozen=True):
    """The list of lists, or what deleting one returns.

    Source: `GET /iserver/watchlists`, `DELETE /iserver/watchlist`.
    """

    data: WatchlistDirectory | None = None
    """What is in it."""
    action: Str = None
    """`content` or `context`."""
    mid: Any = msgspec.field(default=None, name="MID")
    """IBKR's own number of the answer."""
