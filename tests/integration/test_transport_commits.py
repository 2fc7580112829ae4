"""The commit rule itself, case by case and against a model."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faust.transport.consumer import Consumer as StockConsumer
from faust.types import TP, ConsumerMessage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.transport.app import create_app
from deploy.transport.commits import ContiguousCommits
from deploy.transport.publisher import EmbeddedPublisher, Stored
from storage.log import DiskLog
from storage.segment import LogRecord

PLACE = TP("frames", 0)
# offset committed before, offsets handed out, offsets acknowledged, offset that may be committed
D1 = {
    "the first is unfinished, the rest is done": (100, range(100, 106), range(101, 106), None),
    "nothing was ever committed": (None, range(6), range(1, 6), None),
    "the very first offset is committed": (0, range(6), range(1, 6), None),
    "a hole in the middle": (100, range(100, 110), [100, 101, 102, 104, 105], 103),
}


def stored(offset: int) -> Stored:
    return LogRecord(offset, b"k", b"v", (), 0)


@contextmanager
def consumers(folder: Path) -> Iterator[Callable[[], Any]]:
    """Makes consumers that hang on nothing: the rule needs neither a broker nor a running app."""
    log = DiskLog(folder)
    publisher = EmbeddedPublisher(log)

    def make() -> Any:
        app = create_app(broker="embedded", app_id="rule", data_dir=folder, publisher=publisher)
        app.topics._acking_topics.add(PLACE.topic)
        return app.consumer

    yield make
    log.close()


def hand_out(consumer: Any, offset: int) -> ConsumerMessage:
    message: ConsumerMessage = consumer._to_message(PLACE, stored(offset))
    message.incref()
    return message


@pytest.mark.parametrize("case", D1)
def test_nothing_is_committed_past_an_unfinished_record(case: str, tmp_path: Path) -> None:
    committed, handed_out, acked, expected = D1[case]

    async def scenario() -> None:
        with consumers(tmp_path) as make:
            consumer = make()
            consumer._committed_offset[PLACE] = committed
            messages = {offset: hand_out(consumer, offset) for offset in handed_out}
            for offset in acked:
                messages[offset].ack(consumer)
            assert consumer._new_offset(PLACE) == expected
            for message in messages.values():
                message.ack(consumer)
            assert consumer._new_offset(PLACE) == handed_out.stop

    asyncio.run(scenario())


@pytest.mark.parametrize("case", list(D1)[:3])
def test_stock_faust_commits_past_it(case: str, tmp_path: Path) -> None:
    """When this fails, faust has mended its rule: look whether ours is still needed."""
    committed, handed_out, acked, _ = D1[case]

    async def scenario() -> None:
        with consumers(tmp_path) as make:
            consumer = make()
            consumer._committed_offset[PLACE] = committed
            messages = {offset: hand_out(consumer, offset) for offset in handed_out}
            for offset in acked:
                messages[offset].ack(consumer)
            assert StockConsumer._new_offset(consumer, PLACE) == handed_out.stop

    asyncio.run(scenario())


def test_an_acknowledgement_of_an_earlier_generation_counts_for_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        with consumers(tmp_path) as make:
            consumer = make()
            old = hand_out(consumer, 5)
            await ContiguousCommits.on_partitions_revoked(consumer, {PLACE})
            consumer.app.consumer_generation_id += 1
            new = hand_out(consumer, 5)
            assert not old.ack(consumer)
            assert consumer._new_offset(PLACE) is None
            assert new.ack(consumer)
            assert consumer._new_offset(PLACE) == 6

    asyncio.run(scenario())


def test_a_rewound_partition_is_delivered_again_not_dropped(tmp_path: Path) -> None:
    async def scenario() -> None:
        with consumers(tmp_path) as make:
            consumer = make()
            for offset in range(10):
                hand_out(consumer, offset)
                consumer._read_offset[PLACE] = offset  # as faust's drain does, which drops what is below
            hand_out(consumer, 4)
            assert consumer._read_offset[PLACE] == 4
            assert consumer._new_offset(PLACE) is None

    asyncio.run(scenario())


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("hand out"), st.integers(1, 3)),  # how far on: holes are allowed
        st.tuples(st.just("ack"), st.integers(0, 40)),
        st.tuples(st.just("commit"), st.just(0)),
        st.tuples(st.just("seek"), st.just(0)),
    ),
    max_size=120,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_a_commit_covers_finished_records_only(steps: list[tuple[str, int]], tmp_path: Path) -> None:
    async def scenario() -> None:
        with consumers(tmp_path) as make:
            consumer = make()
            handed, finished, committed, next_offset = {}, set(), 0, 0
            existing: set[int] = set()

            def commit() -> None:
                nonlocal committed
                offset = consumer._new_offset(PLACE)
                if offset is not None:
                    assert offset > committed
                    committed = offset
                assert {o for o in existing if o < committed} <= finished

            for step, number in steps:
                if step == "hand out":
                    again = [o for o in sorted(existing) if o >= next_offset]  # after a seek: the same ones
                    offset = again[0] if again else next_offset + number - 1
                    handed[offset] = hand_out(consumer, offset)
                    existing.add(offset)
                    next_offset = offset + 1
                elif step == "ack" and handed:
                    offset = sorted(handed)[number % len(handed)]
                    finished.add(offset)
                    handed[offset].ack(consumer)
                elif step == "commit":
                    commit()
                elif step == "seek":
                    consumer._forget({PLACE})
                    next_offset, handed = committed, {}
            for offset in sorted(o for o in existing if o >= committed):
                if offset >= next_offset:
                    handed[offset] = hand_out(consumer, offset)
            for offset, message in handed.items():
                finished.add(offset)
                message.ack(consumer)
            commit()
            assert committed == (max(existing) + 1 if existing else 0)

    asyncio.run(scenario())
