"""Whether the other processes still run: each counts up a number that all can read, and looks at those of the others.

One that is stopped, or cut off, keeps its connections open: without a look at it, the others would wait for it for
half an hour in their next exchange.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from datetime import timedelta
from typing import NoReturn

import torch.distributed as dist

from pretrained.system.errors import as_flag, spell_arguments

LOOKS = 12  # at each of the others, in the time after which it is given up
GRACE = 25.0  # seconds from SIGTERM to the end; torchrun kills after 30
SAVED = "everything is saved up to the last snapshot: continue with `resume`"


class Watch:
    """Inside, another process that does not answer for `timeout` seconds ends this one; so does SIGTERM after GRACE.

    The main thread may then wait in an exchange, where Python runs no handler, so the process ends in place.
    """

    def __init__(self, rank: int, count: int, timeout: float):
        self.rank, self.count, self.timeout = rank, count, timeout
        self.num_silent = [0] * count  # looks at which each had not counted on; none while this process is stopped
        self.is_over = threading.Event()
        self.parent = os.getppid()

    def __enter__(self) -> None:
        self.signals, wakes = socket.socketpair()
        wakes.setblocking(False)
        self.before, self.wakes = signal.set_wakeup_fd(wakes.fileno()), wakes
        for work in (self._count_up, self._look):
            threading.Thread(target=work, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        signal.set_wakeup_fd(self.before)
        self.wakes.close()

    def _count_up(self) -> None:
        """Without an end of its own: where the holder of the numbers is stopped, a call does not return."""
        place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        numbers: dict[int, int] = {}
        try:
            store = dist.TCPStore(*place, is_master=False, timeout=timedelta(seconds=self.timeout))
            while not self.is_over.wait(self.timeout / LOOKS):
                store.add(f"ganvas/{self.rank}", 1)
                for other in range(self.count):
                    if (number := store.add(f"ganvas/{other}", 0)) != numbers.get(other):
                        numbers[other], self.num_silent[other] = number, 0
        except RuntimeError:  # it cannot be reached: all are silent
            return

    def _look(self) -> None:
        until, is_orphan = float("inf"), False
        while not self.is_over.is_set():
            signalled, _, _ = select.select([self.signals], [], [], self.timeout / LOOKS)
            if signalled and not self.signals.recv(64):
                return  # the main thread has left
            if signalled:
                until = min(until, time.monotonic() + GRACE)
                continue
            if time.monotonic() > until:
                self._end(f"stopped before a snapshot could be made; {SAVED}", 128 + signal.SIGTERM)
            if os.getppid() != self.parent and "TORCHELASTIC_RUN_ID" in os.environ and not is_orphan:
                is_orphan = True
                os.kill(os.getpid(), signal.SIGTERM)  # torchrun was killed, and cannot say so
            self.num_silent = [looks + 1 for looks in self.num_silent]
            silent = [number for number, looks in enumerate(self.num_silent) if looks >= LOOKS - 1]
            if silent and not self.is_over.is_set():
                if self.rank in silent:  # the numbers themselves cannot be reached
                    who = "torchrun" if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True" else "process 0"
                else:
                    who = f"process {' and '.join(map(str, silent))}"
                self._end(f"{who} has not answered for {self.timeout:g} s (`dist_timeout`); {SAVED}", 1)

    def _end(self, reason: str, status: int) -> NoReturn:
        print(f"ganvas: {spell_arguments(reason, as_flag)}", file=sys.stderr, flush=True)
        os._exit(status)
