"""What every group of settings has in common: values that cannot change, and ranges that are checked.

Responsible for the check that no timer spins and no limit means nothing. It must never hold a default:
each part names its own, once. Pure.
"""

from __future__ import annotations

import math
from numbers import Real
from typing import ClassVar, Final

import msgspec

from ibkr_async.errors import ConfigError

CONNECT_TIMEOUT_S: Final = 10.0
"""Time to open a connection, TLS included: the default of REST and of the socket."""


class Knobs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of one part. A number must be above zero and finite, unless the part says otherwise.

    Errors: `ConfigError` that names the setting and its range.
    """

    may_be_zero: ClassVar[frozenset[str]] = frozenset()
    """Fields for which nothing means "none", such as a margin."""
    at_most: ClassVar[dict[str, float]] = {}
    """Fields with an upper end, such as a share."""

    def __post_init__(self) -> None:
        """Refuse values that would make a timer spin or a limit meaningless."""
        for field in msgspec.structs.fields(type(self)):
            name, value = field.name, getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, float | Real):
                if type(field.default) in {int, float} and value is not field.default:
                    raise ConfigError(f"setting {name}: {value!r} is not a number")
                continue
            highest = self.at_most.get(name, math.inf)
            number = float(value)
            above_zero = number > 0 or (number == 0 and name in self.may_be_zero)
            # Written so that NaN is refused as well.
            if not (above_zero and number < math.inf and number <= highest):
                low = "0 to" if name in self.may_be_zero else "above zero, to"
                wanted = "it must be above zero" if highest == math.inf else f"{low} {highest:g}"
                raise ConfigError(f"setting {name}: {value} is out of range; {wanted}")
