"""Pushes and pulls through a Hub that fails at random: nothing may be lost, and nothing half be loaded.

    python -m stress.hub --tries 300

Each try publishes a run on a Hub on this machine, often over an older commit, and pulls it, while requests are refused,
dropped, cut, slowed, altered, overtaken by another commit or no longer permitted. After each of the two the run folder
must be the same to the byte, each commit whole, what was loaded one that was committed; what failed must have said
so in one sentence, and go through when it is done again in peace.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import tyro
from helpers import hub_server
from helpers.hub_client import CLIENT, ID, Client, HubClient, make_checkpoint
from helpers.hub_faults import altered, cut, foreign, silent, slow
from helpers.hub_store import Hub

import pretrained
from pretrained import checkpoint
from pretrained.hub.errors import RETRY_POLICY

ALICE, BOB = "hf_alice_writes", "hf_bob_writes"
PUBLISHED = (checkpoint.MODEL, checkpoint.CONFIG, checkpoint.CARD, checkpoint.SAMPLES)
WRITES = ("POST /api/repos/create", "POST .*/preupload/", "POST .*/commit/")
TRANSFERS = {
    False: ("POST .*/objects/batch", "PUT /lfs/upload/", "POST /lfs/verify/"),
    True: ("GET .*/xet-write-token/",),
}
ASKS = ("GET /api/models/",)
READS = {False: ("HEAD .*/resolve/", "GET .*/resolve/"), True: ("HEAD .*/resolve/", "GET .*/xet-read-token/")}
EVER = 99  # times


@dataclass(frozen=True)
class Options:
    """How hard to try."""

    tries: int = 300
    """Each is a push and a pull, and both again in peace."""
    seed: int = 0
    """Of what goes wrong."""
    speed: float = 20
    """How many times shorter than a user's the waits between attempts are."""
    longest: float = 150
    """Seconds after which a push or a pull counts as lost."""


def expire(hub: Hub, token: str) -> None:
    hub.tokens.pop(token, None)


def make_private(hub: Hub, token: str) -> None:
    hub.repos[f"models/{ID}"]["private"] = True


def forbid_writing(hub: Hub, token: str) -> None:
    hub.tokens[token]["role"] = "read"


def edit_card(hub: Hub, token: str) -> None:
    hub.edit(ID, checkpoint.CARD, b"In that very second.")


# What goes wrong with a request of either kind, and with those alone that send or bring files.
ALWAYS = {
    "429, Retry-After": {"status": 429, "Retry_After": "1"},
    "429, in an hour": {"status": 429, "Retry_After": "3600"},
    "500": {"status": 500},
    "502": {"status": 502},
    "503, Retry-After": {"status": 503, "Retry_After": "1"},
    "connection dropped": {},
    "answer lost": {"when": "after"},
    "answer cut": {"send": cut},
    "answer slow": {"send": slow},
    "answer silent": {"send": silent},
    "answer foreign": {"send": foreign},
}
UPLOAD = {"upload dropped": {"when": "upload"}, "upload refused": {"when": "upload", "status": 500}}
DOWNLOAD = {"digest wrong": {"send": altered}}
MEANWHILE_PUSH = {"token expires": expire, "token becomes read-only": forbid_writing, "another commit": edit_card}
MEANWHILE_PULL = {"token expires": expire, "turns private": make_private, "another commit": edit_card}


