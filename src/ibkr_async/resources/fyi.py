"""Endpoints of FYIs and notifications, public as `ib.fyi`.

Responsible for building the requests only. Each path may be called once a second.
"""

from __future__ import annotations

from ibkr_async._arguments import checked
from ibkr_async.errors import UsageError
from ibkr_async.models.fyi import (
    DeliveryOptions,
    Disclaimer,
    FyiNotification,
    FyiReply,
    FyiSetting,
    NotificationRead,
    UnreadNumber,
)
from ibkr_async.resources.base import Resource, pairs

_MOST_NOTIFICATIONS = 10


@checked
class Fyi(Resource):
    """Notifications of IBKR to the user, and what the user wants to be notified of.

    Errors: `NotReadyError` while a new session warms up: ask again.
    """

    async def unread_number(self) -> int | None:
        """Return how many notifications are unread; None where IBKR does not say.

        Source: GET /fyi/unreadnumber, "Unread Bulletins". Pacing: 1 per 5 minutes.
        """
        return (await self._read(UnreadNumber, "/fyi/unreadnumber")).unread

    async def settings(self) -> tuple[FyiSetting, ...]:
        """List the kinds of notifications.

        Source: GET /fyi/settings, "Get a List of Subscriptions".
        """
        return await self._read(tuple[FyiSetting, ...], "/fyi/settings")

    async def enable(self, code: str, *, enabled: bool = True) -> FyiReply:
        """Switch one kind of notification on, or off with `enabled=False`.

        Source: POST /fyi/settings/{typecode}, "Enable/Disable Specified Subscription".
        """
        return await self._change(
            "POST", FyiReply, "/fyi/settings/{code}", body={"enabled": enabled}, code=code
        )

    async def disclaimer(self, code: str) -> Disclaimer:
        """Read the disclaimer of one kind of notification.

        Source: GET /fyi/disclaimer/{typecode}, "Get Disclaimer for a Certain Kind of FYI".
        """
        return await self._read(Disclaimer, "/fyi/disclaimer/{code}", code=code)

    async def mark_disclaimer_read(self, code: str) -> FyiReply:
        """Mark the disclaimer of one kind of notification as read.

        Source: PUT /fyi/disclaimer/{typecode}, "Mark Disclaimer Read".
        """
        return await self._change("PUT", FyiReply, "/fyi/disclaimer/{code}", code=code)

    async def delivery_options(self) -> DeliveryOptions:
        """Read where notifications are delivered.

        Source: GET /fyi/deliveryoptions, "Get Delivery Options".
        """
        return await self._read(DeliveryOptions, "/fyi/deliveryoptions")

    async def enable_email(self, *, enabled: bool = True) -> FyiReply:
        """Have notifications mailed, or not with `enabled=False`.

        Source: PUT /fyi/deliveryoptions/email, "Enable/Disable Email Option".
        """
        query = pairs(enabled=enabled)
        return await self._change("PUT", FyiReply, "/fyi/deliveryoptions/email", query=query)

    async def enable_device(
        self, device_id: str, *, name: str, ui_name: str, enabled: bool = True
    ) -> FyiReply:
        """Have notifications delivered to a device, or not with `enabled=False`.

        Source: POST /fyi/deliveryoptions/device, "Enable/Disable Device Option".
        """
        body = {"deviceName": name, "deviceId": device_id, "uiName": ui_name, "enabled": enabled}
        return await self._change("POST", FyiReply, "/fyi/deliveryoptions/device", body=body)

    async def delete_device(self, device_id: str) -> None:
        """Forget a device.

        Errors: `NotFoundError` for an unknown one.
        Source: DELETE /fyi/deliveryoptions/{deviceId}, "Delete a Device".
        """
        await self._change("DELETE", None, "/fyi/deliveryoptions/{device_id}", device_id=device_id)

    async def notifications(
        self,
        *,
        max: int = _MOST_NOTIFICATIONS,  # noqa: A002 - IBKR's name
        include: str | None = None,
        exclude: str | None = None,
    ) -> tuple[FyiNotification, ...]:
        """Read the newest notifications, at most 10; of certain type codes, or without them.

        Source: GET /fyi/notifications, "Get a List of Notifications".
        """
        if not 1 <= max <= _MOST_NOTIFICATIONS:
            raise UsageError(f"max={max!r}: IBKR gives 1 to {_MOST_NOTIFICATIONS}; see `more`")
        return await self._read(
            tuple[FyiNotification, ...],
            "/fyi/notifications",
            pairs(max=max, include=include, exclude=exclude),
        )

    async def more(self, after_id: str) -> tuple[FyiNotification, ...]:
        """Read the notifications that come after one.

        Source: GET /fyi/notifications/more, "Get More Notifications".
        """
        return await self._read(
            tuple[FyiNotification, ...], "/fyi/notifications/more", pairs(id=after_id)
        )

    async def mark_read(self, notification_id: str) -> NotificationRead:
        """Mark a notification as read.

        Source: PUT /fyi/notifications/{notificationID}, "Mark Notification Read".
        """
        return await self._change(
            "PUT",
            NotificationRead,
            "/fyi/notifications/{notification_id}",
            notification_id=notification_id,
        )
