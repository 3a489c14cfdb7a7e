"""A headless Chromium of our own, driven by its DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

import asyncio
import base64
import itertools
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

_START_S, _ANSWER_S = 90.0, 90.0
_FLAGS = (
    "--headless=shell",
    "--no-sandbox",
    "--no-zygote",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--remote-allow-origins=*",
    "--remote-debugging-port=0",
)


class Chrome:
    """Use as an async context manager. `errors`: what scripts threw, what the policy forbade."""

    def __init__(self, executable: str, flags: Sequence[str] = (), *, log: Path) -> None:
        self._executable, self._flags, self._log = executable, flags, log
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()
        self.errors: list[str] = []

    async def __aenter__(self) -> "Chrome":
        self._profile = Path(tempfile.mkdtemp(prefix="allo-chrome-"))
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._executable,
                *_FLAGS,
                *self._flags,
                f"--user-data-dir={self._profile}",
                "about:blank",
                stdout=log,
                stderr=log,
            )
        self._http = aiohttp.ClientSession()
        try:
            self._socket = await self._http.ws_connect(await self._address(), max_msg_size=0)
        except BaseException:
            await self.__aexit__()
            raise
        self._reading = asyncio.create_task(self._read())
        for domain in ("Page", "Runtime", "Log"):
            await self.do(f"{domain}.enable")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.terminate()
        await self._process.wait()
        await self._http.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    async def _address(self) -> str:
        """Of the first page."""
        told = self._profile / "DevToolsActivePort"
        async with asyncio.timeout(_START_S):
            while not told.exists() or not told.read_text().count("\n"):
                if self._process.returncode is not None:
                    raise RuntimeError(f"Chromium ended: {self._log.read_text(errors='replace')[-500:]}")
                await asyncio.sleep(0.1)
            port = told.read_text().split()[0]
            while True:
                async with self._http.get(f"http://127.0.0.1:{port}/json") as response:
                    for tab in await response.json():
                        if tab["type"] == "page":
                            return tab["webSocketDebuggerUrl"]
                await asyncio.sleep(0.1)

    async def _read(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            waiting = self._waiting.pop(said.get("id"), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(said)
            method, about = said.get("method"), said.get("params", {})
            if method == "Page.loadEventFired":
                self._loaded.set()
            elif method == "Runtime.exceptionThrown":
                details = about["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description") or details["text"])
            elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning"):
                self.errors.append(" ".join(str(a.get("description", a.get("value"))) for a in about["args"]))
            elif method == "Log.entryAdded" and about["entry"]["level"] == "error":
                self.errors.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")

    async def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol. Raises RuntimeError when it fails."""
        number = next(self._numbers)
        waiting = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(_ANSWER_S):
            said = await waiting
        if "error" in said:
            raise RuntimeError(f"{method}: {said['error']}")
        return said["result"]

    async def open(self, url: str) -> None:
        self._loaded.clear()
        await self.do("Page.navigate", url=url)
        async with asyncio.timeout(_ANSWER_S):
            await self._loaded.wait()

    async def evaluate(self, expression: str) -> Any:
        """The value of a script's expression, awaited."""
        said = await self.do("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in said:
            raise RuntimeError(said["exceptionDetails"])
        return said["result"].get("value")

    async def click(self, selector: str) -> None:
        """With the mouse, as a person, in the middle of what is to be seen of it: browsers let pages make sound only then."""
        place = f"document.querySelector({json.dumps(selector)})"
        await self.evaluate(f"{place}.scrollIntoView({{block: 'center'}})")
        box = await self.evaluate(
            f"(() => {{ const r = {place}.getBoundingClientRect(); return [(Math.max(r.left, 0) + Math.min(r.right, innerWidth)) / 2, r.y + r.height / 2]; }})()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.do("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    async def size(self, width: int, height: int) -> None:
        await self.do(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    async def shot(self, path: Path, width: int, height: int, mode: str) -> None:
        """The whole page at this width, "light" or "dark"."""
        await self.size(width, height)
        await self.do("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": mode}])
        await asyncio.sleep(0.4)  # the colours change gently
        metrics = await self.do("Page.getLayoutMetrics")
        clip = {"x": 0, "y": 0, "width": width, "height": max(height, metrics["cssContentSize"]["height"]), "scale": 1}
        said = await self.do("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(said["data"]))
