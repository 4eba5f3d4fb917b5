"""A small Hugging Face Hub on this machine: the routes by which the real client publishes, lists, pulls and runs.

    cd tests && python -m helpers.hub_server --port 5050 --root /tmp/hub
    HF_ENDPOINT=http://127.0.0.1:5050 HF_TOKEN=hf_alice_writes python -m trainer --push-to-hub

It keeps repositories with their history, checks tokens, digests and parent commits, takes large files by git-LFS and
by Xet (whose store is a local folder), and fails on request. It is for tests: it has no other protection.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import json
import re
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from helpers.hub_faults import Dropped
from helpers.hub_jobs import HARDWARE, Job
from helpers.hub_store import Hub, described, pointer
from helpers.hub_wire import Refusal, drop, obey, read_body, send

REPO = r"(?P<id>[\w.-]+/[\w.-]+)"
DATE = "2026-01-01T00:00:00.000Z"
KIND = r"(?P<kind>models|datasets|spaces)"


class Handler(BaseHTTPRequestHandler):
    """One request: find its route, check who asks, answer JSON or bytes."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def handle_request(self) -> None:
        request, faults = f"{self.command} {unquote(self.path)}", self.hub.faults
        self.hub.requests.append(request)
        try:
            obey(self, faults, request, "upload")
            self.body = read_body(self)
            self.hub.bodies.append(self.body)
            obey(self, faults, request, "before")
            with self.hub.lock:
                faults.happen(request)
                answer = self._route()
            obey(self, faults, request, "after")
        except Dropped:
            drop(self)
            return
        except Refusal as refusal:
            answer = refusal.answer()
        send(self, faults, request, *answer)

    do_GET = do_HEAD = do_POST = do_PUT = handle_request

    def log_message(self, *_: Any) -> None:
        pass

    def _route(self) -> tuple[int, dict[str, str], Any]:
        parts = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        for method, pattern, action in ROUTES:
            if self.command in method and (match := re.fullmatch(pattern, parts.path)):
                answer = action(self, **{name: value and unquote(value) for name, value in match.groupdict().items()})
                return answer if isinstance(answer, tuple) else (200, {}, answer)
        raise Refusal(404, "no such route")

    def _account(self) -> dict[str, Any] | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.hub.tokens:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return self.hub.tokens.get(token)

    def _writer(self, owner: str) -> None:
        account = self._account()
        if not account:
            raise Refusal(401, "Invalid username or password.")
        if account["role"] == "read" or owner not in (account["name"], *account.get("orgs", ())):
            raise Refusal(403, "You don't have the rights to write here")

    def _repo(self, kind: str, id: str) -> dict[str, Any]:
        account, repo = self._account(), self.hub.repos.get(f"{kind}/{id}")
        if not repo or (repo["private"] and id.split("/")[0] != (account or {}).get("name")):
            raise Refusal(404 if account else 401, "Repository not found", "RepoNotFound")
        return repo

    def _commit(self, kind: str, id: str, rev: str) -> dict[str, Any]:
        for commit in reversed(self._repo(kind, id)["commits"]):
            if rev in ("main", commit["oid"]):
                return commit
        raise Refusal(404, f"Invalid rev id: {rev}", "RevisionNotFound")

    def whoami(self) -> Any:
        account = self._account()
        if not account:
            raise Refusal(401, "Invalid credentials in Authorization header")
        token = {"displayName": "test", "role": account["role"], "fineGrained": account.get("fineGrained", {})}
        orgs = [{"type": "org", "name": name, "roleInOrg": "write"} for name in account.get("orgs", ())]
        auth = {"type": "access_token", "accessToken": token}
        return {"type": "user", "name": account["name"], "orgs": orgs, "auth": auth}

    def create(self) -> Any:
        asked = json.loads(self.body)
        owner = asked.get("organization") or (self._account() or {}).get("name", "")
        self._writer(owner)
        kind, id = asked.get("type", "model") + "s", f"{owner}/{asked['name']}"
        link = {"url": f"{self.hub.url}/{'' if kind == 'models' else kind + '/'}{id}"}
        if f"{kind}/{id}" in self.hub.repos:
            return 409, {}, link | {"error": "You already created this repo"}
        self.hub.create(f"{kind}/{id}", asked.get("visibility") == "private")
        self.hub.repos[f"{kind}/{id}"]["asked"] = asked
        return link

    def validate_yaml(self) -> Any:
        card = re.match(r"---\n.*?\n---\n", json.loads(self.body)["content"], re.DOTALL)
        return {"errors": [], "warnings": [] if card else [{"message": "empty or missing yaml metadata"}]}

    def preupload(self, kind: str, id: str, rev: str) -> Any:
        self._writer(id.split("/")[0])
        files, answers = self._commit(kind, id, rev)["files"], []
        for file in json.loads(self.body)["files"]:
            large = file["path"].endswith(".safetensors") or b"\0" in base64.b64decode(file["sample"])
            there = files.get(file["path"], {})
            oid = there.get("sha256") or there.get("oid")
            mode = "lfs" if large else "regular"
            answers.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return {"files": answers}

    def lfs_batch(self, kind: str | None, id: str) -> Any:
        self._writer(id.split("/")[0])
        objects = [{"oid": file["oid"], "size": file["size"]} for file in json.loads(self.body)["objects"]]
        for file in objects:
            if not self.hub.holds(file["oid"]):
                links = {name: {"href": f"{self.hub.url}/lfs/{name}/{file['oid']}"} for name in ("upload", "verify")}
                file["actions"] = links
        return 200, {"Content-Type": "application/vnd.git-lfs+json"}, {"transfer": "basic", "objects": objects}

    def lfs_upload(self, sha256: str) -> Any:
        if hashlib.sha256(self.body).hexdigest() != sha256:
            raise Refusal(400, "the bytes do not have this digest")
        self.hub.store(self.body, sha256)
        return {}

    def lfs_verify(self, sha256: str) -> Any:
        if not self.hub.holds(sha256) or len(self.hub.read({"sha256": sha256})) != json.loads(self.body)["size"]:
            raise Refusal(404, "the object is not here whole")
        return {}

    def xet_token(self, kind: str, id: str, access: str, rev: str) -> Any:
        self._repo(kind, id)
        if access == "write":
            self._writer(id.split("/")[0])
        store, expiry = f"local://{self.hub.root}/cas", 4_000_000_000
        headers = {"X-Xet-Cas-Url": store, "X-Xet-Access-Token": "xet", "X-Xet-Token-Expiration": str(expiry)}
        return 200, headers, {"casUrl": store, "accessToken": "xet", "exp": expiry}

    def commit(self, kind: str, id: str, rev: str) -> Any:
        self._writer(id.split("/")[0])
        head = self._commit(kind, id, rev)["oid"]
        header, *operations = [json.loads(line) for line in self.body.splitlines()]
        if header["value"].get("parentCommit", head) != head:
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        changes: dict[str, Any] = {}
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "file":
                changes[value["path"]] = self.hub.store(base64.b64decode(value["content"]))
            elif operation["key"] == "deletedFile":
                changes[value["path"]] = None
            elif self.hub.holds(value["oid"]):
                changes[value["path"]] = pointer(value["oid"], value["size"])
            else:
                raise Refusal(400, f"{value['path']} was not uploaded")
        oid = self.hub.commit(f"{kind}/{id}", changes, header["value"]["summary"])
        return {"commitOid": oid, "commitUrl": f"{self.hub.url}/{id}/commit/{oid}", "success": True}

    def info(self, kind: str, id: str, rev: str | None = None) -> Any:
        repo, commit = self._repo(kind, id), self._commit(kind, id, rev or "main")
        siblings = [{"rfilename": path} | described(entry) for path, entry in commit["files"].items()]
        card = self.hub.read(commit["files"]["README.md"]).decode() if "README.md" in commit["files"] else ""
        tag = re.search(r"^pipeline_tag: (.+)$", card, re.MULTILINE)
        return {
            "id": id,
            "sha": commit["oid"],
            "private": repo["private"],
            "gated": repo["gated"],
            "tags": re.findall(r"^- (\S+)$", card.split("\n---")[0], re.MULTILINE),
            "pipeline_tag": tag and tag[1],
            "downloads": 0,
            "likes": 0,
            "siblings": siblings,
        }

    def models(self) -> Any:
        ids = [key.removeprefix("models/") for key, repo in self.hub.repos.items() if not repo["private"]]
        infos = [self.info("models", id) for id in ids if self.query.get("author") in (None, id.split("/")[0])]
        wanted = set(parse_qs(urlsplit(self.path).query).get("filter", []))
        infos = [info for info in infos if wanted <= set(info["tags"])]
        return infos[: int(self.query.get("limit", 1000))]

    def tree(self, kind: str, id: str, rev: str) -> Any:
        files = self._commit(kind, id, rev)["files"]
        return [{"type": "file", "path": path, "oid": entry["oid"]} | described(entry) for path, entry in files.items()]

    def commits(self, kind: str, id: str, rev: str) -> Any:
        self._commit(kind, id, rev)
        return [
            {"id": commit["oid"], "title": commit["message"], "message": "", "date": DATE, "authors": []}
            for commit in reversed(self._repo(kind, id)["commits"])
        ]

    def resolve(self, kind: str | None, id: str, rev: str, path: str) -> Any:
        kind = (kind or "models/").rstrip("/")
        commit = self._commit(kind, id, rev)
        if self._repo(kind, id)["gated"] and id.split("/")[0] != (self._account() or {}).get("name"):
            raise Refusal(403, f"Access to model {id} is restricted", "GatedRepo")
        if path not in commit["files"]:
            raise Refusal(404, "Entry not found", "EntryNotFound")
        entry = commit["files"][path]
        headers = {"X-Repo-Commit": commit["oid"], "ETag": f'"{entry["oid"]}"', "Accept-Ranges": "bytes"}
        if entry["sha256"]:
            headers |= {"X-Linked-Etag": f'"{entry["sha256"]}"', "X-Linked-Size": str(entry["size"])}
            if xet_hash := self.hub.xet_hash(entry["sha256"]):
                route = f"{self.hub.url}/api/{kind}/{id}/xet-read-token/{commit['oid']}"
                headers |= {"X-Xet-Hash": xet_hash, "X-Xet-Refresh-Route": route}
        if self.command == "HEAD":
            return 200, headers | {"Content-Length": str(entry["size"])}, b""
        data = self.hub.read(entry)
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(match[1]), min(len(data), int(match[2] or len(data)) + 1)
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
            return 206, headers, data[start:end]
        return 200, headers, data

    def hardware(self) -> Any:
        return HARDWARE

    def run_job(self, owner: str) -> Any:
        self._writer(owner)
        spec = json.loads(self.body)
        if spec["flavor"] not in [machine["name"] for machine in HARDWARE]:
            raise Refusal(400, "no such flavor")
        job = self.hub.jobs[f"job{len(self.hub.jobs)}"] = Job(f"job{len(self.hub.jobs)}", owner, spec)
        job.start(self.hub.url, self._volume)
        return job.info()

    def _volume(self, volume: dict[str, Any]) -> dict[str, bytes]:
        files = self._commit(f"{volume['type']}s", volume["source"], volume.get("revision", "main"))["files"]
        top = f"{volume['path']}/" if volume.get("path") else ""
        return {name.removeprefix(top): self.hub.read(files[name]) for name in files if name.startswith(top)}

    def _job(self, owner: str, job: str) -> Job:
        self._writer(owner)
        if job not in self.hub.jobs:
            raise Refusal(404, "Job not found")
        return self.hub.jobs[job]

    def job_info(self, owner: str, job: str) -> Any:
        return self._job(owner, job).info()

    def job_log(self, owner: str, job: str) -> Any:
        return 200, {"Content-Type": "text/event-stream"}, self._job(owner, job).log()


