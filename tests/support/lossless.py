"""Tell whether a decoded payload still says everything that was sent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ibkr_async.models.scalars import NOTHING, read_bool


def differences(sent: Any, kept: Any, path: str = "$") -> list[str]:
    """Compare a wire value with its decoded and re-written form.

    A value that says nothing may be absent; a number may have lost its quotes and separators.
    Shape: one line for each difference, empty for none.
    """
    if isinstance(sent, Mapping) and isinstance(kept, Mapping):
        lost = [key for key in sent if key not in kept and not _says_nothing(sent[key])]
        invented = [key for key in kept if key not in sent]
        found = [f"{path}.{key} was lost" for key in lost]
        found += [f"{path}.{key} was invented" for key in invented]
        for key in sent.keys() & kept.keys():
            found += differences(sent[key], kept[key], f"{path}.{key}")
        return found
    if isinstance(sent, list) and isinstance(kept, list | tuple):
        if len(sent) != len(kept):
            return [f"{path} has {len(kept)} of {len(sent)} items"]
        pairs = zip(sent, kept, strict=True)
        return [
            line
            for i, pair in enumerate(pairs)
            for line in differences(pair[0], pair[1], f"{path}[{i}]")
        ]
    return [] if _same_scalar(sent, kept) else [f"{path}: {sent!r} became {kept!r}"]


def _says_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.strip() in NOTHING)


def _same_scalar(sent: Any, kept: Any) -> bool:
    if sent == kept:
        return True
    if isinstance(sent, bool):
        return kept == str(sent).lower()
    if isinstance(kept, bool):
        return read_bool(sent) is kept
    if isinstance(kept, float):
        number = _number(sent)
        return number is not None and float(number) == kept
    if isinstance(kept, int | Decimal):
        return _number(sent) == kept
    number = _number(sent)
    return number is not None and _number(kept) == number


def _number(value: Any) -> Decimal | None:
    text = str(value).replace(",", "").removesuffix("%").strip()
    factor = {"K": 3, "M": 6, "B": 9, "T": 12}.get(text[-1:], 0)
    try:
        return Decimal(f"{text[:-1]}e{factor}" if factor else text)
    except ArithmeticError:
        return None
