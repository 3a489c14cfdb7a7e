"""A real browser calls a real server: Chromium opens /phone, a recorded caller is its microphone, the example agent books a slot.

    python -m tests.load.browser_phone --chrome /usr/bin/chromium --out runs/browser

Prints the transcript on the page, in the dump, and the row in the clinic's database, which must agree, and the response gaps by the
server's measure and by the page's own; leaves screenshots in the folder. Exit status 1 when they do not agree. Takes a browser, the
models, and two minutes: no part of the plain test run.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile

from pipelines.replay.dump import read_dump
from server.caller.host import Host
from tests.load.chrome import Chrome

CLIPS = Path(__file__).parents[2] / "server" / "caller" / "clips"
SAID = {
    "en": ("en_hours", "en_book_tuesday", "en_first_one", "en_goodbye"),
    "fr": ("fr_horaires", "fr_mardi", "fr_oui", "fr_merci"),
}
RATE = 48_000
SIZES = {"desktop": (1280, 860), "phone": (390, 844)}


def caller(language: str, path: Path, first_s: float, pause_s: float) -> float:
    """Write the caller's whole part, with silence where the agent answers; its length in seconds."""
    parts = [np.zeros(int(first_s * RATE), np.float32)]
    for name in SAID[language]:
        samples, rate = soundfile.read(CLIPS / f"{name}.wav", dtype="float32")
        at = np.arange(len(samples) * RATE // rate) * rate / RATE
        parts += [
            np.interp(at, np.arange(len(samples)), samples).astype(np.float32),
            np.zeros(int(pause_s * RATE), np.float32),
        ]
    sound = np.concatenate(parts)
    soundfile.write(path, sound, RATE, subtype="PCM_16")
    return len(sound) / RATE


async def shots(chrome: Chrome, out: Path, name: str) -> None:
    for size, (width, height) in SIZES.items():
        for mode in ("light", "dark"):
            await chrome.shot(out / f"{name}_{size}_{mode}.png", width, height, mode)
    await chrome.size(*SIZES["desktop"])


READ = """JSON.stringify({
  turns: [...document.querySelectorAll("#turns .turn")].map((li) => [li.classList.contains("caller") ? "caller" : "agent", li.dataset.text]),
  gaps: [...document.querySelectorAll("#turns .gap")].map((li) => [Number(li.dataset.gap), Number(li.dataset.ear)]),
  way: document.getElementById("way-now").textContent, state: document.body.dataset.state,
  notice: document.getElementById("notice").textContent})"""


async def run(options: argparse.Namespace) -> int:
    out: Path = options.out
    dumps, data = out / "dumps", Path(tempfile.mkdtemp(prefix="allo-browser-"))
    wav = out / "caller.wav"
    length = caller(options.language, wav, options.first, options.pause)
    arguments = ["--port", "0", "--dumps", str(dumps), *(["--config", str(options.config)] if options.config else [])]
    async with Host(arguments, log=out / "server.log", environment={"ALLO_DATA": str(data)}) as host:
        base = await host.ready()
        flags = [
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-audio-capture={wav}%noloop",
            f"--lang={options.language}",
        ]
        async with Chrome(options.chrome, flags, log=out / "chrome.log") as chrome:
            await chrome.size(*SIZES["desktop"])
            await chrome.open(f"{base}/phone")
            await shots(chrome, out, "ready")
            await chrome.evaluate(f"document.getElementById('way').value = {json.dumps(options.way)}")
            await chrome.click("#call")
            photographed = False
            async with asyncio.timeout(length + 60):
                while True:
                    await asyncio.sleep(0.5)
                    page = json.loads(await chrome.evaluate(READ))
                    if page["state"] == "over":
                        break
                    if not photographed and len(page["turns"]) >= 5 and page["state"] == "speaking":
                        photographed = True
                        await shots(chrome, out, "call")
            await shots(chrome, out, "over")
            page = json.loads(await chrome.evaluate(READ))
            errors = chrome.errors
    (folder,) = sorted(dumps.glob("*-phone-*"))[-1:]
    return report(page, folder, data / "clinic.sqlite", errors)


def report(page: dict[str, Any], folder: Path, database: Path, errors: list[str]) -> int:
    dump = read_dump(folder)
    recorded = [[turn.party, turn.text if turn.party == "caller" else turn.heard] for turn in dump.turns()]
    with sqlite3.connect(database) as books:
        rows = books.execute("SELECT start, name FROM slots WHERE name IS NOT NULL AND name != ''").fetchall()
    print(f"over {page['way']}; {page['notice'] or 'no notice'}; dump {folder}")
    for party, text in page["turns"]:
        print(f"  {party:6} {text}")
    print("page and dump agree:", page["turns"] == recorded)
    if page["turns"] != recorded:
        print("dump:", *recorded, sep="\n  ")
    print("booked:", rows)
    for gap, ear in page["gaps"]:
        print("gap: server", f"{gap:.2f} s," if gap else "not told,", "page", f"{ear:.2f} s" if ear else "not heard")
    both = [(gap, ear) for gap, ear in page["gaps"] if gap and ear]
    if both:
        print(f"median: server {median(g for g, _ in both):.2f} s, page {median(e for _, e in both):.2f} s")
    for error in errors:
        print("browser:", error)
    return 0 if page["turns"] == recorded and rows and not errors else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chrome", required=True, help="Chromium's executable; it inherits the environment")
    parser.add_argument("--out", type=Path, default=Path("runs/browser"))
    parser.add_argument("--config", type=Path, help="of the server, instead of the example agent")
    parser.add_argument("--language", choices=SAID, default="en")
    parser.add_argument("--way", choices=("auto", "webrtc", "websocket"), default="webrtc")
    parser.add_argument("--first", type=float, default=8.0, help="seconds before the caller's first words")
    parser.add_argument("--pause", type=float, default=14.0, help="seconds after each of his turns")
    options = parser.parse_args()
    (options.out / "dumps").mkdir(parents=True, exist_ok=True)
    return asyncio.run(run(options))


if __name__ == "__main__":
    sys.exit(main())
