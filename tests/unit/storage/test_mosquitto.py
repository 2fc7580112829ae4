"""The hash is the one that Mosquitto's own tool writes."""

import base64

import pytest

from storage.mosquitto import mosquitto_hash


def test_a_token_is_hashed_as_mosquitto_passwd_2_0_11_does() -> None:
    digest = "dj9dLXyXrxS7GTxnavKIOu8fYEgbPUsmSts8PiEyixWLRiATqciuS2xLiH1BvUuzKtIapkSgyJ9IeQsTnXzLIw=="
    by_the_tool = f"$7$101$3motQHbxlbI1lYcl${digest}"
    salt = base64.b64decode("3motQHbxlbI1lYcl")
    assert mosquitto_hash("lh_token", salt) == by_the_tool
    assert mosquitto_hash("lh_tokem", salt) != by_the_tool


def test_the_salt_is_drawn_anew_and_of_the_length_that_mosquitto_takes() -> None:
    assert mosquitto_hash("t") != mosquitto_hash("t")
    with pytest.raises(ValueError, match="salt"):
        mosquitto_hash("t", b"short")
