import re


class Chunker:
    def __init__(self, language: str) -> None:
        self._buffer = ""

    def push(self, text: str) -> list[str]:
        self._buffer += text
        *whole, self._buffer = re.split(r"(?<=[.!?])\s+", self._buffer)
        return whole

    def finish(self) -> list[str]:
        rest, self._buffer = self._buffer.strip(), ""
        return [rest] if rest else []
