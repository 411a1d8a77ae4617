"""Locks, workspaces and files that are whole or not there: with processes that live, are killed, or find the disk full."""

import errno
import os
import sys
from pathlib import Path

import pytest
from processes import kill, started

import zoo
from zoo import files, names

# Says so when it holds what it should, then waits until its input ends.
HOLD = """
import sys
from pathlib import Path
from zoo import files
path = Path(sys.argv[1])
{}
print("ready", flush=True)
sys.stdin.read()
"""
WHAT = {
    "a lock": "lock = files.Lock(path)",
    "a workspace": "scope = files.workspace(path); scope.__enter__().joinpath('half').write_text('x')",
}


@pytest.fixture
def holder():
    """Starts a process that holds a lock or a workspace: (what, path) → the process."""
    with started() as start:
        yield lambda what, path: start(HOLD.format(WHAT[what]), path)


@pytest.fixture
def full(monkeypatch):
    """Makes the disk full for files of a name: what was written does not reach it."""

    def become(*names):
        def sync(path):
            if path.name in names:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(files, "_sync", sync)

    return become


def test_a_lock_ends_with_its_process(tmp_path, holder):
    process = holder("a lock", tmp_path / "lock")
    with pytest.raises(BlockingIOError):
        files.Lock(tmp_path / "lock")
    kill(process)
    assert (tmp_path / "lock").exists()
    with files.Lock(tmp_path / "lock") as lock:
        assert lock.held
    assert not lock.held
    assert not list(tmp_path.iterdir())


def test_a_lock_is_taken_again_when_its_file_went_with_its_holder(tmp_path):
    """Whoever has opened the file by then must not take the old one for a lock, since the next one makes a new file."""
    first = files.Lock(tmp_path / "lock")
    descriptor = os.open(tmp_path / "lock", os.O_RDWR)
    first.release()
    assert not files._same(descriptor, tmp_path / "lock")
    with files.Lock(tmp_path / "lock"):
        assert not files._same(descriptor, tmp_path / "lock")
        with pytest.raises(BlockingIOError):
            files.Lock(tmp_path / "lock")
    os.close(descriptor)


def test_without_locks_nobody_is_kept_out_and_nothing_swept(tmp_path, monkeypatch):
    """As on some network file systems."""

    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", flock)
    with files.workspace(tmp_path / "x") as one, files.workspace(tmp_path / "x") as other:
        assert one.is_dir()
        assert other.is_dir()
    assert not list(tmp_path.iterdir())


def test_workspaces_of_live_processes_are_left_alone_those_of_killed_ones_swept(tmp_path, holder):
    alive, killed = holder("a workspace", tmp_path / "x"), holder("a workspace", tmp_path / "x")
    kill(killed)
    (tmp_path / ".y-abcdefgh").mkdir()  # killed between making and locking it
    (tmp_path / ".z-abcdefgh").mkdir()
    (tmp_path / ".z-abcdefgh" / "someone's").write_text("no workspace of ours")
    with files.workspace(tmp_path / "x"):
        (left,) = tmp_path.glob(".x-*/half")
        assert not (tmp_path / ".y-abcdefgh").exists()
    assert left.exists()
    kill(alive)
    files.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".z-abcdefgh"]


def test_a_workspace_swept_before_it_was_locked_is_made_anew(tmp_path, monkeypatch):
    made = []

    def mkdtemp(**arguments):
        made.append(original(**arguments))
        if len(made) == 1:
            os.rmdir(made[0])
        return made[-1]

    original = files.tempfile.mkdtemp
    monkeypatch.setattr(files.tempfile, "mkdtemp", mkdtemp)
    with files.workspace(tmp_path / "x") as directory:
        assert str(directory) == made[1]


