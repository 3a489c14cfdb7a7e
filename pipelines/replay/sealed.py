"""Recordings that only who has the key can read: the format of a sealed file, bytes in, bytes out.

    "allo sealed 1\\n" | name of the key, 4 bytes | salt, 16 bytes | record | record | ...
    record: its length in 4 bytes, the highest bit set in the file's last | AES-256-GCM of a stretch of the file, with the tag (16 bytes)

Each file has a cipher key of its own, HKDF-SHA256 of the recording's key, the random salt and the file's name, so that records can simply be counted: the
nonce is the record's number (11 bytes) and whether it is the last (1 byte), as in STREAM (Hoang, Reyhanitabar, Rogaway, Vizar, CRYPTO 2015). A file can be added to as it grows,
and one that ends early is read up to its last whole record. What was changed, moved, left out in the middle or renamed does not open; one cut at the end of a
record opens, and is not whole. Files are not bound to their folder: a folder may be renamed, and who can write to the disk can exchange files of two calls.
"""

import os
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pipelines.errors import ConfigError, DumpError

VARIABLE = "ALLO_RECORDING_KEY"
"""Environment variable with keys for whoever has no configuration at hand."""

_MAGIC = b"allo sealed 1\n"
_KEY, _NAME, _SALT, _LENGTH = 32, 4, 16, 4  # bytes
_HEAD = len(_MAGIC) + _NAME + _SALT
_LAST = 1 << 31

Data = bytes | bytearray


class SealedError(DumpError):
    """A file is sealed with a key that is not here."""


class Seal:
    """One file being written. Without a key it lets everything through as it is."""

    __slots__ = ("_cipher", "_count", "_head")

    def __init__(self, cipher: AESGCM | None = None, head: bytes = b"") -> None:
        self._cipher, self._head, self._count = cipher, head, 0

    def add(self, data: Data, *, last: bool = False) -> Data:
        """What the file grows by when `data` is added to it; after the `last` comes nothing."""
        if self._cipher is None or not (data or last):
            return data
        sealed = self._cipher.encrypt(_nonce(self._count, last), data, None)
        head, self._head = self._head, b""
        self._count += 1
        return b"".join((head, (len(sealed) | last * _LAST).to_bytes(_LENGTH, "big"), sealed))


class Keys:
    """Keys of 32 bytes: the first seals, each opens what it has sealed. With none, files are written plain; plain ones are read in any case."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {_name(key): key for key in keys}

    @classmethod
    def read(cls, text: str) -> "Keys":
        """Keys as 64 hexadecimal digits each, with spaces, commas or line ends between. Raises ConfigError."""
        words = text.replace(",", " ").split()
        try:
            keys = [bytes.fromhex(word) for word in words]
        except ValueError:
            keys = [b""]
        if any(len(key) != _KEY for key in keys):
            raise ConfigError("a recording's key is 64 hexadecimal digits. Make one: openssl rand -hex 32.")
        return cls(keys)

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> "Keys":
        """Raises ConfigError."""
        try:
            return cls.read(environment.get(VARIABLE, ""))
        except ConfigError as error:
            raise ConfigError(f"{VARIABLE}: {error}") from None

    def text(self) -> str:
        """As `read` takes them: a secret."""
        return " ".join(key.hex() for key in self._keys.values())

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __add__(self, others: "Keys") -> "Keys":
        return Keys([*self._keys.values(), *others._keys.values()])

    def __repr__(self) -> str:
        return f"Keys({', '.join(name.hex() for name in self._keys)})"

    def seal(self, file: str) -> Seal:
        """For a file of that name that is about to be written."""
        if not self._keys:
            return Seal()
        name, key = next(iter(self._keys.items()))
        salt = os.urandom(_SALT)
        return Seal(_cipher(key, salt, file), _MAGIC + name + salt)

    def sealed(self, data: Data, file: str) -> Data:
        """A whole file's contents."""
        return self.seal(file).add(data, last=True)

    def has_sealed(self, data: Data) -> bool:
        """Whether this is what the first key would seal."""
        return bool(self._keys) and data.startswith(_MAGIC + next(iter(self._keys)))

    def opened(self, data: bytes, path: Path) -> tuple[bytes, bool]:
        """(what was written to the file at `path`, whether that is all of it). Raises SealedError, and DumpError when it was changed."""
        if not is_sealed(data):
            return data, True
        name, salt = data[len(_MAGIC) : _HEAD - _SALT], data[_HEAD - _SALT : _HEAD]
        if len(data) < _HEAD:
            return b"", False
        if name not in self._keys:
            others = f" ({', '.join(key.hex() for key in self._keys)} given)" if self._keys else ""
            raise SealedError(
                f"{path}: sealed with the key {name.hex()}, which is not here{others}. Set recording.key or {VARIABLE}."
            )
        cipher = _cipher(self._keys[name], salt, path.name)
        found, offset, count = [], _HEAD, 0
        while len(data) - offset >= _LENGTH:
            length = int.from_bytes(data[offset : offset + _LENGTH], "big")
            last, end = bool(length & _LAST), offset + _LENGTH + (length & ~_LAST)
            if end > len(data):
                break  # torn
            try:
                found.append(cipher.decrypt(_nonce(count, last), data[offset + _LENGTH : end], None))
            except (InvalidTag, ValueError):
                raise DumpError(f"{path}: record {count} does not open: the file was changed, or is broken") from None
            if last:
                if end != len(data):
                    raise DumpError(f"{path}: something was added to the file")
                return b"".join(found), True
            offset, count = end, count + 1
        return b"".join(found), False

    def read_file(self, path: Path) -> bytes:
        """Contents of a file that was written in one go. Raises OSError, and DumpError also when some is missing."""
        data, whole = self.opened(path.read_bytes(), path)
        if not whole:
            raise DumpError(f"{path}: its end is missing")
        return data


PLAIN = Keys()


def is_sealed(data: bytes) -> bool:
    """Whether these are (the first bytes of) a sealed file."""
    return data.startswith(_MAGIC)


def _name(key: bytes) -> bytes:
    return sha256(b"allo name of a key " + key).digest()[:_NAME]


def _cipher(key: bytes, salt: bytes, file: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt, b"allo recording " + file.encode()).derive(key))


def _nonce(count: int, last: bool) -> bytes:
    return count.to_bytes(11, "big") + bytes([last])
