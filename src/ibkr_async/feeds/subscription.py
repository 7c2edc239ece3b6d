"""A feed's line to the stream: what it wants, in IBKR's words once that is known.

Responsible for turning what a user names (symbols, contracts, no account at all) into topics when
the feed is opened, and for telling the engine what is wanted and what is not any more.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ibkr_async.errors import UsageError
from ibkr_async.feeds.feed import Line
from ibkr_async.stream.core.channel import Listener, Wish
from ibkr_async.stream.delivery.buffer import POLICIES, Buffer
from ibkr_async.stream.wire.sharing import replace
from ibkr_async.stream.wire.topic_row import Target
from ibkr_async.types import whole

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Sequence

    from ibkr_async.stream.multiplexer import Multiplexer
    from ibkr_async.stream.wire.topic_row import Policy, Topic
    from ibkr_async.types import ContractLike
    from ibkr_async.world import World

_BEYOND_64_BITS: Final = 2**63
_PARTIAL_UPDATES: Final = 1_000
"""Default capacity where messages can be merged."""
_EVERY_MESSAGE: Final = 10_000
"""Default capacity where each message counts: a week of executions is replayed in one burst."""


class LadderTarget(NamedTuple):
    """What a ladder is asked for with."""

    account: str | None
    contract: ContractLike
    exchange: str | None


class Upstream:
    """Where all feeds of one client ask: the engine, and who knows contracts and the account."""

    def __init__(
        self,
        engine: Multiplexer,
        *,
        world: World,
        resolve: Callable[..., Awaitable[Sequence[tuple[int, str]]]],
        account: Callable[[], Awaitable[str]],
    ) -> None:
        """`resolve` turns what means contracts into (conid, symbol) pairs, in the same order."""
        self.engine = engine
        self.clock = world.clock
        self.resolve = resolve
        self.account = account

    async def spell(self, topic: Topic, targets: Sequence[Any]) -> list[str]:
        """Return targets as IBKR writes them, looking up what must be looked up."""
        spelled = [spelling(topic, target) for target in targets]
        if None not in spelled:
            return [one for one in spelled if one is not None]
        if topic.target is Target.ACCOUNT:
            account = await self.account()
            return [account if one is None else one for one in spelled]
        if topic.target is Target.ACCOUNT_AND_CONTRACT:
            return [await self._spell_ladder(target) for target in targets]
        unknown = [target for target, one in zip(targets, spelled, strict=True) if one is None]
        found = iter(await self.resolve(*unknown))
        return [str(next(found)[0]) if one is None else one for one in spelled]

    async def _spell_ladder(self, target: LadderTarget) -> str:
        account = target.account or await self.account()
        conid = _spell_contract(target.contract)
        if conid is None:
            ((found, _),) = await self.resolve(target.contract)
            conid = str(found)
        return _join(account, conid, target.exchange)


def spelling(topic: Topic, target: Any) -> str | None:
    """Return a target as IBKR writes it; None when that must be looked up."""
    if topic.target is Target.CONTRACT:
        return _spell_contract(target)
    if topic.target is Target.ACCOUNT_AND_CONTRACT:
        conid = _spell_contract(target.contract)
        if target.account is None or conid is None:
            return None
        return _join(target.account, conid, target.exchange)
    return None if target is None else str(target)


def _spell_contract(contract: ContractLike) -> str | None:
    if isinstance(contract, str):
        return contract if Target.CONTRACT.value.fullmatch(contract) else None
    conid = whole(getattr(contract, "conid", contract))
    if conid is None or not 0 < conid < _BEYOND_64_BITS:
        raise UsageError(f"{contract!r} has no conid; resolve it first")
    return str(conid)


def _join(account: str, conid: str, exchange: str | None) -> str:
    return "+".join([account, conid, *([exchange] if exchange else [])])


class Subscription(Listener, Line):
    """A feed's line to the stream."""

    __slots__ = ("_growing", "_pattern", "_targets", "_upstream", "wishes")

    must_be_opened = True

    def __init__(
        self,
        upstream: Upstream,
        pattern: Wish,
        wishes: Sequence[Wish],
        targets: Sequence[Any] = (),
        *,
        growing: bool = False,
        buffer: int | None = None,
        policy: Policy | None = None,
    ) -> None:
        """Want `wishes`, and on opening what `pattern` is for each of `targets`, which are looked up.

        Errors: `UsageError` for what cannot be asked.
        """
        self._upstream = upstream
        # One object in place of two, of which there may be a thousand.
        self._pattern = wishes[0] if wishes else pattern
        self._targets: tuple[Any, ...] | None = tuple(targets)
        """What must be looked up on opening; None once it is open."""
        self._growing = growing
        self.wishes = tuple(wishes)
        _check(self.wishes)
        first = self.wishes[0].key if wishes else f"{pattern.topic.code}+{targets[0]}"
        more = len(self.wishes) + len(targets) - 1
        name = f"{first} and {more} more" if more else first
        super().__init__(make_buffer(name, pattern.topic, buffer, policy))

    @property
    def topics(self) -> tuple[str, ...]:
        """What is subscribed to."""
        return tuple(wish.key for wish in self.wishes)

    async def open(self) -> None:
        """Look up what must be looked up, and subscribe."""
        wishes = [*self.wishes, *await self._wishes_for(self._targets or ())]
        _check(wishes)
        if wishes:
            self._upstream.engine.subscribe(self, wishes)
        self.wishes, self._targets = tuple(wishes), None

    def close(self) -> None:
        """Unsubscribe."""
        self._upstream.engine.release(self)

    @property
    def served(self) -> bool:
        """True while the server serves all of it."""
        return self._upstream.engine.serves(self)

    async def changed(self) -> None:
        """Wait until something has happened that may change what is served."""
        await self._upstream.engine.changed()

    async def add(self, targets: Sequence[Any]) -> None:
        """Subscribe to more."""
        if not self._growing:
            await super().add(targets)
        wishes = await self._wishes_for(targets)
        _check([*self.wishes, *wishes])
        if self._targets is None:
            self._upstream.engine.subscribe(self, wishes)
        self.wishes += tuple(wishes)

    async def remove(self, targets: Sequence[Any]) -> None:
        """Unsubscribe from some."""
        if not self._growing:
            await super().remove(targets)
        keys = [wish.key for wish in await self._wishes_for(targets)]
        absent = sorted(set(keys) - set(self.topics))
        if absent:
            raise UsageError(f"{', '.join(absent)} is not part of {self.buffer.name}")
        if self._targets is None:
            self._upstream.engine.unsubscribe(self, keys)
        self.wishes = tuple(wish for wish in self.wishes if wish.key not in keys)

    async def _wishes_for(self, targets: Sequence[Any]) -> list[Wish]:
        spelled = await self._upstream.spell(self._pattern.topic, targets) if targets else ()
        return [self._pattern.for_target(one) for one in spelled]


