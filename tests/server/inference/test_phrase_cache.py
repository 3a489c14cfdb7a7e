import os
from pathlib import Path

import numpy as np

from server.inference.phrase_cache import PhraseCache, phrase_key

PCM = np.arange(1_000, dtype=np.int16)


def test_what_was_put_is_got(tmp_path: Path) -> None:
    PhraseCache(tmp_path / "new").put("a", PCM)
    kept = PhraseCache(tmp_path / "new").get("a")  # another process
    assert kept is not None
    assert np.array_equal(kept, PCM)
    assert PhraseCache(tmp_path / "new").get("b") is None
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.npy"]


def test_a_damaged_file_is_as_none(tmp_path: Path) -> None:
    cache = PhraseCache(tmp_path)
    cache.put("a", PCM)
    path = tmp_path / "a.npy"
    for damaged in (b"", path.read_bytes()[:200], b"garbage"):
        path.write_bytes(damaged)
        assert cache.get("a") is None
        assert not path.exists()


def test_the_least_used_goes_first(tmp_path: Path) -> None:
    cache = PhraseCache(tmp_path, max_bytes=5_000)  # two of about 2 kB
    for age, key in ((30, "a"), (20, "b")):
        cache.put(key, PCM)
        stamp = (tmp_path / f"{key}.npy").stat().st_mtime - age
        os.utime(tmp_path / f"{key}.npy", (stamp, stamp))
    assert cache.get("a") is not None  # used: now younger than b
    cache.put("c", PCM)
    assert cache.get("b") is None
    assert cache.get("a") is not None
    assert cache.get("c") is not None


def test_the_key_tells_all_that_shapes_the_audio_apart() -> None:
    keys = {
        phrase_key(*parts)
        for parts in (
            ("v", "en", "a", 1),
            ("w", "en", "a", 1),
            ("v", "fr", "a", 1),
            ("v", "en", "b", 1),
            ("v", "en", "a", 2),
        )
    }
    assert len(keys) == 5