def arrange(hub: Hub, dice: random.Random, xet: bool, pushing: bool) -> str:
    """Let something go wrong with what comes next -> what it is called."""
    meanwhile = MEANWHILE_PUSH if pushing else MEANWHILE_PULL
    routes = [*ASKS, *(WRITES + TRANSFERS[xet] if pushing else READS[xet])]
    uploads = [route for route in routes if route.startswith("P")]
    downloads = [route for route in routes if "resolve" in route and route.startswith("GET")]
    name = dice.choice([*ALWAYS, *(UPLOAD if pushing else DOWNLOAD if downloads else ()), *meanwhile])
    if name in meanwhile:
        route, token = dice.choice(routes), ALICE if pushing else BOB
        hub.before(route, lambda: f"models/{ID}" in hub.repos and meanwhile[name](hub, token))
    else:
        how = (ALWAYS | UPLOAD | DOWNLOAD)[name]
        route = dice.choice(uploads if name in UPLOAD else downloads if name in DOWNLOAD else routes)
        hub.fail(route, times=dice.choice((1, 1, 2, EVER)), **{"status": 0, **how})
    return name


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def half_commits(hub: Hub, versions: list[Path]) -> Iterator[str]:
    """What is wrong with the commits of the repository: each after the first holds all files of one version."""
    for commit in hub.repos.get(f"models/{ID}", {"commits": [None]})["commits"][1:]:
        there = {name: hub.read(entry) for name, entry in commit["files"].items()}
        if commit["message"].startswith("Update") and checkpoint.MODEL not in there:
            continue  # somebody wrote a card before anything was published
        wholes = (
            {name: (folder / name).read_bytes() for name in PUBLISHED if name != checkpoint.CARD} for folder in versions
        )
        if checkpoint.CARD not in there or not any(whole.items() <= there.items() for whole in wholes):
            yield f"{commit['message']!r} holds {sorted(there)}, not those of one version"