def split(pattern: Wish, targets: Sequence[Any]) -> tuple[list[Wish], list[Any]]:
    """Return the wishes for the targets that IBKR would understand as they are, and the other targets."""
    spelled = [(target, spelling(pattern.topic, target)) for target in targets]
    wishes = [pattern.for_target(one) for _, one in spelled if one is not None]
    return wishes, [target for target, one in spelled if one is None]


def _check(wishes: Sequence[Wish]) -> None:
    """Refuse targets that would not be understood, and the same topic twice. Errors: `UsageError`."""
    for wish in wishes:
        wish.topic.check_target(wish.target)
    for twice, times in Counter(wish.key for wish in wishes).most_common(1):
        if times > 1:
            raise UsageError(f"{twice} is twice in one feed")


def make_buffer(
    name: str, topic: Topic, capacity: int | None = None, policy: Policy | None = None
) -> Buffer[Any]:
    """Make a buffer for items of a topic, by default as its row says. Errors: `UsageError`."""
    chosen = topic.policy if policy is None else policy
    if chosen not in POLICIES:
        raise UsageError(f"policy={policy!r}: choose one of {', '.join(POLICIES)}")
    if chosen == "conflate" and topic.merge is None:
        raise UsageError(f"messages of {topic.code!r} cannot be merged; choose another policy")
    if capacity is None:
        capacity = _EVERY_MESSAGE if chosen == "fail" else _PARTIAL_UPDATES
    room = whole(capacity) or 0
    if room < 1:
        raise UsageError(f"buffer={capacity!r}: at least one message must be able to wait")
    return Buffer(
        name,
        policy=chosen,
        capacity=room,
        identify=_identify_by(topic.identity),
        merge=topic.merge or replace,
    )


@cache
def _identify_by(names: tuple[str, ...]) -> Callable[[Any], Hashable]:
    return attrgetter(*names) if names else _nothing


def _nothing(_item: Any) -> Hashable:
    return None
