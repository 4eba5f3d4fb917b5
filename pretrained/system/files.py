"""Writing files so that a reader never sees half of one, alone, and where those go that can be made again."""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pretrained.system.errors import InputError


def cache_folder() -> Path:
    """Where what can be made again is kept: ganvas below $XDG_CACHE_HOME, else below ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganvas"


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


def write_atomic(path: Path, data: bytes) -> None:
    """Write beside `path`, flush to the disk, rename over it: there is the old file or the new one, never a part.

    Raises:
        InputError: the folder is not writable, or the disk is full; what was there before is untouched.
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
    """The sentence for a folder that is closed, a disk that is full or read-only, a file system without locks."""
    return InputError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}; free some space or {remedy}")


def full_output(error: OSError) -> str:
    """The sentence for a disk that has no room for what is printed; any other error is raised again."""
    if error.errno != errno.ENOSPC:
        raise error
    # Without this, Python complains once more when it closes stdout.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return f"cannot write to standard output: {error.strerror}; free some space"


@contextmanager
def locked(
    path: Path, busy: str, timeout: float = 0, remedy: str = "choose another folder", patient: bool = False
) -> Iterator[None]:
    """Keep other processes out while in it: by a lock on the file `path`, which ends with the process that holds it.

    Args:
        patient: say `busy` on stderr, and wait as long as it takes.

    Raises:
        InputError: `busy`, when another process holds it for `timeout` seconds more; or it cannot be written.
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
    except (OSError, NotImplementedError) as error:  # the latter from file systems that know no locks
        raise cannot_write(path.parent, error, remedy) from error
    try:
        yield
    finally:
        lock.release()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
