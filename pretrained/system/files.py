"""Atomic writes, file locks and the cache folder."""

from __future__ import annotations

import errno
import os
import re
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from pretrained.system.errors import InputError

TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}")  # as tempfile names what is written beside


def cache_folder() -> Path:
    """The cache folder: ganvas in $XDG_CACHE_HOME, or in ~/.cache."""
    if given := os.environ.get("XDG_CACHE_HOME"):
        return Path(given) / "ganvas"
    try:
        return Path.home() / ".cache" / "ganvas"
    except RuntimeError:  # a user without a home, as containers have
        return Path(tempfile.gettempdir()) / f"ganvas-{os.getuid()}"


def expanded(name: str | os.PathLike[str]) -> Path:
    """A path as a user writes it, with ~ for a home.

    Raises:
        InputError: nobody knows that home.
    """
    try:
        return Path(name).expanduser()
    except RuntimeError:
        raise InputError(f"{name} begins with a home that this system does not know: write the path out") from None


def sweep(folder: Path, known: re.Pattern[str]) -> None:
    """Delete what an interrupted `write_atomic` left of files whose names are known; nobody else may be writing."""
    for path in folder.glob(".*"):
        if (match := TEMPORARY.fullmatch(path.name)) and known.fullmatch(match["name"]) and not path.is_symlink():
            path.unlink(missing_ok=True)


def open_regular(path: Path) -> BinaryIO:
    """A file to read; a pipe, a device or a socket in its place, which could be waited for without end, is refused.

    Raises:
        InputError: it is none.
        OSError: as `open` does.
    """
    # Without O_NONBLOCK a pipe that nobody writes to would be waited for here already.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError(f"{path} is no file: a pipe, a device or a folder cannot be read")
    return open(descriptor, "rb")


def open_safetensors(path: Path) -> Any:
    """`safetensors.safe_open`, which takes only names in UTF-8: on Linux others are opened by their descriptor."""
    import safetensors

    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        with open_regular(path) as file:
            return safetensors.safe_open(f"/proc/self/fd/{file.fileno()}", "pt")
    return safetensors.safe_open(path, "pt")


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Write a temporary file beside `path`, flush it to disk and rename it: readers see the old file or the new one.

    Raises:
        InputError: the folder is not writable, or the disk is full; the old file is unchanged.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:40]}.", delete=False) as file:
            temporary = Path(file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: Exception, remedy: str = "choose another folder") -> InputError:
    """The error for a folder without write permission, a full or read-only disk or a file system without locks."""
    return InputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}; free some space or {remedy}")


def full_output(error: OSError) -> str:
    """The error text if standard output is a file on a full disk; any other error is raised again.

    Raises:
        SystemExit: the reader of standard output, such as `head`, has ended; nothing is left to say.
    """
    if error.errno not in (errno.ENOSPC, errno.EPIPE):
        raise error
    # Otherwise Python prints another error when it closes stdout.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        sys.exit(128 + signal.SIGPIPE)
    return f"cannot write to standard output: {error.strerror}; free some space"


@contextmanager
def locked(
    path: Path, busy: str, timeout: float = 0, remedy: str = "choose another folder", patient: bool = False
) -> Iterator[None]:
    """Hold a lock on the file `path` against other processes; it is released if the process ends.

    Args:
        patient: print `busy` to stderr, and wait without a time limit.

    Raises:
        InputError: `busy`, if another process still holds it after `timeout` seconds; or the file cannot be written.
    """
    import filelock

    lock = filelock.FileLock(path, timeout=timeout)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except filelock.Timeout:
            if not patient:
                raise InputError(busy) from None
            print(f"ganvas: {busy}", file=sys.stderr)
            lock.acquire(timeout=-1)
    except (OSError, NotImplementedError) as error:  # the latter from file systems without locks
        raise cannot_write(path.parent, error, remedy) from error
    try:
        yield
    finally:
        lock.release()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