class Bench:
    """A Hub that fails, and two programs that use it, by git-LFS and by Xet."""

    def __init__(self, options: Options, hub: Hub, folder: Path, clients: dict[bool, Client]):
        self.options, self.hub, self.clients = options, hub, clients
        self.dice = random.Random(options.seed)
        self.versions = [make_checkpoint(folder / f"run{seed}", seed) for seed in range(2)]
        for version in self.versions:
            (version / "log.jsonl").write_text("nobody's business")
        self.drawn = [pretrained.load(str(version), "cpu").sample([7]).tolist() for version in self.versions]
        self.rows: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(int))
        self.problems: list[str] = []

    def timed(self, client: Client, expression: str, token: str, named: str) -> dict:
        """Ask, and count what became of it."""
        start, asked = time.monotonic(), len(self.hub.requests)
        answer = client.ask(expression, token)
        seconds, row = time.monotonic() - start, self.rows[named]
        row["tries"] += 1
        row["refused"] += "error" in answer
        if "crash" in answer:
            self.note(named, [answer["crash"]])
        row["seconds at most"] = max(row["seconds at most"], round(seconds, 1))
        row["requests at most"] = max(row["requests at most"], len(self.hub.requests) - asked)
        if seconds > self.options.longest:
            self.problems.append(f"{named}: {seconds:.0f} s")
        return answer

    def heal(self) -> None:
        self.hub.faults.clear()
        self.hub.tokens.update({ALICE: {"name": "alice", "role": "write"}, BOB: {"name": "bob", "role": "write"}})

    def push(self, client: Client, version: Path, xet: bool) -> None:
        push = f"hub.push(Path({str(version)!r}), {ID!r})"
        before = contents(version)
        named = f"push: {arrange(self.hub, self.dice, xet, pushing=True)}"
        answer = self.timed(client, push, ALICE, named)
        wrong = [*half_commits(self.hub, self.versions)]
        self.heal()
        if "error" in answer:
            if "\n" in answer["error"] or "repeat with" not in answer["error"]:
                wrong.append(answer["error"])
            again = client.ask(push)
            wrong += [f"again: {again}"] if "value" not in again else []
        wrong += half_commits(self.hub, self.versions)
        if self.hub.content(ID, checkpoint.MODEL) != before[checkpoint.MODEL]:
            wrong.append("what was pushed is not on the Hub")
        if contents(version) != before:
            wrong.append("the run folder has changed")
        self.note(named, wrong)

    def pull(self, client: Client, wanted: int, xet: bool) -> None:
        if self.dice.random() < 0.5:
            shutil.rmtree(client.home / "hub", ignore_errors=True)
        commit = self.hub.head(f"models/{ID}")["oid"]
        id = ID if self.dice.random() < 0.7 else f"{ID}@{commit}"
        draw = f"pretrained.load({id!r}, 'cpu').sample([7]).tolist()"
        spoilt = self.dice.random() < 0.3 and self.spoil(client)
        named = f"pull: {arrange(self.hub, self.dice, xet, pushing=False)}{', cache damaged' * bool(spoilt)}"
        answer = self.timed(client, draw, BOB, named)
        self.heal()
        self.hub.repos[f"models/{ID}"]["private"] = False
        wrong = []
        if "error" in answer:
            wrong += [answer["error"]] if "\n" in answer["error"] else []
        elif "value" in answer and answer["value"] not in (self.drawn if id == ID else [self.drawn[wanted]]):
            wrong.append("what was loaded was never pushed")
        again = client.ask(draw, BOB)
        if again.get("value") != self.drawn[wanted]:
            wrong.append(f"again: {again.get('error', again.get('crash', 'another model'))}")
        self.note(named, wrong)

    def spoil(self, client: Client) -> bool:
        """Damage a large file in the cache, as a full disk or a killed program might -> whether there was one."""
        blobs = [path for path in (client.home / "hub").glob("models--*/blobs/*") if len(path.name) == 64]
        for blob in blobs:
            data = blob.read_bytes()
            blob.write_bytes(self.dice.choice((b"".join(altered(data)), data[: len(data) // 2])))
        return bool(blobs)

    def note(self, named: str, wrong: list[str]) -> None:
        self.rows[named]["lost"] += bool(wrong)
        self.problems += [f"{named}: {problem}" for problem in wrong]

    def once(self) -> None:
        """One try."""
        xet = self.dice.random() < 0.3
        client, wanted = self.clients[xet], self.dice.randrange(2)
        self.hub.reset()
        shutil.rmtree(client.home / "hub", ignore_errors=True)
        if self.dice.random() < 0.5:
            client.push(self.versions[1 - wanted])
            client.pull()
        self.push(client, self.versions[wanted], xet)
        self.pull(client, wanted, xet)


@contextlib.contextmanager
def program(hub: Hub, home: Path, xet: bool, speed: float) -> Iterator[Client]:
    """A process that uses the Hub, with the waits of a user, or shorter."""
    log = home / "stderr"
    home.mkdir()
    environment = HubClient(hub, home).env | {"HF_HUB_DISABLE_XET": str(int(not xet))}
    with (
        log.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, "-c", CLIENT], env=environment, stdin=-1, stdout=-1, stderr=stderr, text=True
        ) as process,
    ):
        client = Client(hub, process, log, home)
        for purpose, patience in RETRY_POLICY.items():
            # A wait of a second, which is what our Hub asks for at least, is always granted.
            waits = tuple(max(wait / speed, 1.5 if wait == patience.waits[-1] else 0) for wait in patience.waits)
            client.ask(f"errors.RETRY_POLICY.update({purpose}=errors.RetryPolicy({waits}, {patience.even_if_lost}))")
        yield client
        process.stdin.close()


def main(options: Options) -> None:
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        hub, server = hub_server.serve(folder / "hub")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        clients = {
            xet: stack.enter_context(program(hub, folder / f"home{int(xet)}", xet, options.speed))
            for xet in (False, True)
        }
        bench = Bench(options, hub, folder, clients)
        for _ in range(options.tries):
            bench.once()
        leaked = [client.log for client in clients.values() if ALICE in client.log.read_text()]
        server.shutdown()
    for name, row in sorted(bench.rows.items()):
        print(json.dumps({"what": name, **row}))
    for problem in bench.problems:
        print(problem, file=sys.stderr)
    lost = sum(row["lost"] for row in bench.rows.values()) + len(leaked)
    total = {"tries": options.tries, "refused": sum(row["refused"] for row in bench.rows.values()), "lost": lost}
    slowest = max(row["seconds at most"] for row in bench.rows.values())
    print(json.dumps({**total, "seconds at most": slowest}))
    raise SystemExit(bool(bench.problems or leaked))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
