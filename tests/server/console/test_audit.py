"""The audit log: whole lines, only added to, and nothing is done without one."""

import asyncio
import json

import pytest

from server.console.audit import Audit, AuditError


async def test_a_line_says_who_what_which_and_when(tmp_path):
    audit = Audit(tmp_path / "deep" / "audit.jsonl")
    await audit.write("ana@example.org", "transfer", call="CA1", to="•••199")
    await audit.write("token", "sign_in")
    one, two = map(json.loads, audit.path.read_text().splitlines())
    assert one.pop("at").endswith("Z")
    assert one == {"who": "ana@example.org", "what": "transfer", "call": "CA1", "to": "•••199"}
    assert (two["who"], two["what"], set(two)) == ("token", "sign_in", {"at", "who", "what"})
    assert audit.path.stat().st_mode & 0o777 == 0o600


async def test_lines_stay_lines_whatever_is_in_them_and_however_many_write(tmp_path):
    audit = Audit(tmp_path / "audit.jsonl")
    evil = 'x\n{"who":"root"}\r\u2028\ud800"'
    await asyncio.gather(*(audit.write(evil, "note", call=evil, n=n) for n in range(20)))
    lines = audit.path.read_bytes().split(b"\n")
    assert len(lines) == 21
    assert sorted(json.loads(line)["n"] for line in lines[:-1]) == list(range(20))


async def test_what_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AuditError, match="Nothing was done"):
        await Audit(tmp_path / "file" / "audit.jsonl").write("who", "what")