@pytest.mark.parametrize("name", ["a [1] \n.txt", "ü" * 125 + ".txt"])
def test_a_file_is_replaced_at_once(tmp_path, name):
    path = tmp_path / name
    files.write(path, "old")
    with files.replacing(path) as temporary:
        temporary.write_text("new")
        assert temporary.name == path.name
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    (tmp_path / "link").symlink_to(path)
    files.write(tmp_path / "link", "through a link")
    assert path.read_text() == "through a link"
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert len(list(tmp_path.iterdir())) == 2


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_full_disk_leaves_what_was_there(tmp_path, full):
    files.write(tmp_path / "a.txt", "old")
    full("a.txt")
    with pytest.raises(zoo.ZooError, match=r"a\.txt cannot be written: No space left on device\..*make space"):
        files.write(tmp_path / "a.txt", "new")
    for write in (Path.write_text, files.write):
        message = f"^{tmp_path / 'whole'} cannot be written: No space left on device"
        with pytest.raises(zoo.ZooError, match=message), files.new_directory(tmp_path / "whole") as directory:
            write(directory / "a.txt", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_real_write_that_fails(tmp_path):
    """The kernel's own limit, in place of a disk: any writer meets it, TensorFlow's too."""
    resource = pytest.importorskip("resource")
    import numpy as np
    import tensorflow as tf

    from zoo.training import state

    def record():
        with (
            files.new_directory(tmp_path / "tf") as directory,
            files.written_by_tensorflow(directory) as place,
            tf.io.TFRecordWriter(str(place / "record")) as writer,
        ):
            writer.write(bytes(10_000))

    writers = {
        "text": lambda: files.write(tmp_path / "text", "x" * 10_000),
        "npz": lambda: state.save_arrays(tmp_path / "npz", [np.zeros(10_000)], {}),
        "tf": record,
    }
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    for name, write in writers.items():
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))
        try:
            with pytest.raises(zoo.ZooError, match=f"{name} cannot be written: File too large"):
                write()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_everything_is_on_the_disk_before_it_is_renamed(tmp_path, monkeypatch):
    done = []
    fsync, rename, replace = os.fsync, os.rename, os.replace
    link = "/proc/self/fd/{}" if sys.platform == "linux" else "/dev/fd/{}"
    monkeypatch.setattr(os, "fsync", lambda fd: done.append(Path(os.readlink(link.format(fd))).name) or fsync(fd))
    monkeypatch.setattr(os, "rename", lambda *paths: done.append("rename") or rename(*paths))
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("rename") or replace(*paths))
    with files.new_directory(tmp_path / "made") as directory:
        (directory / "below").mkdir()
        (directory / "below" / "a").write_text("a")
    assert done[-2:] == ["rename", tmp_path.name]
    assert sorted(done[:-2]) == ["a", "below", "made"]
    done.clear()
    files.write(tmp_path / "b", "b")
    assert done == ["b", "rename", tmp_path.name]


def test_only_what_cannot_be_written_is_said_to_be(tmp_path):
    with pytest.raises(FileNotFoundError), files.new_directory(tmp_path / "made"):
        (tmp_path / "something that is read").read_text()
    with (
        pytest.raises(zoo.ZooError, match="made cannot be written: No such"),
        files.new_directory(tmp_path / "made") as directory,
    ):
        (directory / "no such directory" / "a").write_text("a")
    (tmp_path / "made").mkdir()
    with pytest.raises(zoo.ZooError, match="made exists already"), files.new_directory(tmp_path / "made"):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(zoo.ZooError, match=r"cannot be written: .*file is not a directory"):
        files.check_writable(tmp_path / "file" / "below" / "it")
    files.check_writable(tmp_path / "still" / "to be made")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "made"]


@pytest.mark.parametrize("name", ["plain name, Ümläut.1", "a[b", "a]", "*", "?", "back\\slash", "a\nb", "\udcff"])
def test_tensorflow_gets_plain_names(tmp_path, name):
    try:
        (tmp_path / name).mkdir()
    except OSError:
        pytest.skip("the file system has no such names")
    with files.plain(tmp_path / name) as place:
        assert place.samefile(tmp_path / name)
        assert (place == tmp_path / name) == name.startswith("plain")
        assert not set(str(place)) & set("[]*?\\\n\udcff")
    names.shown(tmp_path / name).encode("utf-8")
    assert names.shown(tmp_path / name).isprintable()
