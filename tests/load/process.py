"""What a process costs, from /proc (Linux), and what the server under test says of itself."""

import os
from pathlib import Path

import aiohttp

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its threads so far, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


def open_files(pid: int) -> int:
    """Open file descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))


async def gauges(url: str) -> dict[str, float]:
    """The server's metrics, by name with labels, as `/metrics` prints them."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/metrics") as response:
        text = await response.text()
    pairs = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


async def answer(http: aiohttp.ClientSession, url: str, called: str = "+15550100") -> tuple[str, dict[str, str]]:
    """Ring the server: the stream's URL and parameters from its TwiML."""
    from server.caller.twilio import parse_twiml

    form = {"CallSid": "CA" + os.urandom(16).hex(), "AccountSid": "AC", "From": "+15550123", "To": called, "CallStatus": "ringing"}
    async with http.post(f"{url}/twilio/voice", data=form) as response:
        response.raise_for_status()
        stream = parse_twiml(await response.text())
    return stream.url, stream.parameters
