"""A Chromium for the browser tests: Playwright's own, else the system's. Run as a script, it sees to one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from playwright.sync_api import Browser, Error, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# As root, without a GPU, in a container, with a camera that shows a test picture.
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--use-fake-device-for-media-stream"]
SUDO = ["sudo", "-n"] if os.geteuid() and shutil.which("sudo") else []
WAYS_TO_GET_ONE = (
    [],
    [sys.executable, "-m", "playwright", "install", "chromium"],
    [*SUDO, "apt-get", "install", "--yes", "--no-install-recommends", "chromium"],
    [*SUDO, "sh", "-c", "apt-get update && apt-get install --yes --no-install-recommends chromium"],
)


def launch(playwright: Playwright) -> Browser:
    """Start the first that runs: Playwright's own, then those of the system.

    Raises:
        playwright.sync_api.Error: none does.
    """
    reasons = []
    for path in [None, *filter(None, map(shutil.which, NAMES))]:
        try:
            return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        except Error as error:
            reasons.append(str(error))
    raise Error("no Chromium starts here: run `make test`\n" + "\n".join(reasons))


def main() -> None:
    """Try each way to get a Chromium until one starts."""
    for command in WAYS_TO_GET_ONE:
        try:
            if command:
                subprocess.run(command, check=False, timeout=600, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with sync_playwright() as playwright, launch(playwright) as browser:
                print(f"Chromium {browser.version}")
                return
        except (OSError, subprocess.TimeoutExpired, Error) as error:
            reason = error
    sys.exit(f"no Chromium for the browser tests: {reason}")


if __name__ == "__main__":
    main()
