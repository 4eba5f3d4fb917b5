"""What the Hub of the tests holds: repositories with their history, accounts, files, and the faults to come."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.hub_faults import Fault, Faults
from helpers.hub_jobs import Job

TOKENS = {
    "hf_alice_writes": {"name": "alice", "role": "write"},
    "hf_alice_reads": {"name": "alice", "role": "read"},
    "hf_bob_writes": {"name": "bob", "role": "write"},
}


@dataclass
class Hub:
    """The state: repositories by "models/alice/name", tokens, faults to come, requests so far, their bodies, jobs."""

    root: Path
    tokens: dict[str, dict[str, Any]] = field(default_factory=lambda: {name: dict(who) for name, who in TOKENS.items()})
    repos: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    requests: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    url: str = ""
    lock: Any = field(default_factory=threading.RLock)

    def reset(self) -> None:
        """Forget everything."""
        self.__init__(self.root, url=self.url)
        shutil.rmtree(self.root, ignore_errors=True)

    def fail(
        self,
        pattern: str,
        status: int = 0,
        times: int = 1,
        when: str = "before",
        send: Callable[[bytes], Iterable[bytes]] | None = None,
        **headers: str,
    ) -> None:
        """Make the next `times` requests whose "METHOD /path" matches `pattern` fail, as `Fault` says."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.waiting.append(Fault(pattern, status, times, named, "body" if send else when, send))

    def before(self, pattern: str, effect: Callable[[], Any]) -> None:
        """Have `effect` happen once, just before the next request that matches: somebody else was faster."""
        self.faults.effects.append((pattern, effect))

    def create(self, key: str, private: bool = False) -> None:
        self.repos[key] = {"private": private, "gated": False, "commits": []}
        self.commit(key, {".gitattributes": self.store(b"*.safetensors filter=lfs\n")}, "initial commit")

    def commit(self, key: str, changes: dict[str, dict[str, Any] | None], message: str) -> str:
        """Add one commit; a change is an entry of `store`, or None for a file to delete."""
        commits = self.repos[key]["commits"]
        files = {**(commits[-1]["files"] if commits else {}), **changes}
        files = {path: entry for path, entry in files.items() if entry is not None}
        oid = hashlib.sha1(json.dumps([key, len(commits), message, files]).encode()).hexdigest()
        commits.append({"oid": oid, "message": message, "files": files})
        return oid

    def edit(self, repo_id: str, path: str, data: bytes) -> str:
        """What a person does in the Hub's editor."""
        return self.commit(f"models/{repo_id}", {path: self.store(data)}, f"Update {path}")

    def store(self, data: bytes, sha256: str | None = None) -> dict[str, Any]:
        oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        path = self.root / "blobs" / (sha256 or oid)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return {"size": len(data), "oid": oid, "sha256": sha256}

    def read(self, entry: dict[str, Any]) -> bytes:
        path = self.root / "blobs" / (entry["sha256"] or entry["oid"])
        return path.read_bytes() if path.exists() else self._read_xet(entry)

    def head(self, key: str) -> dict[str, Any]:
        return self.repos[key]["commits"][-1]

    def content(self, repo_id: str, path: str, kind: str = "models") -> bytes:
        """A file at the newest commit."""
        return self.read(self.head(f"{kind}/{repo_id}")["files"][path])

    def holds(self, sha256: str) -> bool:
        return (self.root / "blobs" / sha256).exists() or self.xet_hash(sha256) is not None

    def xet_hash(self, sha256: str) -> str | None:
        """The Xet name of a file, found in the shards of the store: records of 48 bytes."""
        wanted = _swap(bytes.fromhex(sha256))
        for shard in (self.root / "cas" / "xet" / "xorbs" / "shards").glob("*.mdb"):
            data, at = shard.read_bytes(), 48
            while data[at : at + 32] != b"\xff" * 32:
                flags, segments = struct.unpack_from("<II", data, at + 32)
                size = 48 * (1 + segments * (1 + (flags >> 31)) + (flags >> 30 & 1))
                if flags >> 30 & 1 and data[at + size - 48 : at + size - 16] == wanted:
                    return _swap(data[at : at + 32]).hex()
                at += size
        return None

    def _read_xet(self, entry: dict[str, Any]) -> bytes:
        import hf_xet

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "file"
            with hf_xet.XetSession().new_file_download_group(endpoint=f"local://{self.root}/cas") as group:
                group.start_download_file(hf_xet.XetFileInfo(self.xet_hash(entry["sha256"]), entry["size"]), str(path))
            return path.read_bytes()


def pointer(sha256: str, size: int) -> dict[str, Any]:
    """The entry of a large file, whose git object is a pointer of three lines."""
    text = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    return {"size": size, "oid": hashlib.sha1(b"blob %d\0" % len(text) + text).hexdigest(), "sha256": sha256}


def described(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as the Hub's listings give it."""
    large = {"lfs": {"sha256": entry["sha256"], "oid": entry["sha256"], "size": entry["size"], "pointerSize": 130}}
    return {"size": entry["size"], "blobId": entry["oid"]} | (large if entry["sha256"] else {})


def _swap(digest: bytes) -> bytes:
    return b"".join(digest[at : at + 8][::-1] for at in range(0, 32, 8))
