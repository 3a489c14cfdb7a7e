"""A real browser goes through the operators' console: Chromium, a real server, calls under way, recorded calls, one of them hostile.

    python -m tests.load.browser_console --chrome /usr/bin/chromium --out runs/console [--dumps DIR]

Signs in, listens in on a call, whispers, plays a recorded call from a click on its time line, replays it, opens the hostile one, hangs up. Leaves
screenshots of each page in light and dark, at the width of a desk and of a phone. Exit status 1 when a script threw, the content policy
was broken, or something was not as it should be. Takes a browser and a minute: no part of the plain test run.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from pipelines.audio.g711 import encode
from pipelines.frames import Encoding
from server.caller.host import Host
from server.caller.script import load_clip
from tests.helpers.recorded import save
from tests.load.chrome import Chrome
from tests.load.generator import Generator
from tests.load.raw_call import RawCall, Script, ring
from tests.server.console.test_hostile import evil

_CALLS = 4
_TOKEN = "a-token-for-operators"
_SIZES = {"desktop": (1280, 860), "phone": (390, 844)}
_CONFIG = """
[server]
drain_seconds = 0
console_audit = "audit.jsonl"
console_token = "env:CONSOLE_TOKEN"

[recording]
enabled = true
dir = "calls"
max_age_days = 0

[[agents]]
name = "front desk"
kind = "echo"
transfer_number = "+15550199"
"""


class Visit:
    """Goes through the console; `wrong`: what was not as it should be."""

    def __init__(self, chrome: Chrome, url: str, out: Path) -> None:
        self._chrome, self._url, self._out = chrome, url, out
        self.wrong: list[str] = []

    async def page(self, name: str, path: str, languages: tuple[str, ...] = ("en",)) -> None:
        """Open a page and keep what it looks like."""
        for language in languages:
            headers = {"Accept-Language": language}
            await self._chrome.do("Network.enable")
            await self._chrome.do("Network.setExtraHTTPHeaders", headers=headers)
            await self._chrome.open(self._url + path)
            await asyncio.sleep(1.5)  # what streams has come
            for size, (width, height) in _SIZES.items():
                for mode in ("light", "dark"):
                    picture = self._out / f"{name}-{language}-{size}-{mode}.png"
                    await self._chrome.shot(picture, width, height, mode)
        await self._chrome.size(*_SIZES["desktop"])

    async def until(self, what: str, expression: str, seconds: float = 30.0) -> None:
        """Wait for a script's expression to hold."""
        try:
            async with asyncio.timeout(seconds):
                while not await self._chrome.evaluate(expression):  # noqa: ASYNC110 - the page is elsewhere
                    await asyncio.sleep(0.2)
        except TimeoutError:
            self.wrong.append(what)

    async def go(self, name: str, hostile: str) -> None:
        """All of it. `name`, `hostile`: folders of recorded calls."""
        chrome = self._chrome
        await chrome.open(f"{self._url}/sign-in")
        await chrome.evaluate(f"document.querySelector('input').value = '{_TOKEN}'")
        await chrome.click("button.primary")
        await self.until("signing in led nowhere", "location.pathname === '/' && document.readyState === 'complete'")
        await self.page("list", "/", ("en", "fr"))
        live = await chrome.evaluate("document.querySelector('#live tbody a').getAttribute('href')")
        await self.page("live", live)
        await chrome.click("#listen")
        await self.until("listening in is silent", "document.getElementById('lag').textContent.includes('ms')")
        await chrome.evaluate("document.querySelector('textarea').value = 'She is a regular.'")
        await chrome.click("form[action$=note] button")
        note = "document.querySelector('form[action$=note] [role=status]').textContent"
        await self.until("the note was not taken", f"{note} === 'whispered'")
        await chrome.evaluate("window.confirm = () => true")
        await chrome.click("form[action$=hang-up] button")
        await self.until("the call did not end", "!document.getElementById('over').hidden")
        await self.page("call", f"/calls/{name}", ("en", "fr"))
        await chrome.click("#line")
        await self.until("the recording does not play", "document.getElementById('sound').currentTime > 1")
        await chrome.evaluate("document.querySelector('input[name=endpoint_ms]').value = '900'")
        await chrome.click("form[action$=replay] button")
        await self.until("the replay did not end", "document.querySelectorAll('svg.line').length === 2", 120)
        await self.page("versus", await chrome.evaluate("location.pathname"))
        await chrome.evaluate("window.hurt = 0; window.alert = () => { window.hurt = 1; }")
        await self.page("hostile", f"/calls/{hostile}")
        if await chrome.evaluate("document.scripts.length !== 1 || document.images.length !== 0"):
            self.wrong.append("the hostile call made elements of its own")


async def run(options: argparse.Namespace) -> list[str]:
    """What was wrong."""
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "allo.toml").write_text(_CONFIG)
        calls = root / "calls"
        calls.mkdir(mode=0o700)
        name = save(calls).name
        for path in sorted(options.dumps.iterdir()) if options.dumps else ():
            if (path / "meta.json").exists():
                name = shutil.copytree(path, calls / path.name, dirs_exist_ok=True).name
        hostile = save(calls, evil(), call_id="CAhostile", started=datetime(2026, 1, 1, tzinfo=UTC)).name
        arguments = ["--config", str(root / "allo.toml"), "--port", "0"]
        async with Host(arguments, log=options.out / "server.log", environment={"CONSOLE_TOKEN": _TOKEN}) as host:
            url = await host.ready()
            generator = Generator()
            try:
                script = Script(encode(load_clip("en_book_tuesday").pcm, Encoding.MULAW))
                async with aiohttp.ClientSession() as http:
                    for _ in range(_CALLS):
                        generator.add(await RawCall.dial(script, await ring(http, url)))
                flags = ("--autoplay-policy=no-user-gesture-required",)
                async with Chrome(options.chrome, flags, log=options.out / "chrome.log") as chrome:
                    visit = Visit(chrome, url, options.out)
                    await visit.go(name, hostile)
                    return [*visit.wrong, *chrome.errors]
            finally:
                generator.stop()
                for call in generator.calls:
                    call.hang_up()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chrome", default="chromium", help="the browser")
    parser.add_argument("--out", type=Path, default=Path("runs/console"), help="folder of the screenshots")
    parser.add_argument("--dumps", type=Path, help="a folder of recorded calls, to be shown too")
    wrong = asyncio.run(run(parser.parse_args()))
    print("\n".join(wrong) or "nothing was wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
