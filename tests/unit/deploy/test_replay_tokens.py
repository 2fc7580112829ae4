"""Tokens for replayed devices come from a file: one for all, or one each."""

from pathlib import Path

import pytest

from deploy.commands.replay import Tokens
from liteheart.errors import Misconfigured
from liteheart.ids import DeviceId

A, B = DeviceId("replay-a"), DeviceId("replay-b")


def test_one_token_is_for_all_and_lines_for_each(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("lh_one\n")
    assert (Tokens.read(file).any, Tokens.read(file).of(A)) == ("lh_one", "lh_one")
    file.write_text("replay-a lh_a\n\nreplay-b\tlh_b\n")
    assert (Tokens.read(file).of(A), Tokens.read(file).of(B), Tokens.read(file).any) == ("lh_a", "lh_b", None)
    assert "lh_" not in repr(Tokens.read(file))


@pytest.mark.parametrize("content", [b"", b"a b c\n", b"one\ntwo\n", b"\xff\xfe", None])
def test_a_file_that_holds_no_tokens_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "tokens"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(Misconfigured, match="token-file"):
        Tokens.read(file)
