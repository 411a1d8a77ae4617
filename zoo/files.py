"""Files that are whole or not there: written aside, flushed to the disk, renamed. Locks that end with their process."""

import contextlib
import errno
import os
import re
import shutil
import tempfile
import weakref
from pathlib import Path

from zoo.errors import ZooError
from zoo.names import shown

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

# What a write may fail with that is no fault of the program: the disk is full or broken.
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
DISK = NO_SPACE | {errno.EIO, errno.EROFS}
# A rename found the name taken, by a directory that is not empty or by a file.
TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}
# A file system without locks, or without fsync of directories.
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}
_LOCK = ".zoo-lock"
_WORKSPACE = re.compile(r"\..+-\w{8}", re.DOTALL)  # a name of `tempfile.mkdtemp`


class Lock:
    """A file that one holder has at a time. The kernel takes it from a process that ends, however it ends.

    It is held until `release`, until the object is gone or until the process ends; then the file is removed.

    Attributes:
        certain: False on a file system that has no locks: nobody is kept out then.
        busy: for its holder to say that he is at work under it.

    Raises:
        BlockingIOError: if another holds it; with `wait` it waits instead.
        OSError: if the file cannot be made.
    """

    def __init__(self, path: Path, *, wait: bool = False):
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                self.certain = _lock(descriptor, wait)
                if _same(descriptor, path):
                    break
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # its last holder removed it just now
        self._descriptor, self.busy = descriptor, False
        self.release = weakref.finalize(self, _release, Path(path), descriptor, os.getpid())

    def note(self, text: str) -> None:
        """Writes who holds it into the file."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, text.encode())

    @property
    def held(self) -> bool:
        """Whether this process still has it; a fork of it has not."""
        state = self.release.peek()
        return state is not None and state[2][2] == os.getpid()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()


def _lock(descriptor: int, wait: bool) -> bool:
    try:
        if os.name == "nt":
            os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # what is locked there cannot be read, and the note should be
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            raise BlockingIOError(error.errno, error.strerror) from error
        raise
    return True


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _release(path: Path, descriptor: int, process: int) -> None:
    if os.getpid() == process:  # and not a fork of it
        with contextlib.suppress(OSError):
            os.unlink(path)
    os.close(descriptor)


@contextlib.contextmanager
def workspace(target: Path):
    """A new directory beside a path, for what is not whole yet; it is gone afterwards, and so are those of killed processes.

    Raises:
        ZooError: if it cannot be made.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        directory, lock = _locked_directory(target)
    except OSError as error:
        raise unwritable(target, error) from error
    try:
        yield directory
    finally:
        lock.release()
        shutil.rmtree(directory, ignore_errors=True)


def _locked_directory(target):
    while True:
        directory = Path(tempfile.mkdtemp(prefix=f".{target.name[:50]}-", dir=target.parent))  # a name has 255 bytes at most
        try:
            return directory, Lock(directory / _LOCK)
        except (BlockingIOError, FileNotFoundError):  # another process took it for one that was left, before it was locked
            continue
        except OSError:
            shutil.rmtree(directory, ignore_errors=True)
            raise


def sweep(parent: Path) -> None:
    """Removes what killed processes left of their workspaces below a directory."""
    try:
        names = os.listdir(parent)
    except PermissionError:  # it may be written, and not be read
        return
    for path in (parent / name for name in names if _WORKSPACE.fullmatch(name)):
        with contextlib.suppress(OSError):  # in use, another's or just gone
            if not (path / _LOCK).exists():
                path.rmdir()  # killed before it was locked, if it is one and empty
                continue
            with Lock(path / _LOCK) as lock:
                if lock.certain:
                    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def replacing(path):
    """A path to write a file to; it takes the place of `path`, at once and on the disk, when it is whole.

    Raises:
        ZooError: if it cannot be written; what was there before is as it was.
    """
    target = Path(os.path.realpath(path))
    with workspace(target) as directory:
        try:
            yield directory / target.name
            _sync(directory / target.name)
            os.replace(directory / target.name, target)
            _sync(target.parent)
        except OSError as error:
            raise unwritable(path, error) from error


def write(path, content: str | bytes) -> None:
    """Writes a file, whole or not at all; bytes in names that are not UTF-8 become the escapes of Python and JSON.

    Raises:
        ZooError: as `replacing`.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)


@contextlib.contextmanager
def new_directory(target: Path):
    """A directory aside that takes the name of the target, on the disk, when it is whole; nothing is left if something fails.

    Raises:
        ZooError: if the target exists or cannot be written.
    """
    if os.path.lexists(target):
        raise ZooError(f"{shown(target)} exists already; nothing was overwritten.")
    with workspace(target) as room:
        try:
            (room / target.name).mkdir()
            yield room / target.name
        except OSError as error:
            within = str(error.filename or room).startswith(str(room))
            if error.errno not in DISK and not within:  # of something that was read, say
                raise
            raise unwritable(target if within else error.filename, error) from error
        except ZooError as error:  # of a file within, whose name says nothing to the user
            if isinstance(error.__cause__, OSError) and shown(room) in str(error):
                raise unwritable(target, error.__cause__) from error.__cause__
            raise
        try:
            place(room / target.name, target)
        except OSError as error:
            raise unwritable(target, error) from error


def place(directory: Path, target: Path) -> None:
    """Renames a directory to its place, on the disk with all that is in it.

    Raises:
        OSError: with an `errno` of `TAKEN` if there is something of that name.
    """
    for path in [*directory.rglob("*"), directory]:
        _sync(path)
    os.rename(directory, target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    """Returns when a file, or the names in a directory, are on the disk."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no such call
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def unwritable(path, error: OSError) -> ZooError:
    """What to tell the user of a file that could not be written."""
    hint = " What was there is as it was; make space and give the same command again." if error.errno in NO_SPACE else ""
    return ZooError(f"{shown(path)} cannot be written: {error.strerror or error}.{hint}")


def check_writable(directory: Path) -> None:
    """Raises `ZooError` if nothing can be written below a directory that may be still to be made; writes nothing."""
    directory = there = Path(os.path.abspath(directory))
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise ZooError(f"{shown(directory)} cannot be written: {shown(there)} is not a directory.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ZooError(f"{shown(directory)} cannot be written: {shown(there)} is read-only, or belongs to someone else.")


@contextlib.contextmanager
def plain(directory: Path):
    """The same directory under a name that TensorFlow takes, for as long as the context lasts.

    TensorFlow reads `[`, `*`, `?` and `\\` in the path of a checkpoint as a pattern, and takes paths in UTF-8 only.
    """
    if _is_plain(directory):
        yield Path(directory)
        return
    with tempfile.TemporaryDirectory() as place:
        if not _is_plain(place):
            raise ZooError(f"TensorFlow takes neither {shown(directory)} nor {shown(place)}; set TMPDIR to a plain path.")
        link = Path(place) / "link"
        link.symlink_to(Path(directory).resolve(), target_is_directory=True)
        yield link


@contextlib.contextmanager
def written_by_tensorflow(directory: Path):
    """As `plain`, for writing: what TensorFlow says of a file there is an `OSError`, as where Python writes."""
    import tensorflow as tf

    with plain(directory) as place:
        try:
            yield place
        except tf.errors.OpError as error:
            if str(place) not in error.message:
                raise
            code = errno.ENOSPC if isinstance(error, tf.errors.ResourceExhaustedError) else errno.EIO
            raise OSError(code, error.message.split(" [Op:")[0].rpartition("; ")[2]) from error


def _is_plain(path) -> bool:
    text = Path(path).as_posix()
    return text.isprintable() and not set(text) & set("[]*?\\")
