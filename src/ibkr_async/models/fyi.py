"""Answers of FYIs and notifications, whose keys are one letter on the wire.

Responsible for their shapes only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ibkr_async.models.base import Bool, Float, Int, Model, Str
from ibkr_async.models.times import from_epoch_s

if TYPE_CHECKING:
    from datetime import datetime


class UnreadNumber(Model, frozen=True):
    """How many notifications are unread. Source: `GET /fyi/unreadnumber`."""

    unread: Int = msgspec.field(default=None, name="BN")
    """The number."""


class FyiSetting(Model, frozen=True):
    """One kind of notification. Source: `GET /fyi/settings`."""

    code: Str = msgspec.field(default=None, name="FC")
    """Type code, such as `MF`; there are more than IBKR lists."""
    name: Str = msgspec.field(default=None, name="FN")
    """Name."""
    description: Str = msgspec.field(default=None, name="FD")
    """What it tells."""
    disclaimer_read: Bool = msgspec.field(default=None, name="H")
    """Its disclaimer was read."""
    enabled: Bool = msgspec.field(default=None, name="A")
    """It is on; None means that it cannot be changed."""


class FyiReply(Model, frozen=True):
    """What a change returns. IBKR confirms wrong codes too."""

    confirmed: Bool = msgspec.field(default=None, name="V")
    """It was taken."""
    took_ms: Int = msgspec.field(default=None, name="T")
    """Milliseconds that it took."""


class NotificationState(Model, frozen=True):
    """Whether a notification is read."""

    id: Str = msgspec.field(default=None, name="ID")
    """Its id."""
    is_read: Bool = msgspec.field(default=None, name="R")
    """It is read."""


class NotificationRead(FyiReply, frozen=True):
    """What marking a notification returns. Source: `PUT /fyi/notifications/{notificationID}`."""

    notification: NotificationState | None = msgspec.field(default=None, name="P")
    """Its state."""


class Disclaimer(Model, frozen=True):
    """The disclaimer of one kind of notification. Source: `GET /fyi/disclaimer/{typecode}`."""

    code: Str = msgspec.field(default=None, name="FC")
    """Type code."""
    text: Str = msgspec.field(default=None, name="DT")
    """The text."""


class DeliveryDevice(Model, frozen=True):
    """A device to which notifications are delivered."""

    name: Str = msgspec.field(default=None, name="NM")
    """Name."""
    device_id: Str = msgspec.field(default=None, name="I")
    """Id."""
    ui_id: Str = msgspec.field(default=None, name="UI")
    """Id of its application."""
    enabled: Bool = msgspec.field(default=None, name="A")
    """It is on."""


class DeliveryOptions(Model, frozen=True):
    """Where notifications are delivered. Source: `GET /fyi/deliveryoptions`."""

    email: Bool = msgspec.field(default=None, name="M")
    """By mail."""
    devices: tuple[DeliveryDevice, ...] | None = msgspec.field(default=None, name="E")
    """To devices."""


class FyiNotification(Model, frozen=True):
    """One notification. Source: `GET /fyi/notifications`."""

    id: Str = msgspec.field(default=None, name="ID")
    """Id."""
    date: Float = msgspec.field(default=None, name="D")
    """When it came, Unix seconds; a text on the wire. See `at`."""
    code: Str = msgspec.field(default=None, name="FC")
    """Type code."""
    title: Str = msgspec.field(default=None, name="MS")
    """Title."""
    body: Str = msgspec.field(default=None, name="MD")
    """Text, which may be HTML and name an account in part."""
    is_read: Bool = msgspec.field(default=None, name="R")
    """It is read."""
    has_text: Bool = msgspec.field(default=None, name="HT")
    """IBKR's own mark; it is not explained."""

    @property
    def at(self) -> datetime | None:
        """When it came, as UTC datetime."""
        return from_epoch_s(self.date)
