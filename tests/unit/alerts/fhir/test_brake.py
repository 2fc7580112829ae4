"""The brake on who asks too often: many at once, then as many as the window allows."""

from hypothesis import given
from hypothesis import strategies as st

from alerts.fhir import brake
from alerts.fhir.brake import Brake
from liteheart.clock import US_PER_S

T0 = 1_700_000_000 * US_PER_S


def tried(held: Brake, key: str, now_us: int) -> bool:
    if held.wait_s(key, now_us) > 0:
        return False
    held.count(key, now_us)
    return True


def test_many_at_once_then_one_at_a_time() -> None:
    held = Brake(7, 30.0)
    assert [tried(held, "a", T0) for _ in range(9)] == [True] * 7 + [False] * 2
    assert tried(held, "b", T0)
    wait_s = held.wait_s("a", T0)
    assert 4.2 < wait_s < 4.3
    assert not tried(held, "a", T0 + round(wait_s * US_PER_S) - 1)
    assert tried(held, "a", T0 + round(wait_s * US_PER_S))
    assert [tried(held, "a", T0 + 90 * US_PER_S) for _ in range(8)] == [True] * 7 + [False]


@given(st.lists(st.integers(0, 3 * US_PER_S), max_size=80), st.integers(1, 9), st.sampled_from([1.0, 7.0, 10.0]))
def test_no_window_holds_more_than_twice_the_limit(pauses: list[int], limit: int, window_s: float) -> None:
    held, now_us, passed = Brake(limit, window_s), T0, list[int]()
    for pause in pauses:
        now_us += pause
        if tried(held, "a", now_us):
            passed.append(now_us)
        else:
            wait_us = round(held.wait_s("a", now_us) * US_PER_S)
            assert held.wait_s("a", now_us + wait_us) == 0
    for at in passed:
        assert sum(at <= other < at + window_s * US_PER_S for other in passed) <= 2 * limit


def test_it_forgets_who_was_quiet_and_does_not_grow_without_bound(monkeypatch) -> None:
    monkeypatch.setattr(brake, "_KEYS_MAX", 10)
    held = Brake(1, 60.0)
    for i in range(50):
        held.count(f"address-{i}", T0 + i)
    assert len(held._paid_us) <= 10
    assert held.wait_s("address-49", T0 + 50) > 0
