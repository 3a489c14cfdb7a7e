"""The console on a port of its own, with a real server."""

import json

import aiohttp

from server.caller.host import Host

CONFIG = """
[server]
drain_seconds = 0
console_port = 0

[[agents]]
name = "line"
kind = "echo"
"""


async def test_each_port_has_its_own(tmp_path):
    (tmp_path / "allo.toml").write_text(CONFIG)
    log = tmp_path / "server.log"
    async with Host(["--config", str(tmp_path / "allo.toml"), "--port", "0"], log=log) as host:
        carriers = await host.ready()
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        [console] = [line["url"] for line in lines if line["event"] == "console"]
        assert console != carriers
        expected = {(carriers, "/"): 404, (carriers, "/healthz"): 200, (console, "/"): 200, (console, "/healthz"): 404}
        expected |= {(console, "/twilio/voice"): 404, (console, "/metrics"): 404, (carriers, "/live/events"): 404}
        async with aiohttp.ClientSession() as http:
            for (url, path), status in expected.items():
                async with http.get(url + path) as response:
                    assert response.status == status, path