ROUTES = [
    ("GET", "/api/whoami-v2", Handler.whoami),
    ("GET", "/api/models", Handler.models),
    ("GET", "/api/jobs/hardware", Handler.hardware),
    ("POST", r"/api/jobs/(?P<owner>\w+)", Handler.run_job),
    ("GET", r"/api/jobs/(?P<owner>\w+)/(?P<job>\w+)", Handler.job_info),
    ("GET", r"/api/jobs/(?P<owner>\w+)/(?P<job>\w+)/logs", Handler.job_log),
    ("POST", "/api/repos/create", Handler.create),
    ("POST", "/api/validate-yaml", Handler.validate_yaml),
    ("POST", rf"/api/{KIND}/{REPO}/preupload/(?P<rev>[^/]+)", Handler.preupload),
    ("POST", rf"/api/{KIND}/{REPO}/commit/(?P<rev>[^/]+)", Handler.commit),
    ("GET", rf"/api/{KIND}/{REPO}/xet-(?P<access>read|write)-token/(?P<rev>[^/]+)", Handler.xet_token),
    ("GET", rf"/api/{KIND}/{REPO}/tree/(?P<rev>[^/]+)", Handler.tree),
    ("GET", rf"/api/{KIND}/{REPO}/commits/(?P<rev>[^/]+)", Handler.commits),
    ("GET", rf"/api/{KIND}/{REPO}(?:/revision/(?P<rev>[^/]+))?", Handler.info),
    ("POST", rf"/(?P<kind>datasets/|spaces/)?{REPO}\.git/info/lfs/objects/batch", Handler.lfs_batch),
    ("PUT", r"/lfs/upload/(?P<sha256>[0-9a-f]{64})", Handler.lfs_upload),
    ("POST", r"/lfs/verify/(?P<sha256>[0-9a-f]{64})", Handler.lfs_verify),
    ("GET HEAD", rf"/(?P<kind>datasets/|spaces/)?{REPO}/resolve/(?P<rev>[^/]+)/(?P<path>.+)", Handler.resolve),
]


def serve(root: Path, port: int = 0) -> tuple[Hub, ThreadingHTTPServer]:
    """A Hub and its server, ready for `serve_forever`; port 0 takes a free one."""
    hub = Hub(root.resolve())
    server = ThreadingHTTPServer(("127.0.0.1", port), type("HubHandler", (Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    return hub, server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=5050)
    parser.add_argument("--root", type=Path, default=Path(tempfile.gettempdir()) / "hub")
    arguments = parser.parse_args()
    hub, server = serve(arguments.root, arguments.port)
    print(f"{hub.url}  tokens: {', '.join(hub.tokens)}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
