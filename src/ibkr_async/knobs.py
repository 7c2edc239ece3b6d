"""What every group of settings has in common: values that cannot change, and ranges that are checked.

Responsible for the check that no timer spins and no limit means nothing. It must never hold a default:
each part names its own, once. Pure.
"""

from __future__ import annotations

import math
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
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            highest = self.at_most.get(name, math.inf)
            above_zero = value > 0 or (value == 0 and name in self.may_be_zero)
            # Written so that NaN is refused as well.
            if not (above_zero and value < math.inf and value <= highest):
                low = "0 to" if name in self.may_be_zero else "above zero, to"
                wanted = "it must be above zero" if highest == math.inf else f"{low} {highest:g}"
                raise ConfigError(f"setting {name}: {value} is out of range; {wanted}")
