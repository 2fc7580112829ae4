"""Commit what is finished and nothing beyond: the rule that both transports share.

Stock faust 0.15.3 commits past messages that nobody acknowledged: it compares the lowest acknowledged offset with
the committed one by an inequality that is off by one, and not at all while nothing is committed (upstream issue
606). Here an offset is committed only when every offset handed out before it has been acknowledged.
"""

import asyncio
import contextlib
from collections import defaultdict, deque
from typing import Any

from faust.transport.consumer import Consumer, ensure_TPset
from faust.types import TP, Message
from faust.types.tuples import ack_lock

PRIVATE = ("_acked", "_acked_index", "_committed_offset", "_read_offset", "_new_offset", "_add_gap")


class ContiguousCommits(Consumer):
    """A faust consumer that remembers which offsets it handed out. Mix in before a driver's consumer.

    The driver calls `_hand_out` for every message. Offsets may have holes (compaction, transaction markers): only
    what was handed out counts.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._delivered: defaultdict[TP, deque[int]] = defaultdict(deque)  # handed out, not yet committed, ascending
        super().__init__(*args, **kwargs)
        if lacking := [name for name in PRIVATE if not hasattr(self, name)]:
            raise RuntimeError(f"this faust has no Consumer.{lacking[0]}: deploy/transport was written for 0.15.3")

    def _hand_out(self, tp: TP, offset: int) -> None:
        delivered = self._delivered[tp]
        if delivered and offset <= delivered[-1]:  # the partition was rewound: everything from here comes again
            self._forget({tp})
            self._read_offset[tp] = offset  # else faust drops what it has read before, and nobody ever acks it
            delivered = self._delivered[tp]
        delivered.append(offset)

    def _forget(self, tps: set[TP]) -> None:
        for tp in tps:
            for ledger in (self._delivered, self._acked, self._acked_index):
                ledger.pop(tp, None)

    def ack(self, message: Message) -> bool:
        """Count the message as finished, unless its partition has since been revoked, rewound or committed past."""
        delivered = self._delivered.get(message.tp)
        current = message.generation_id == self.app.consumer_generation_id
        if not current or not delivered or message.offset < delivered[0]:
            self._unacked_messages.discard(message)
            return False
        return super().ack(message)

    def _new_offset(self, tp: TP) -> int | None:
        """The offset to commit: one after the unbroken run of acknowledged ones; None when the run is empty."""
        with ack_lock:
            delivered, acked, last = self._delivered.get(tp), self._acked_index[tp], None
            while delivered and delivered[0] in acked:
                last = delivered.popleft()
                acked.discard(last)
            if last is None:
                return None
            self._acked[tp] = list(acked)
            return last + 1

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Holes need no book-keeping here, and faust's would grow for ever."""

    async def perform_seek(self) -> None:
        """Return to the committed offsets; what was handed out since comes again."""
        self._forget(set(self._delivered) | set(self._acked))  # first, so that nothing handed out meanwhile is missed
        await super().perform_seek()

    async def commit_and_end_transactions(self) -> None:
        """The last commit of a stopping consumer. faust skips it when another one happens to be under way."""
        await self.maybe_wait_for_commit_to_finish()
        await super().commit_and_end_transactions()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit what is finished while the partitions are still ours, then forget them."""
        if revoked:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.commit_and_end_transactions(), self.app.conf.broker_session_timeout / 2)
        self._forget(ensure_TPset(revoked))
        await super().on_partitions_revoked(revoked)
