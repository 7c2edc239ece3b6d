from __future__ import annotations

import pytest

from ibkr_async.errors import UsageError
from ibkr_async.stream.wire.topics import TOPICS


@pytest.mark.parametrize(
    ("code", "target", "arguments", "subscribe", "unsubscribe"),
    [
        (
            "smd",
            "265598",
            {"fields": ["31", "84"]},
            'smd+265598+{"fields":["31","84"]}',
            "umd+265598+{}",
        ),
        (
            "smd",
            "265598@ARCA",
            {"fields": ["31"]},
            'smd+265598@ARCA+{"fields":["31"]}',
            "umd+265598@ARCA+{}",
        ),
        ("sor", "", {}, "sor+{}", "uor+{}"),
        ("str", "", {"days": 1}, 'str+{"days":1}', "utr"),
        ("spl", "", {}, "spl+{}", "upl+{}"),
        ("ssd", "DU1234567", {}, "ssd+DU1234567+{}", "usd+DU1234567+{}"),
        ("sld", "DU1234567", {}, "sld+DU1234567+{}", "uld+DU1234567+{}"),
        ("sbd", "DU1234567+265598", {}, "sbd+DU1234567+265598+{}", "ubd+DU1234567"),
    ],
)
def test_requests_are_spelled_as_ibkr_documents(
    code: str, target: str, arguments: dict[str, object], subscribe: str, unsubscribe: str
) -> None:
    """One row of the table says how a topic is asked for and given up."""
    topic = TOPICS[code]
    topic.check_target(target)

    assert topic.subscribe_text(target, arguments) == subscribe
    assert topic.unsubscribe_text(target, "") == unsubscribe


def test_bars_are_given_up_by_the_number_that_the_server_gave_them() -> None:
    """Until the server has named them there is nothing to give up."""
    assert TOPICS["smh"].unsubscribe_text("265598", "341115") == "umh+341115"
    assert TOPICS["smh"].unsubscribe_text("265598", "") == ""


@pytest.mark.parametrize(
    ("code", "target"),
    [
        ("smd", "AAPL"),
        ("smd", ""),
        ("smd", "1+2"),
        ("smd", '1"'),
        ("smd", "1\n"),
        ("sor", "1"),
        ("ssd", ""),
        ("sbd", "DU1"),
    ],
)
def test_target_that_the_server_would_not_understand_is_refused(code: str, target: str) -> None:
    """Nothing can be smuggled into a request."""
    with pytest.raises(UsageError, match="is not a target"):
        TOPICS[code].check_target(target)


@pytest.mark.parametrize("target", ["265598", "265598@ARCA", "28812380;;;265598/1,8314/-1"])
def test_contract_targets_are_accepted(target: str) -> None:
    """A conid, a conid at an exchange, and a combination."""
    TOPICS["smd"].check_target(target)


def test_every_row_is_complete() -> None:
    """What is requested can be given up, what conflates can be told apart."""
    for row in TOPICS.values():
        assert row.heading
        assert row.call
        assert row.requested == bool(row.unsubscribe) or row.dialogue
        assert row.policy != "conflate" or row.identity
