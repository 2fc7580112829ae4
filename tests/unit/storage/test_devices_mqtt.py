"""What the registry tells an MQTT broker and the bridge behind it."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from liteheart.errors import Retryable
from liteheart.ids import DeviceId, PatientId
from storage.admissions import Admissions
from storage.devices import Devices, Grant
from storage.engine import open_engine, writing
from storage.identities import Vault
from storage.migrations import upgrade
from storage.mosquitto import mosquitto_hash
from storage.pairing import Pairing
from storage.schema import devices as table
from storage.settings import StorageSettings

NOW = 1_700_000_000_000_000
A, B, C = DeviceId("aa:bb"), DeviceId("b"), DeviceId("c")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(StorageSettings(f"sqlite:///{tmp_path}/ward.db"))
    upgrade(engine)
    yield engine
    engine.dispose()


def fits(token: str, kept: str) -> bool:
    return mosquitto_hash(token, base64.b64decode(kept.split("$")[3])) == kept


def test_a_device_is_an_account_from_its_registration_to_its_end(engine: Engine) -> None:
    registry = Devices(engine)
    first = registry.register(A, PatientId("p1"), now_us=NOW)
    token = registry.register(A, PatientId("p1"), now_us=NOW + 1)
    registry.register(B, PatientId("p2"), now_us=NOW)
    ((a, kept), (b, _)) = registry.mqtt_accounts()
    assert (a, b) == (A, B)
    assert fits(token, kept)
    assert not fits(first, kept), "an earlier token has ended"

    registry.revoke(A, NOW + 2)
    assert [device for device, _ in registry.mqtt_accounts()] == [B]
    again = registry.register(A, PatientId("p1"), now_us=NOW + 3)
    assert fits(again, dict(registry.mqtt_accounts())[A])


def test_a_device_paired_by_code_is_an_account_too(engine: Engine) -> None:
    registry, pairing = Devices(engine), Pairing(engine)
    registry.register(B, PatientId("p1"), now_us=NOW)
    code = pairing.offer(PatientId("p1"), "ada", NOW, NOW + 60_000_000)
    assert code is not None
    token = pairing.redeem(code, C, NOW + 1)
    assert fits(token, dict(registry.mqtt_accounts())[C])


def test_a_device_from_before_has_no_account_but_its_grant(engine: Engine) -> None:
    registry = Devices(engine)
    registry.register(B, PatientId("p1"), now_us=NOW)
    with writing(engine) as connection:
        connection.execute(update(table).values(mqtt_hash=None))
    assert registry.mqtt_accounts() == []
    assert registry.grants_of([B]) == {B: Grant(B, PatientId("p1"))}


def test_grants_are_of_those_asked_for_whose_token_holds(engine: Engine) -> None:
    registry = Devices(engine)
    for device, patient in ((A, "p1"), (B, "p2"), (C, "p3")):
        registry.register(device, PatientId(patient), now_us=NOW)
    registry.revoke(B, NOW)
    Admissions(engine, Vault(lambda: None)).discharge(PatientId("p3"), by="ada", now_us=NOW)
    assert registry.grants_of({A, B, C, DeviceId("stranger")}) == {A: Grant(A, PatientId("p1"))}
    assert registry.grants_of([]) == {}


def test_a_database_that_is_not_there_is_retryable() -> None:
    engine = open_engine(StorageSettings("postgresql://x@127.0.0.1:1/none"))
    with pytest.raises(Retryable):
        Devices(engine).grants_of([A])
    engine.dispose()
