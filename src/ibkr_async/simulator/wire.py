"""The text of socket frames. Pure.

Responsible for reading what a client sends (`TOPIC`, `TOPIC+{JSON}`, `TOPIC+TARGET+{JSON}`) and for
writing what the server sends, with the keys in the order of the recordings. Written apart from the
client's own grammar on purpose. It must never keep state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

AVAILABILITY = "6509"
CHANGE_PCT = "83"
_TAG_ORDER = ("84", "31", "86", "88", "85", "7059")
"""How the recorded frames begin; the other tags follow as they were requested, 83 last."""
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class Command(NamedTuple):
    """One text frame of a client."""

    topic: str
    """The leading code, such as `smd`."""
    targets: tuple[str, ...]
    """What stands between the code and the arguments."""
    arguments: dict[str, Any]

    @property
    def full_topic(self) -> str:
        """Code and targets, as answers echo them."""
        return "+".join((self.topic, *self.targets))


def read_command(text: str) -> Command | None:
    """Read a client's frame; None when it does not follow the grammar."""
    head, brace, rest = text.partition("{")
    arguments: Any = {}
    if brace:
        if not head.endswith("+"):
            return None
        head = head[:-1]
        try:
            arguments = msgspec.json.decode(brace + rest)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return None
    topic, *targets = head.split("+")
    if not topic or not all(targets):
        return None
    return Command(topic, tuple(targets), arguments)


def read_session(text: str) -> str | None:
    """Read `{"session":"…"}`; None when the text is something else."""
    try:
        content = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    session = as_object(content).get("session")
    return session if isinstance(session, str) else None


def as_object(value: Any) -> dict[str, Any]:
    """Return a decoded JSON object; an empty one for any other value."""
    # JSON objects have text keys only, which the type checkers cannot know.
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def as_texts(value: Any) -> list[str] | None:
    """Return the texts of a decoded JSON array; None for any other value."""
    if not isinstance(value, list):
        return None
    # The elements are checked here; without the cast they have no type at all.
    elements = cast("Iterable[Any]", value)
    return [element for element in elements if isinstance(element, str)]


def frame(content: Mapping[str, Any]) -> str:
    """Write a frame as compact JSON, keys in the given order."""
    return encode(content).decode("utf-8")


def encode(content: Any) -> bytes:
    """Write JSON; a `Decimal` becomes a plain number with exactly its digits."""
    return _ENCODER.encode(content)


def topic_frame(topic: str, args: Any) -> str:
    """Write a frame of the `{"topic":…,"args":…}` shape."""
    return frame({"topic": topic, "args": args})


def ordered_tags(tags: Iterable[str]) -> list[str]:
    """Sort tags as the recorded `smd` frames have them; 6509 is not among them."""
    asked = [tag for tag in tags if tag not in {AVAILABILITY, CHANGE_PCT}]
    first = [tag for tag in _TAG_ORDER if tag in asked]
    others = [tag for tag in asked if tag not in _TAG_ORDER]
    return first + others + [tag for tag in tags if tag == CHANGE_PCT]


class SmdHead(NamedTuple):
    """The keys that every `smd` frame carries."""

    topic: str
    conid: int
    conid_ex: str
    server_id: str
    updated_ms: int


def smd_frame(head: SmdHead, values: Mapping[str, Any], availability: str | None = None) -> str:
    """Write a market data frame in the usual key order: meta keys, tags, 6509, topic."""
    content: dict[str, Any] = {
        "server_id": head.server_id,
        "conidEx": head.conid_ex,
        "conid": head.conid,
        "_updated": head.updated_ms,
        "6119": head.server_id,
        **{tag: values[tag] for tag in ordered_tags(values)},
    }
    if availability is not None:
        content[AVAILABILITY] = availability
    content["topic"] = head.topic
    return frame(content)


def shuffled_smd_frame(head: SmdHead, values: Mapping[str, Any], availability: str | None) -> str:
    """Write the very first frame of a stream in the other recorded key order."""
    content: dict[str, Any] = {} if availability is None else {AVAILABILITY: availability}
    content |= {
        "conidEx": head.conid_ex,
        "topic": head.topic,
        "conid": head.conid,
        "_updated": head.updated_ms,
        "6119": head.server_id,
    }
    if CHANGE_PCT in values:
        content[CHANGE_PCT] = values[CHANGE_PCT]
    content["server_id"] = head.server_id
    content |= {tag: values[tag] for tag in ordered_tags(values) if tag != CHANGE_PCT}
    return frame(content)
