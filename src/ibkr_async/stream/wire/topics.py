"""IBKR's topics as one table: every irregularity of the protocol is a column here.

Responsible for what a topic is called, how it is asked for and given up, and what its frames hold;
the columns are explained in `topic`. It must never hold state: who is subscribed is `registry`, when
something is sent is `protocol`.

Adding a topic is a row here and a payload struct in `models`. Nothing else branches by topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ibkr_async.models import streaming
from ibkr_async.models.market_data import MarketDataUpdate, read_market_data
from ibkr_async.stream.wire.sharing import replace, unite
from ibkr_async.stream.wire.topic_row import Arguments, Control, Target, Topic

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TOPICS", "Arguments", "Control", "Target", "Topic"]

TOPICS: Final[Mapping[str, Topic]] = {
    row.code: row
    for row in (
        Topic(
            code="smd",
            heading="Live Market Data",
            call="market_data(265598)",
            payload=MarketDataUpdate,
            read=read_market_data,
            identity=("topic",),
            merge=unite,
            unsubscribe="umd+TARGET+{}",
            target=Target.CONTRACT,
            # The changelog says 10 minutes, IBKR's support 15: the shorter one is assumed.
            lifetime_s=600.0,
            watched=True,
            policy="conflate",
            fast=True,
        ),
        Topic(
            code="smh",
            heading="Historical Data",
            call='market_history(265598, "1d", "5min")',
            payload=streaming.BarsMessage,
            read=streaming.read_bars,
            unsubscribe="umh+SERVER_ID",
            target=Target.CONTRACT,
            at_most=5,
            numbered=True,
        ),
        Topic(
            code="sbd",
            heading="Price Ladders",
            call="price_ladder(265598)",
            payload=streaming.LadderRow,
            read=streaming.read_price_ladder,
            identity=("row",),
            merge=replace,
            unsubscribe="ubd+ACCOUNT",
            target=Target.ACCOUNT_AND_CONTRACT,
            confirmed=False,
            # `ubd` names no contract: it would end every other ladder of the account as well.
            at_most=1,
            policy="conflate",
        ),
        Topic(
            code="sor",
            heading="Live Order Updates",
            call="live_orders()",
            payload=streaming.LiveOrderUpdate,
            read=streaming.read_live_orders,
            identity=("order_id",),
            merge=unite,
            unsubscribe="uor+{}",
            # Without an order event there is no frame at all, not even an acknowledgement.
            confirmed=False,
        ),
        Topic(
            code="str",
            heading="Trades Data",
            call="trades()",
            payload=streaming.TradeUpdate,
            read=streaming.read_trades,
            identity=("account", "execution_id"),
            merge=unite,
            unsubscribe="utr",
            # The replay is how executions of a gap come back, whatever was asked for at first.
            after_gap={"realtimeUpdatesOnly": False},
        ),
        Topic(
            code="spl",
            heading="Profit & Loss Updates",
            call="profit_and_loss()",
            payload=streaming.ProfitAndLoss,
            read=streaming.read_profit_and_loss,
            identity=("key",),
            merge=unite,
            unsubscribe="upl+{}",
            needs_brokerage=False,
            policy="conflate",
        ),
        Topic(
            code="ssd",
            heading="Account Summary Updates",
            call="account_summary()",
            payload=streaming.SummaryRow,
            read=streaming.read_account_summary,
            identity=("key",),
            merge=unite,
            unsubscribe="usd+TARGET+{}",
            target=Target.ACCOUNT,
            needs_brokerage=False,
            policy="conflate",
        ),
        Topic(
            code="sld",
            heading="Account Ledger Updates",
            call="account_ledger()",
            payload=streaming.LedgerRow,
            read=streaming.read_account_ledger,
            identity=("key",),
            merge=unite,
            unsubscribe="uld+TARGET+{}",
            target=Target.ACCOUNT,
            needs_brokerage=False,
            policy="conflate",
        ),
        Topic(
            code="shs",
            heading="Exercise Options",
            call="option_exercise(265598)",
            payload=streaming.ExerciseForm | streaming.ExercisePrompt,
            read=streaming.read_exercise,
            target=Target.EXERCISE,
            dialogue=True,
        ),
        Topic(
            code="inp",
            heading="Exercise Options",
            call="option_exercise(265598)",
            payload=streaming.ExerciseForm | streaming.ExercisePrompt,
            read=streaming.read_exercise,
            target=Target.EXERCISE,
            unsolicited=True,
            confirmed=False,
            dialogue=True,
        ),
        Topic(
            code="system",
            heading="System Connection Messages",
            call="system_messages()",
            payload=streaming.SystemMessage,
            read=streaming.read_system,
            unsolicited=True,
            confirmed=False,
            needs_brokerage=False,
            control=Control.GREETING,
        ),
        Topic(
            code="sts",
            heading="Authentication Status",
            call="auth_status()",
            payload=streaming.AuthStatus,
            read=streaming.read_auth_status,
            unsolicited=True,
            confirmed=False,
            control=Control.STATUS,
        ),
        Topic(
            code="act",
            heading="Account Updates",
            call="account_updates()",
            payload=streaming.AccountsMessage,
            read=streaming.read_accounts,
            unsolicited=True,
            confirmed=False,
        ),
        Topic(
            code="ntf",
            heading="Notifications",
            call="notifications()",
            payload=streaming.Notification | streaming.Prompt,
            read=streaming.read_notifications,
            unsolicited=True,
            confirmed=False,
        ),
        Topic(
            code="blt",
            heading="Bulletins",
            call="bulletins()",
            payload=streaming.Bulletin,
            read=streaming.read_bulletins,
            unsolicited=True,
            confirmed=False,
        ),
        Topic(
            code="tic",
            heading="Ping Session",
            call="keepalives()",
            payload=streaming.TicReply,
            read=streaming.read_tic,
            unsolicited=True,
            confirmed=False,
            needs_brokerage=False,
            control=Control.KEEPALIVE,
        ),
        Topic(
            code="error",
            heading="Error",
            call="errors()",
            payload=streaming.ErrorFrame,
            read=streaming.read_error,
            unsolicited=True,
            confirmed=False,
            needs_brokerage=False,
            control=Control.ERROR,
        ),
    )
}
