"""Answers that no server should give, made from good ones.

Two kinds: what is wrong with the bytes around the body (`odd_replies`), and well-formed JSON of which one
value is something else (`odd_bodies`). Each has a name, by which a failure can be repeated.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from random import Random
from typing import Any, Final

TOO_LARGE: Final = "1e99999999999999999999"
"""A number whose exponent is beyond what `Decimal` takes."""

_TOKENS: Final = {
    "null": "null",
    "true": "true",
    "minus one": "-1",
    "zero": "0",
    "half": "0.5",
    "exponent": TOO_LARGE,
    "small exponent": "-1e-99999999999999999999",
    "1e400": "1e400",
    "1e999999": "1e999999",
    "2**63": str(2**63),
    "400 digits": "9" * 400,
    "5000 digits": "9" * 5000,
    "surrogate": r'"\ud800"',
    "nul": r'"\u0000"',
    "empty text": '""',
    "text": '"x"',
    "huge number as text": json.dumps(TOO_LARGE),
    "nan as text": '"NaN"',
    "digits as text": json.dumps("9" * 300),
    "empty array": "[]",
    "empty object": "{}",
    "array of null": "[null]",
    "array of objects": '[{"a":null}]',
    "object of null": '{"a":null}',
    "nested": "[" * 40 + "]" * 40,
    "too deep": "[" * 3000 + "]" * 3000,
    "millions of years": "99999999999999999",
    "before time": "-99999999999999999",
}
"""JSON that may stand where something else is meant."""


Odd = tuple[str, Callable[[], bytes]]
"""What is odd, and what writes it: few of many are ever written."""


def odd_bodies(body: bytes) -> Iterator[Odd]:
    """Yield JSON that differs from a sample in one place: a value, a key twice, a key too many."""
    try:
        good = json.loads(body)
    except ValueError:
        return
    for path in _places(good):
        where = "/".join(map(str, path)) or "all of it"
        for name, token in _TOKENS.items():
            yield f"{where} is {name}", partial(_with, good, path, token)
    for path in _places(good):
        inner = _at(good, path)
        where = "/".join(map(str, path)) or "all of it"
        if isinstance(inner, dict):
            odd = f'"odd":{TOO_LARGE}'
            yield f"{where} has a number too large", partial(_more, good, path, odd)
            odd = r'"\ud800":1,"":2'
            yield f"{where} has keys that are odd", partial(_more, good, path, odd)
            for key in inner:
                again = f"{json.dumps(key)}:[{TOO_LARGE}]"
                yield f"{where} has {key} twice", partial(_more, good, path, again)
                yield f"{where} lacks {key}", partial(_without, good, path, key)
        elif isinstance(inner, list):
            for name, token in _TOKENS.items():
                yield f"{where} has one more, {name}", partial(_more, good, path, token)


def odd_replies(head: bytes, body: bytes) -> Iterator[Odd]:
    """Yield whole answers that are wrong around the body: status, headers, length, compression."""
    for status in _STATUSES:
        line = f"HTTP/1.1 {status} X".encode()
        for name, content in (("its body", body), ("no body", b""), *_SAID):
            yield f"{status} with {name}", partial(_reply, line, _PLAIN, content)
    for name, header in _HEADERS.items():
        for line in (_OK, b"HTTP/1.1 429 X", b"HTTP/1.1 302 X", b"HTTP/1.1 500 X"):
            yield f"{line[9:12].decode()} with {name}", partial(_reply, line, header, body)
    for name, content in _BODIES.items():
        yield name, partial(_reply, _OK, _PLAIN, content)
        yield f"{name}, as a page", partial(_reply, _OK, b"content-type: text/html", content)
    yield from _packed(body)
    yield from _cut(head, body)


def _packed(body: bytes) -> Iterator[Odd]:
    for encoding, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        header = f"content-type: application/json\r\ncontent-encoding: {encoding}".encode()
        lies = {
            "that is not": body,
            "cut": packed[:-9],
            "and more": packed + b"more",
            "twice": gzip.compress(packed),
            "without an end": packed[:4],
        }
        for name, content in lies.items():
            yield f"{encoding} {name}", partial(_reply, _OK, header, content)
    for encoding in (b"br", b"zstd", b"gzip, gzip", b"x", b"", b"\xff"):
        header = _PLAIN + b"\r\ncontent-encoding: " + encoding
        yield f"encoding {encoding!r}", partial(_reply, _OK, header, body)
    yield "bomb", _bomb


def _cut(head: bytes, body: bytes) -> Iterator[Odd]:
    for name, length in _LENGTHS.items():
        lines = (_OK, _PLAIN, b"content-length: " + length, b"", body)
        yield f"length {name}", partial(b"\r\n".join, lines)
    chunked = b"\r\n".join((_OK, _PLAIN, b"transfer-encoding: chunked", b"", b""))
    for chunks in (b"", b"zz\r\n", b"-1\r\n", b"ffffffffffffffffff\r\nx", b"5\r\nab", b"0\r\n"):
        yield f"chunks {chunks!r}", partial(bytes, chunked + chunks)
    for name, wire in {
        "nothing": b"",
        "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "text": b"SSH-2.0-OpenSSH_9.9\r\n",
        "half the head": head[: len(head) // 2],
        "half the body": head + b"\r\n\r\n" + body[: len(body) // 2],
        "head without end": head + b"\r\n" + b"x: y\r\n" * 50_000,
    }.items():
        yield name, partial(bytes, wire)


@cache
def _bomb() -> bytes:
    header = b"content-type: application/json\r\ncontent-encoding: gzip"
    return _reply(_OK, header, gzip.compress(b"[" + b"0," * 20_000_000 + b"0]", 1))


_OK: Final = b"HTTP/1.1 200 OK"
_PLAIN: Final = b"content-type: application/json"
_STATUSES: Final = (
    100, 101, 199, 201, 202, 203, 204, 205, 206, 299, 300, 301, 304, 307, 399, 400, 401, 402, 403,
    404, 405, 408, 409, 410, 411, 418, 423, 429, 499, 500, 501, 502, 503, 504, 520, 599, 600, 999,
)  # fmt: skip
_SAID: Final = tuple(
    (f"an error that is {name}", b'{"error":' + token.encode() + b"}")
    for name, token in _TOKENS.items()
)
_HEADERS: Final = {
    "Retry-After nan": b"retry-after: nan",
    "Retry-After 1e999": b"retry-after: 1e999",
    "Retry-After negative": b"retry-after: -5",
    "Retry-After odd": b"retry-after: Fri, 99 Foo 99999 99:99:99 GMT",
    "Retry-After long ago": b"retry-after: Mon, 01 Jan 0001 00:00:00 +2359",
    "Date odd": b"date: Fri, 99 Foo 99999 99:99:99 GMT",
    "Date without zone": b"date: Mon, 01 Jan 0001 00:00:00 -2359",
    "Date far": b"date: Fri, 31 Dec 9999 23:59:59 -2359",
    "Location odd": b"location: http://[::1",
    "Location with a surrogate": b"location: http://\xed\xa0\x80/",
    "cookie odd": b"set-cookie: x-sess-uuid=\xff; Expires=odd, \x80",
    "charset odd": b"content-type: application/json; charset=\xff",
    "charset unknown": b"content-type: application/json; charset=klingon",
    "utf-16": b"content-type: text/html; charset=utf-16",
    "no type": b"x: y",
    "type twice": b"content-type: text/html\r\ncontent-type: application/json",
}
_BODIES: Final = {
    "null": b"null",
    "empty text": b'""',
    "blanks": b" \r\n ",
    "array": b"[]",
    "object": b"{}",
    "number": b"0",
    "number too large": TOO_LARGE.encode(),
    "text": b'"text"',
    "true": b"true",
    "array of null": b"[null]",
    "array of arrays": b"[[]]",
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": b"[" * 900 + b"]" * 900,
    "NaN": b"NaN",
    "not UTF-8": b'"\xff\xfe"',
    "not UTF-8 at all": b"\xff\xfe\x00\x00",
    "BOM": b"\xef\xbb\xbf{}",
    "lone surrogate": rb'"\ud800"',
    "raw surrogate": b'"\xed\xa0\x80"',
    "NUL": b"\x00",
    "page": b"<html><title>" + b"x" * 5000 + b"</title>",
    "page that is not UTF-8": b"<html><title>\xff</title>",
    "two values": b"{}{}",
    "error that is deep": b'{"error":' + b"[" * 3000 + b"]" * 3000 + b"}",
    "error, success and a number": b'{"error":"","success":false,"failure_list":'
    + TOO_LARGE.encode()
    + b"}",
}
_LENGTHS: Final = {
    "longer": b"999999",
    "shorter": b"1",
    "zero": b"0",
    "negative": b"-1",
    "text": b"many",
    "beyond": b"9" * 30,
    "two": b"5\r\ncontent-length: 6",
}


def _reply(line: bytes, headers: bytes, body: bytes) -> bytes:
    length = f"content-length: {len(body)}".encode()
    return b"\r\n".join((line, headers, length, b"", body))


def some(draw: Random, items: list[Any], most: int) -> list[Any]:
    """Return at most so many of the items, in their order."""
    if len(items) <= most:
        return items
    return [items[index] for index in sorted(draw.sample(range(len(items)), most))]


# --- places in JSON --------------------------------------------------------------------------------


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:2]):
            yield from _places(item, (*path, index))


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


_HOLE: Final = "a hole for what no JSON library writes"


def _with(good: Any, path: tuple[Any, ...], token: str) -> bytes:
    return json.dumps(_replaced(good, path, _HOLE)).replace(f'"{_HOLE}"', token).encode()


def _without(good: Any, path: tuple[Any, ...], key: str) -> bytes:
    shorter = {name: one for name, one in _at(good, path).items() if name != key}
    return _with(good, path, json.dumps(shorter))


def _more(good: Any, path: tuple[Any, ...], text: str) -> bytes:
    inner = json.dumps(_at(good, path))
    joined = f"{inner[:-1]}{', ' if len(inner) > len('{}') else ''}{text}{inner[-1]}"
    return _with(good, path, joined)


def _replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    step, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[step] = _replaced(value[step], tuple(rest), new)
    return copy
