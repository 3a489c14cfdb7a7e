"""A real server with its console on loopback, and an operator who asks it."""

import json
from contextlib import asynccontextmanager

import pytest

from tests.helpers.houses import open_house


class Operator:
    """Asks the console as a browser on this machine would. `audit`: what it has written down, as (what, the rest)."""

    def __init__(self, house, http, audit) -> None:
        self.house, self.http, self._audit = house, http, audit
        self._ours = {"Origin": str(http._base_url).rstrip("/")}

    async def get(self, path, status=200, **headers) -> bytes:
        async with self.http.get(path, headers=headers, allow_redirects=False) as response:
            assert response.status == status, await response.text()
            return await response.read()

    async def post(self, path, status=303, **form) -> str:
        """Where it leads, or what is answered."""
        async with self.http.post(
            path, data=form, headers={**self._ours, "Accept": "text/html"}, allow_redirects=False
        ) as r:
            assert r.status == status, await r.text()
            return r.headers.get("Location") or await r.text()

    @property
    def audit(self) -> list[dict]:
        if not self._audit.exists():
            return []
        return [
            {k: v for k, v in json.loads(line).items() if k != "at"} for line in self._audit.read_text().splitlines()
        ]


@pytest.fixture
def open_console(tmp_path):
    @asynccontextmanager
    async def opened(**config):
        server = {"console_audit": str(tmp_path / "audit.jsonl"), **config.pop("server", {})}
        (tmp_path / "calls").mkdir(exist_ok=True)
        recording = {"enabled": True, "dir": str(tmp_path / "calls")}
        agents = [{"name": "line", "kind": "echo", "transfer_number": "4711"}]
        told = {"server": server, "recording": recording, "agents": agents, **config}
        async with open_house(told) as (house, http):
            if house.archive is not None:
                await house.archive.scanned.wait()
            yield Operator(house, http, tmp_path / "audit.jsonl")

    return opened


@pytest.fixture
def calls(tmp_path):
    """Where recordings are."""
    (tmp_path / "calls").mkdir(exist_ok=True)
    return tmp_path / "calls"
