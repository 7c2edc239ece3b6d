"""Find the PEM blocks of a file by their labels. Pure bytes, no I/O.

Keys are decoded by `cryptography`; this reads what that library does not (DH parameters without its
`dh` module) and tells a user who passed the wrong file what the file is. It must never put the
content of a block into a message.
"""

from __future__ import annotations

import base64
import binascii
import re

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9. ]+)-----")


def labels(pem: bytes) -> list[str]:
    """List the labels of all blocks, such as `["DH PARAMETERS"]`; empty when there is none."""
    return [label.decode("ascii") for label in _BEGIN.findall(pem)]


def describe(pem: bytes) -> str:
    """Return in a few words what a file holds, for messages: `a block 'PRIVATE KEY'`."""
    if not pem.strip():
        return "an empty file"
    found = labels(pem)
    if not found:
        return "no PEM block at all"
    return " and ".join(f"a block {label!r}" for label in found)


def block(pem: bytes, label: str) -> bytes:
    """Return the decoded bytes of the first block with this label.

    Errors: `ValueError` when there is none, its end is missing, or its base64 is damaged.
    """
    text = label.encode("ascii")
    body, end, _ = pem.partition(b"-----BEGIN %b-----" % text)[2].partition(
        b"-----END %b-----" % text
    )
    if not end:
        raise ValueError(f"the PEM block {label!r} has no end: the file is truncated")
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the PEM block {label!r} is damaged: its base64 is not valid") from error
