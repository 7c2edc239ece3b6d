from __future__ import annotations

import gzip
import sys
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.rest.body import Body, UnfitBodyError

LIMIT = 100_000


def read(wire: bytes, encoding: str = "", *, step: int = 4096) -> bytes:
    """Read what comes in pieces of this size."""
    body = Body(LIMIT, encoding=encoding)
    for start in range(0, len(wire), step):
        body.add(wire[start : start + step])
    return body.end()


@pytest.mark.parametrize("encoding", ["", "identity", " Identity , ", ","])
def test_plain_body_is_taken_as_it_is(encoding: str) -> None:
    """No encoding has several spellings."""
    assert read(b'{"a":1}', encoding) == b'{"a":1}'


@given(content=st.binary(max_size=2000), step=st.integers(1, 50))
def test_compressed_body_is_inflated_wherever_it_is_cut(content: bytes, step: int) -> None:
    """Gzip and zlib, in pieces of any size."""
    assert read(gzip.compress(content), "gzip", step=step) == content
    assert read(gzip.compress(content), "identity, X-GZIP", step=step) == content
    assert read(zlib.compress(content), "deflate", step=step) == content


@given(parts=st.lists(st.binary(max_size=50), max_size=5), step=st.integers(1, 50))
def test_members_of_one_gzip_body_are_all_read(parts: list[bytes], step: int) -> None:
    """What a server writes member by member is one answer, and none of it is lost."""
    wire = b"".join(gzip.compress(part) for part in parts)

    assert read(wire, "gzip", step=step) == b"".join(parts)


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_limit_itself_is_allowed(size: int, encoding: str) -> None:
    """One byte more is not."""

    def wire(length: int) -> bytes:
        return gzip.compress(b" " * length) if encoding else b" " * length

    assert len(read(wire(size), encoding)) == size
    with pytest.raises(UnfitBodyError, match="longer than 100,000 bytes"):
        read(wire(LIMIT + 1), encoding)


@pytest.mark.parametrize(
    "wire",
    [
        gzip.compress(bytes(50_000_000), mtime=0),
        zlib.compress(bytes(50_000_000)),
        gzip.compress(bytes(60_000), mtime=0) * 500,
    ],
    ids=["gzip", "zlib", "members"],
)
def test_bomb_costs_no_more_memory_than_the_limit(wire: bytes) -> None:
    """The bound holds while inflating and over the total."""
    tracemalloc.start()
    try:
        with pytest.raises(UnfitBodyError, match="longer than"):
            read(wire, "gzip", step=1 << 16)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 10 * LIMIT


def test_empty_members_end_at_the_limit_too() -> None:
    """They inflate to nothing for ever; what was sent counts as well."""
    with pytest.raises(UnfitBodyError, match="longer than"):
        read(gzip.compress(b"") * (LIMIT // 20 + 1), "gzip")


@pytest.mark.parametrize(
    "encoding", ["gzip, gzip", "gzip,identity,deflate", "br", "zstd", "compress", "gzip;q=1"]
)
def test_encoding_that_was_not_asked_for_is_refused_unread(encoding: str) -> None:
    """One within another has no bound that means anything; others are not known here."""
    with pytest.raises(UnfitBodyError, match="encoded as"):
        Body(LIMIT, encoding=encoding)


def test_long_header_is_not_repeated_whole() -> None:
    """The name of the encoding is foreign text too."""
    with pytest.raises(UnfitBodyError) as caught:
        Body(LIMIT, encoding="x" * 50_000)

    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("length", [str(LIMIT + 1), "9" * (sys.get_int_max_str_digits() + 1)])
def test_announced_length_is_refused_unread(length: str) -> None:
    """What says that it is too long is believed."""
    with pytest.raises(UnfitBodyError, match="longer than"):
        Body(LIMIT, length=length)


@pytest.mark.parametrize("length", ["", "0", str(LIMIT), "many", "-5"])
def test_other_length_is_left_to_the_bytes(length: str) -> None:
    """Only the bytes count in the end."""
    assert Body(LIMIT, length=length).end() == b""


@pytest.mark.parametrize(
    "wire", [b"nope", gzip.compress(b"x" * 100, mtime=0)[:-4], gzip.compress(b"x", mtime=0) + b"?"]
)
def test_damaged_body_is_never_half_an_answer(wire: bytes) -> None:
    """A list that stops in the middle would be a list with fewer orders."""
    with pytest.raises(zlib.error):
        read(wire, "gzip")
