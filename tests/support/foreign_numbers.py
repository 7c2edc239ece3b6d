"""Numbers of other libraries, as numpy's behave: registered with `numbers`, and of nobody's type."""

from __future__ import annotations

import numbers


class ForeignInt:
    """A whole number, such as `numpy.int64`."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value

    def __int__(self) -> int:
        return self.value

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        return str(self.value)


class ForeignReal:
    """A number of less digits than a float, such as `numpy.float32`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __float__(self) -> float:
        return float(self.text) + 1e-9  # what single precision makes of it

    def __str__(self) -> str:
        return self.text


class ForeignFloat(float):
    """A float whose `repr` is no number, such as `numpy.float64`."""

    def __repr__(self) -> str:
        return f"np.float64({float(self)!r})"


numbers.Integral.register(ForeignInt)
numbers.Real.register(ForeignReal)
