"""Small models for the model store: a package index in a folder, a hub on loopback, cards that name them."""

import hashlib
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pipelines.models.card import Hub, ModelCard, ModelFile, Part, Source, Wheels
from pipelines.models.store import Step


def make_wheel(index: Path, name: str, members: dict[str, bytes]) -> None:
    """A wheel `name`==1.0 that pip accepts, with `members` in the package folder of that name."""
    stem = name.replace("-", "_")
    info = f"{stem}-1.0.dist-info"
    index.mkdir(exist_ok=True)
    with zipfile.ZipFile(index / f"{stem}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in members.items():
            wheel.writestr(f"{stem}/{path}", content)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def part(name: str, member: str, content: bytes) -> Part:
    return Part(wheel=f"{name}==1.0", member=f"{name.replace('-', '_')}/{member}", size=len(content))


def wheels(*parts: Part) -> Wheels:
    return Wheels(parts=parts)


def card(content: dict[str, bytes], sources: dict[str, Sequence[Source]], name: str = "toy") -> ModelCard:
    """A card whose files must hold `content`."""
    files = tuple(
        ModelFile(file, len(data), hashlib.sha256(data).hexdigest(), tuple(sources.get(file, ())))
        for file, data in content.items()
    )
    return ModelCard(name=name, port="stt", kind="toy", licence="MIT", files=files)


def on_hub(file: str) -> Hub:
    return Hub(repo="some/toy", path=file)


class Steps(list[Step]):
    """A progress callback that remembers."""

    def __call__(self, step: Step) -> None:
        self.append(step)

    def done(self, doing: str) -> list[str]:
        """Files that came to the end of it."""
        return [step.file for step in self if step.doing == doing and step.done == step.total]


class FakeHub:
    """`files`: what it serves, by name. `requests`: (name, Range header) of each GET. `break_after`: bytes after
    which each response is cut off. `hold`: when given, every response stops half way until it is set. `ranges`:
    whether Range is respected."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.break_after: int | None = None
        self.hold: threading.Event | None = None
        self.ranges = True
        self.url = ""


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    hub = FakeHub()

    class Responder(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def do_GET(self) -> None:
            name = self.path.rsplit("/", 1)[-1]
            hub.requests.append((name, self.headers.get("Range", "")))
            if name not in hub.files:
                self.send_error(404)
                return
            body = hub.files[name]
            first = int(self.headers.get("Range", "bytes=0-")[6:-1]) if hub.ranges else 0
            self.send_response(206 if first else 200)
            self.send_header("Content-Length", str(len(body) - first))
            self.end_headers()
            last = len(body) if hub.break_after is None else min(len(body), first + hub.break_after)
            half = (first + last) // 2
            self.wfile.write(body[first:half])
            if hub.hold is not None:
                self.wfile.flush()
                hub.hold.wait(20)
            self.wfile.write(body[half:last])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Responder)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
