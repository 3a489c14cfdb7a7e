"""Phone numbers as an address may hold them: a keyed hash, so that a search can be turned over, gone back to and sent on to a colleague, and no number stands in a
browser's history, a proxy's log or ours. The key is made at each start and written nowhere: without it nobody can count through numbers, and nothing is kept."""

import hashlib
import re
import secrets

from server.agent_config import plain_number

SHAPE = re.compile(r"[0-9a-f]{40}")
_START = 8  # characters that tell this start of the server from others


class Numbers:
    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._start = secrets.token_hex(_START // 2)

    def handle(self, number: str) -> str:
        """What stands for a number, however it is written; "" for what has no digit or letter."""
        plain = plain_number(number)
        if not any(c.isalnum() for c in plain):
            return ""
        if plain.startswith("00"):
            plain = f"+{plain[2:]}"
        return self._start + hashlib.blake2b(plain.encode(errors="replace"), key=self._key, digest_size=16).hexdigest()

    def made(self, handle: str) -> bool:
        """Whether it is of this start of the server."""
        return handle.startswith(self._start)
