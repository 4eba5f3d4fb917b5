"""ONNX Runtime Web, which plays an ONNX file in a browser: taken from the npm registry, checked, and kept."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import io
import os
import tarfile
import urllib.request

from pretrained.system.errors import InputError
from pretrained.system.files import cache_folder, write_atomic

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
ARCHIVE = f"{PACKAGE}-{VERSION}.tgz"
# What `npm view onnxruntime-web@1.30.0 dist.integrity` says, and a lock file of npm beside "integrity".
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
REGISTRY = "https://registry.npmjs.org"
MAX_BYTES = 100_000_000
SECONDS = 60  # of silence
# The smallest build: WebAssembly alone, without WebGPU (27 MB) and WebGL. 14.2 MB of wasm are 3.7 MB as gzip, which the
# page unpacks itself, since a static host may not.
SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"


@functools.cache
def files() -> dict[str, bytes]:
    """What a page needs beside it: a script, and a gzip file of WebAssembly.

    The archive (33 MB) is downloaded once, from $NPM_CONFIG_REGISTRY if that is set; later it is found in the cache.

    Raises:
        InputError: it cannot be downloaded, or is not what it should be; says what to do.
    """
    path = cache_folder() / ARCHIVE
    archive = path.read_bytes() if path.is_file() else b""
    if not _is_whole(archive):
        archive = _download()
        write_atomic(path, archive)
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        script, wasm = (members.extractfile(f"package/dist/{name}").read() for name in (SCRIPT, WASM))
    return {SCRIPT: script, f"{WASM}.gz": gzip.compress(wasm, 9, mtime=0)}


def _download() -> bytes:
    registry = os.environ.get("NPM_CONFIG_REGISTRY") or REGISTRY
    url = f"{registry.rstrip('/')}/{PACKAGE}/-/{ARCHIVE}"
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as reply:
            archive = reply.read(MAX_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{url} cannot be downloaded ({getattr(error, 'reason', error)}): check the network, "
            f"or bring the file that `npm pack {PACKAGE}@{VERSION}` writes to {cache_folder()}"
        ) from error
    if not _is_whole(archive):
        raise InputError(f"{url} is not the {PACKAGE} {VERSION} that was published: its sha512 is another; try again")
    return archive


def _is_whole(archive: bytes) -> bool:
    digest = hashlib.sha512(archive).digest()
    return f"sha512-{base64.b64encode(digest).decode()}" == INTEGRITY
