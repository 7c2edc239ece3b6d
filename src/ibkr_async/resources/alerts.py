"""Endpoints of the alerts, public as `ib.alerts`.

Responsible for building the requests, and for telling a refusal that IBKR sends as a success. It must
never send the id that means *all alerts* unless that is what was asked for.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ibkr_async._arguments import checked
from ibkr_async.errors import RefusedError, UsageError
from ibkr_async.models.alerts import ALERT_KINDS, Alert, AlertEntry, AlertReply, AlertTerms
from ibkr_async.resources.base import Resource, given, pairs

if TYPE_CHECKING:
    from ibkr_async.resources.base import ChooseAccount, SendRequest

_ALL: Final = 0
"""As an id it means every alert of the account."""


@checked
class Alerts(Resource):
    """Alerts of an account; the session's only one where none is named.

    IBKR refuses to make alerts for paper logins.
    """

    def __init__(self, send: SendRequest, *, account: ChooseAccount) -> None:
        super().__init__(send)
        self._account = account

    async def list(self, *, account_id: str | None = None) -> tuple[AlertEntry, ...]:
        """List the alerts of an account.

        Shape: empty when there are none; `order_id` is the id of an alert.
        Source: GET /iserver/account/{accountId}/alerts, "Get a List of Available Alerts".
        """
        return await self._read(
            tuple[AlertEntry, ...],
            "/iserver/account/{account_id}/alerts",
            account_id=self._account(account_id),
        )

    async def get(self, alert_id: int) -> Alert:
        """Read one alert in full.

        Errors: `RefusedError` for an unknown one.
        Source: GET /iserver/account/alert/{alertId}, "Get Details of a Specific Alert".
        """
        return await self._read(
            Alert, "/iserver/account/alert/{alert_id}", pairs(type="Q"), alert_id=_check(alert_id)
        )

    async def mta(self) -> Alert | None:
        """Read the alert of the mobile trading assistant; None where IBKR names none.

        Its `order_id` is another one each time; `tool_id` stays.
        Source: GET /iserver/account/mta, "Get MTA Alert".
        """
        # Recorded as an array of one, documented as the object.
        answer: Alert | tuple[Alert, ...] = await self._read(
            Alert | tuple[Alert, ...],  # type: ignore[arg-type]  # a union is no class, and decodes as well
            "/iserver/account/mta",
        )
        return answer if isinstance(answer, Alert) else next(iter(answer), None)

    async def create(self, terms: AlertTerms, *, account_id: str | None = None) -> AlertReply:
        """Make an alert.

        Errors: `RefusedError` with IBKR's reason; `ForbiddenError` for a paper login.
        Source: POST /iserver/account/{accountId}/alert, "Create or Modify Alert".
        Side effects at the broker: sent once; after a lost answer look at `list`.
        """
        return await self._save(terms, account_id)

    async def modify(
        self, alert_id: int, terms: AlertTerms, *, account_id: str | None = None
    ) -> AlertReply:
        """Change an alert to `terms`, which are the whole of it. Errors, side effects: as `create`.

        IBKR answers 500 to terms that change nothing.
        Source: POST /iserver/account/{accountId}/alert, "Create or Modify Alert".
        """
        return await self._save(terms, account_id, orderId=_check(alert_id))

    async def activate(
        self, alert_id: int, *, active: bool = True, account_id: str | None = None
    ) -> AlertReply:
        """Switch an alert on, or off with `active=False`.

        Errors: `RefusedError` with IBKR's reason.
        Source: POST /iserver/account/{accountId}/alert/activate, "Activate or Deactivate an Alert".
        """
        body = {"alertId": _check(alert_id), "alertActive": int(active)}
        return _done(
            await self._change(
                "POST",
                AlertReply,
                "/iserver/account/{account_id}/alert/activate",
                body=body,
                account_id=self._account(account_id),
            )
        )

    async def delete(self, alert_id: int, *, account_id: str | None = None) -> AlertReply:
        """Delete one alert. Deleting that of the mobile trading assistant resets it.

        Errors: `UsageError` for 0, which means all of them: see `delete_all`; `RefusedError`.
        Source: DELETE /iserver/account/{accountId}/alert/{alertId}, "Delete an Alert".
        """
        return await self._delete(_check(alert_id), account_id)

    async def delete_all(self, *, account_id: str | None = None) -> AlertReply:
        """Delete **every** alert of an account.

        Source: DELETE /iserver/account/{accountId}/alert/{alertId}, "Delete an Alert".
        """
        return await self._delete(_ALL, account_id)

    async def _delete(self, alert_id: int, account_id: str | None) -> AlertReply:
        return _done(
            await self._change(
                "DELETE",
                AlertReply,
                "/iserver/account/{account_id}/alert/{alert_id}",
                account_id=self._account(account_id),
                alert_id=alert_id,
            )
        )

    async def _save(self, terms: AlertTerms, account_id: str | None, **more: int) -> AlertReply:
        return _done(
            await self._change(
                "POST",
                AlertReply,
                "/iserver/account/{account_id}/alert",
                body=_body(terms) | more,
                account_id=self._account(account_id),
            )
        )


def _done(reply: AlertReply) -> AlertReply:
    """Return it, or raise the refusal that IBKR sends as a success."""
    if reply.success is False:
        detail = reply.text or reply.failure_list or "IBKR gave no reason"
        raise RefusedError("the change of an alert", HTTPStatus.OK, detail)
    return reply


def _check(alert_id: int) -> int:
    if alert_id <= _ALL:
        raise UsageError(f"{alert_id!r} is not the id of an alert; delete_all deletes all of them")
    return alert_id


def _body(terms: AlertTerms) -> dict[str, Any]:
    try:
        # What is of another type than its field would be taken by IBKR for something else.
        terms = msgspec.convert(msgspec.to_builtins(terms), AlertTerms)
    except (msgspec.MsgspecError, TypeError, ValueError) as problem:
        raise UsageError(f"terms={terms!r:.200} are not AlertTerms: {problem}") from None
    if not terms.conditions:
        raise UsageError("an alert without conditions would never fire; give it one")
    last = len(terms.conditions) - 1
    return given(
        alertName=terms.name,
        alertMessage=terms.message,
        alertRepeatable=int(terms.repeatable),
        outsideRth=int(terms.outside_rth),
        tif="GTC" if terms.expire_time is None else "GTD",
        expireTime=terms.expire_time,
        sendMessage=int(terms.email is not None),
        email=terms.email,
        showPopup=int(terms.show_popup),
        iTWSOrdersOnly=int(terms.itws_orders_only),
        conditions=[
            given(
                type=ALERT_KINDS[one.kind],
                conidex=one.conidex,
                operator=one.operator,
                triggerMethod=one.trigger_method,
                value=one.value,
                logicBind="n" if position == last else "o" if one.or_next else "a",
                timeZone=one.time_zone,
            )
            for position, one in enumerate(terms.conditions)
        ],
    )
