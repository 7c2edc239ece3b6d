"""Endpoints of the watchlists, public as `ib.watchlists`.

Responsible for building the requests only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async._arguments import checked
from ibkr_async.errors import UsageError
from ibkr_async.models.watchlists import Heading, Watchlist, WatchlistEntry, WatchlistReply
from ibkr_async.resources.base import Resource, pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.resources.base import ReadConids, SendRequest
    from ibkr_async.types import ContractLike


@checked
class Watchlists(Resource):
    """Lists of contracts that are saved for the username, as TWS shows them."""

    def __init__(self, send: SendRequest, *, conids: ReadConids) -> None:
        super().__init__(send)
        self._conids = conids

    async def list(self, *, of_ibkr: bool = False) -> tuple[WatchlistEntry, ...]:
        """List the user's watchlists; with `of_ibkr` also those that IBKR makes.

        Shape: empty when there are none.
        Source: GET /iserver/watchlists, "Get All Watchlists".
        """
        query = () if of_ibkr else pairs(SC="USER_WATCHLIST")
        reply = await self._read(WatchlistReply, "/iserver/watchlists", query)
        return (reply.data and reply.data.user_lists) or ()

    async def get(self, watchlist_id: str | int) -> Watchlist:
        """Read one watchlist.

        Shape: headings and blank rows are among the rows, without a `conid`.
        Source: GET /iserver/watchlist, "Get Watchlist Information".
        """
        return await self._read(Watchlist, "/iserver/watchlist", pairs(id=watchlist_id))

    async def save(
        self, watchlist_id: str | int, name: str, rows: Sequence[ContractLike | Heading]
    ) -> Watchlist:
        """Save a watchlist: contracts, and `Heading("…")` for a heading or, with no text, a blank row.

        There is no way to add a row: read the list, change it, save it. **A list that has this id
        already is overwritten without a question.**
        Shape: the answer has no rows.
        Errors: `UsageError` for an id that is not of digits; those of looking a symbol up.
        Source: POST /iserver/watchlist, "Create a Watchlist".
        """
        if not str(watchlist_id).isdecimal():
            raise UsageError(f"{watchlist_id!r} is not the id of a watchlist; choose one of digits")
        if not isinstance(rows, list | tuple):
            raise UsageError(f"rows={rows!r:.80} are no list of contracts and headings")
        named = [row for row in rows if not isinstance(row, Heading)]
        conids = iter(await self._conids(*named) if named else ())
        body = {
            "id": str(watchlist_id),
            "name": name,
            "rows": [
                {"H": row.text} if isinstance(row, Heading) else {"C": next(conids)} for row in rows
            ],
        }
        return await self._change("POST", Watchlist, "/iserver/watchlist", body=body)

    async def delete(self, watchlist_id: str | int) -> WatchlistReply:
        """Delete a watchlist.

        Shape: IBKR confirms an unknown id as well.
        Source: DELETE /iserver/watchlist, "Delete a Watchlist".
        """
        return await self._change(
            "DELETE", WatchlistReply, "/iserver/watchlist", query=pairs(id=watchlist_id)
        )
