"""`ThirdPartyClient`: the Third-Party Web API v1, endpoint by endpoint.

Responsible for the list of endpoints and their parameters. There is no brokerage session, no
socket and no task here: a call goes out, its answer comes back. It must never repeat an order call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, TypeVar

from ibkr_async._arguments import checked
from ibkr_async.auth.flow import THIRD_PARTY_URL
from ibkr_async.errors import (
    ClosedError,
    ConfigError,
    NotFoundError,
    UnreadableResponseError,
    UsageError,
)
from ibkr_async.models.base import convert
from ibkr_async.orders.send.permission import Permission
from ibkr_async.orders.settings import GuardSettings
from ibkr_async.orders.write.rules import read_conid
from ibkr_async.resources.base import check_conids, pairs
from ibkr_async.rest.pipeline import RestPipeline
from ibkr_async.rest.settings import RestSettings
from ibkr_async.rest.transport import HttpxTransport
from ibkr_async.thirdparty.answers import (
    AccountList,
    CancelAnswer,
    ModifyAnswer,
    OrderImpact,
    ThirdPartyOrderState,
    ThirdPartyPosition,
    ThirdPartySecurityDefinition,
    ThirdPartyTrade,
    read_rows,
)
from ibkr_async.thirdparty.market import (
    ExchangeComponents,
    Snapshot,
    ThirdPartyQuote,
    bits_of,
    masks_of,
    to_quote,
)
from ibkr_async.thirdparty.orders import rules, values
from ibkr_async.thirdparty.orders.calls import OrderCalls
from ibkr_async.thirdparty.orders.changes import replacement
from ibkr_async.thirdparty.orders.ids import CustomerOrderIds
from ibkr_async.thirdparty.orders.requests import OrderChange, ThirdPartyOrder
from ibkr_async.thirdparty.sending import ORDER, ORDERS, Calls, understood
from ibkr_async.thirdparty.since import since_text
from ibkr_async.thirdparty.statuses import ThirdPartyRetry
from ibkr_async.thirdparty.summary import ThirdPartyAccountSummary, read_summary
from ibkr_async.types import AccountId
from ibkr_async.world import World

if TYPE_CHECKING:
    from datetime import date, datetime
    from types import TracebackType

    from ibkr_async.ports import Auth, Transport
    from ibkr_async.rest.request import RestRequest

T = TypeVar("T")

_PAPER_PREFIX = "D"


@checked
class ThirdPartyClient:
    """The Third-Party Web API v1 behind one object.

    `auth` is an `OAuth1a` whose `base_url` is this API's root too, because the live session token
    is agreed below it. `form_bodies` sends order fields as a signed form instead of JSON: IBKR's
    descriptions disagree about which it is. Orders on an account that is not paper need
    `allow_live_orders=True`. `guard` sets limits as for `Client`; of a ticker no conid is known and of no
    order its value, so what cannot be judged by them is refused. With `dry_run` no order, change or
    cancel is sent: ask for the `order_impact`. `transport` stands in for the real one in tests.

    Errors on entering: `ConfigError` for the wrong root or keys, `AuthError`, `TransportError`.
    Of every call: `NotReadyError` (202), `AccountsNotVisibleError` (204), `BadRequestError` (400),
    `UnauthorizedError` (401), `ForbiddenError` (403), `ServerTimedOutError` (408), `LockedError`
    (423), `RateLimitedError` (429), `ServerError`, `TransportError`. Reads are repeated after 202
    and 408 first.
    Concurrency: any number of calls, from any task of one event loop.
    Source: Third-Party Web API v1 reference; `docs/third-party.md` lists every name of it.
    """

    def __init__(
        self,
        auth: Auth,
        *,
        base_url: str = THIRD_PARTY_URL,
        form_bodies: bool = False,
        # permission
        allow_live_orders: bool = False,
        dry_run: bool = False,
        guard: GuardSettings = GuardSettings(),  # noqa: B008 - frozen
        # time limits, seconds
        look_timeout_s: float = 20.0,
        # surroundings
        world: World | None = None,
        transport: Transport | None = None,
    ) -> None:
        if auth.base_url != base_url.rstrip("/"):
            raise ConfigError(
                f"the credentials log in below {auth.base_url}, this client calls {base_url}: give "
                "both the same root, as in OAuth1a(..., base_url=THIRD_PARTY_URL)"
            )
        world = world or World()
        self._clock = world.clock
        self._pipeline = RestPipeline(
            auth,
            transport or HttpxTransport(auth.ssl_context, world=world),
            settings=RestSettings(retry=ThirdPartyRetry()),
            world=world,
        )
        self._calls = Calls(self._send, form_bodies=form_bodies)
        permission = Permission(
            guard,
            allow_live_orders=allow_live_orders,
            dry_run=dry_run,
            is_paper=_is_paper,
            world=world,
        )
        self._order_calls = OrderCalls(self._calls, permission, look_timeout_s=look_timeout_s)
        self._new_id = CustomerOrderIds(world)
        self._components: dict[int, ExchangeComponents] = {}
        self._is_open = False

    # --- lifetime --------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            await self._pipeline.log_in()
        except BaseException:
            await self.aclose()
            raise
        self._is_open = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. Idempotent. Orders stay as they are."""
        self._is_open = False
        await self._pipeline.aclose()

    # --- accounts --------------------------------------------------------------------------------

    async def accounts(self) -> tuple[AccountId, ...]:
        """List the accounts of the session.

        Errors: `AccountsNotVisibleError` before the first nightly refresh.
        Source: GET /accounts.
        """
        wire = await self._calls.read("/accounts")
        found: AccountList = understood("GET /accounts", lambda: convert(AccountList, wire))
        return tuple(AccountId(account) for account in found.accounts)

    async def positions(self, account: str) -> tuple[ThirdPartyPosition, ...]:
        """List the positions of an account. Source: GET /accounts/{account}/positions."""
        return await self._calls.read_rows(
            ThirdPartyPosition, "/accounts/{account}/positions", account=account
        )

    async def summary(self, account: str) -> ThirdPartyAccountSummary:
        """Read balances and margins of an account. Source: GET /accounts/{account}/summary."""
        path = "/accounts/{account}/summary"
        wire = await self._calls.read(path, account=account)
        return understood(f"GET {path}", lambda: read_summary(wire))

    async def trades(
        self, account: str, since: str | date | datetime | None = None
    ) -> tuple[ThirdPartyTrade, ...]:
        """List the trades of an account since a time, or of the last 24 hours.

        `since` is `yyyy-MM-dd` (midnight) or `yyyy-MM-dd'T'HH:mm:ss` in UTC, a `date`, or a
        `datetime`: with a time zone it is converted to UTC, without one it is taken as UTC.
        Errors: `UsageError` for another format, the future, or more than a week ago.
        Source: GET /accounts/{account}/trades.
        """
        query = () if since is None else pairs(since=since_text(since, self._clock.wall()))
        return await self._calls.read_rows(
            ThirdPartyTrade, "/accounts/{account}/trades", query, account=account
        )

    # --- orders ----------------------------------------------------------------------------------

    async def orders(self, account: str) -> tuple[ThirdPartyOrderState, ...]:
        """List the orders of an account. Source: GET /accounts/{account}/orders."""
        return await self._calls.read_rows(ThirdPartyOrderState, ORDERS, account=account)

    async def order(self, account: str, customer_order_id: str | int) -> ThirdPartyOrderState:
        """Read one order.

        Errors: `NotFoundError` when the answer is empty; `UnreadableResponseError` when it is about
        others; `BadRequestError` as the server pleases.
        Source: GET /accounts/{account}/orders/CUST_ORDER_ID.
        """
        wanted = values.read_customer_order_id("customer_order_id", customer_order_id)
        rows = await self._calls.read_rows(
            ThirdPartyOrderState, ORDER, account=account, customer_order_id=wanted
        )
        label = f"GET /accounts/{account}/orders/{wanted}"
        if not rows:
            raise NotFoundError(label, 200, "no such order")
        for row in rows:
            if row.customer_order_id == wanted:
                return row
        raise UnreadableResponseError(label, 200, "the answer does not name the order")

    async def find_order(
        self, account: str, customer_order_id: str | int
    ) -> ThirdPartyOrderState | None:
        """Look for an order in the list of all, which works whatever a server says of unknown ids.

        Shape: None when the list does not have it; right after an unknown outcome that proves
        nothing yet. Then look at `trades` too.
        Source: GET /accounts/{account}/orders.
        """
        wanted = values.read_customer_order_id("customer_order_id", customer_order_id)
        rows = await self.orders(account)
        return next((row for row in rows if row.customer_order_id == wanted), None)

    async def place_order(self, account: str, order: ThirdPartyOrder) -> ThirdPartyOrderState:
        """Place an order, once.

        Shape: the order as IBKR shows it, with the `customer_order_id` to use from now on.
        Errors: `OrderInvalidError` and `OrderGuardError` before anything is sent;
        `OrderRejectedError` when IBKR refuses it; `OrderUnknownError` when it may be live, raised
        after one look for it; those of the class for a call that was refused unseen.
        Source: POST /accounts/{account}/orders.
        Cancellation: does not take back what was sent; a warning is logged.
        """
        _check_type("place_order", order, ThirdPartyOrder)
        customer_order_id = self._id_of(order)
        body = order.wire(customer_order_id)
        return await self._order_calls.place(account, customer_order_id, body)

    async def modify_order(
        self, account: str, original: ThirdPartyOrderState | ThirdPartyOrder, change: OrderChange
    ) -> ModifyAnswer:
        """Change an open order, once. It gets a new CustomerOrderId.

        `original` is what `place_order`, `order` or `orders` returned (or the `ThirdPartyOrder` itself, with
        its id): the new terms are compared with it, and terms that do not change are repeated.
        Shape, errors, cancellation: as `place_order`; the order's id is the *new* one.
        Source: PUT /accounts/{account}/orders/CUST_ORDER_ID.
        """
        _check_type("modify_order", original, ThirdPartyOrder, ThirdPartyOrderState)
        _check_type("modify_order", change, OrderChange)
        new_terms = replacement(original, change, self._new_id())
        return await self._order_calls.modify(account, new_terms, original.contract_id)

    async def cancel_order(self, account: str, customer_order_id: str | int) -> CancelAnswer:
        """Ask IBKR to cancel an order, ahead of all other requests.

        Shape: an acknowledgement; the order may fill until its status is `CANCELED`.
        Errors: `BadRequestError` when there is no such order or it is done; `OrderUnknownError`
        when the cancel may or may not have arrived, after one look at the order.
        Source: DELETE /accounts/{account}/orders/CUST_ORDER_ID.
        """
        wanted = values.read_customer_order_id("customer_order_id", customer_order_id)
        return await self._order_calls.cancel(account, wanted)

    async def order_impact(self, account: str, order: ThirdPartyOrder) -> OrderImpact:
        """Ask what an order would change: margin, equity, commission. Nothing is placed.

        Source: POST /accounts/{account}/order_impact.
        """
        _check_type("order_impact", order, ThirdPartyOrder)
        path = "/accounts/{account}/order_impact"
        body = order.impact_wire(self._id_of(order))
        wire = await self._calls.ask(path, body, account=account)
        return understood(f"POST {path}", lambda: _single(OrderImpact, wire))

    # --- products and prices ---------------------------------------------------------------------

    async def secdef(
        self,
        conid: int | None = None,
        *,
        instrument_type: str | None = None,
        symbol: str | None = None,
        exchange: str | None = None,
        currency: str | None = None,
    ) -> tuple[ThirdPartySecurityDefinition, ...]:
        """Look up a product: by conid, or by type and symbol with its exchange or currency.

        Shape: each product that fits, usually one.
        Errors: `OrderInvalidError` without an exchange for STK, or a currency for CASH.
        Source: GET /secdef.
        """
        named = (instrument_type, symbol, exchange, currency)
        if conid is not None:
            _refuse_both("conid", named)
            query = pairs(conid=read_conid("conid", conid))
        else:
            query = pairs(**rules.check_security_query(*named, needs_market=True))
        return await self._calls.read_rows(ThirdPartySecurityDefinition, "/secdef", query)

    async def snapshot(
        self,
        *conids: int,
        instrument_type: str | None = None,
        symbol: str | None = None,
        exchange: str | None = None,
        currency: str | None = None,
    ) -> tuple[Snapshot, ...]:
        """Read prices once: by conids, or by type and symbol with an exchange or a currency.

        Shape: one per product; what is not known is None.
        Source: GET /marketdata/snapshot.
        """
        named = (instrument_type, symbol, exchange, currency)
        if conids:
            _refuse_both("conids", named)
            query = pairs(conids=_joined(conids))
        else:
            query = pairs(**rules.check_security_query(*named, needs_market=False))
        return await self._calls.read_rows(Snapshot, "/marketdata/snapshot", query)

    async def exchange_components(self, *conids: int) -> tuple[ExchangeComponents, ...]:
        """Read which exchange each bit of a `market` mask stands for.

        Source: GET /marketdata/exchange_components.
        """
        return await self._calls.read_rows(
            ExchangeComponents,
            "/marketdata/exchange_components",
            pairs(conids=_joined(conids)),
        )

    async def quotes(self, *conids: int) -> tuple[ThirdPartyQuote, ...]:
        """Read prices once, with the exchanges behind them: `quote.bid.exchanges`.

        Shape: as `snapshot`. The meaning of the bits is read once per conid and kept; again when
        a bit appears that it does not name.
        Source: GET /marketdata/snapshot, GET /marketdata/exchange_components.
        """
        snapshots = await self.snapshot(*check_conids(conids))
        missing = [row.conid for row in snapshots if row.conid and self._lacks_a_name(row)]
        if missing:
            for row in await self.exchange_components(*missing):
                if row.conid is not None:
                    self._components[row.conid] = row
        return tuple(to_quote(row, self._names(row.conid)) for row in snapshots)

    # --- small parts -----------------------------------------------------------------------------

    async def _send(self, request: RestRequest[T]) -> T:
        if not self._is_open:
            raise ClosedError("client", "open one with `async with ThirdPartyClient(...) as tp:`")
        return await self._pipeline.send(request)

    def _id_of(self, order: ThirdPartyOrder) -> str:
        return self._new_id() if order.customer_order_id is None else str(order.customer_order_id)

    def _names(self, conid: int | None) -> dict[int, str]:
        known = None if conid is None else self._components.get(conid)
        return {} if known is None else known.names

    def _lacks_a_name(self, row: Snapshot) -> bool:
        names = self._names(row.conid)
        return any(bit not in names for mask in masks_of(row) for bit in bits_of(mask))


def _is_paper(account: str | None) -> bool:
    """Tell whether an account is paper: those begin with D; this API has no other sign of them."""
    return account is not None and account.startswith(_PAPER_PREFIX)


def _check_type(call: str, given: object, *types: type) -> None:
    if not isinstance(given, types):
        wanted = " or ".join(one.__name__ for one in types)
        raise UsageError(f"{call} takes a {wanted}, and not {type(given).__name__}")


def _single(type_: type[T], wire: Any) -> T:
    """Read one object; the reference and others disagree about arrays of one."""
    rows = read_rows(type_, wire)
    return rows[0] if rows else type_()


def _joined(conids: tuple[int, ...]) -> str:
    return ",".join(str(conid) for conid in check_conids(conids))


def _refuse_both(what: str, named: tuple[str | None, ...]) -> None:
    if any(value is not None for value in named):
        raise UsageError(f"pass {what} or the product's type and symbol, not both")
