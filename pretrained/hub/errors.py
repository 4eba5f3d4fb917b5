"""What the Hub's failures mean: those that may pass are tried again, the others become one sentence with a remedy."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from pretrained.system.errors import InputError

LOGIN = "run `hf auth login`, or set HF_TOKEN to a token with write access from https://huggingface.co/settings/tokens"
SLOW_AFTER, MIN_RATE = 60, 1000  # seconds, and bytes per second
LONGEST = 120  # seconds after which nothing is tried again
# 412 is the answer when somebody else committed since we looked.
TRANSIENT = {408, 412, 429, 500, 502, 503, 504}

Result = TypeVar("Result")


class RetryPolicy(NamedTuple):
    """How long to go on asking a Hub that is busy or broken.

    Attributes:
        waits: seconds before each new attempt; the last is also the longest wait that a busy Hub may ask for.
        even_if_lost: also when no answer came at all.
    """

    waits: tuple[float, ...]
    even_if_lost: bool


# Whoever waits for a page wants to hear at once that there is no network; but a Hub that has just answered is there.
RETRY_POLICY = {
    "ask": RetryPolicy((0.5, 2), even_if_lost=False),
    "fetch": RetryPolicy((0.5, 2), even_if_lost=True),
    "publish": RetryPolicy((1, 4, 16, 60), even_if_lost=True),
}


def retry(action: Callable[[], Result], purpose: str = "ask") -> Result:
    """`action()`, and again as long as the Hub is busy or broken, with the PATIENCE that there is for its purpose."""
    waits, even_if_lost = RETRY_POLICY[purpose]
    start = time.monotonic()
    for wait in waits:
        try:
            return action()
        except Exception as error:
            delay = max(wait, _asked_wait(error))
            is_over = delay > waits[-1] or time.monotonic() - start + delay > LONGEST
            if is_over or not is_transient(error) or (is_lost(error) and not even_if_lost):
                raise
            time.sleep(delay)
    return action()


def raise_if_busy(response: Any) -> None:
    """Raise the error of an answer that may be another one later.

    The client would ask again by itself, and sleep for as long as the Hub asks, be it an hour.
    """
    from huggingface_hub.utils import hf_raise_for_status

    if response.status_code in TRANSIENT:
        response.read()
        hf_raise_for_status(response)


def raise_if_slow(response: Any) -> None:
    """Have the body of an answer end in an error if it comes slower than MIN_RATE: each part of it may be in time."""
    read = response.iter_raw

    def watched(chunk_size: int | None = None) -> Iterator[bytes]:
        start, count = time.monotonic(), 0
        for part in read(chunk_size):
            count += len(part)
            seconds = time.monotonic() - start
            if seconds > SLOW_AFTER and count < MIN_RATE * seconds:
                raise OSError(f"it comes slower than {MIN_RATE} bytes per second")
            yield part

    response.iter_raw = watched


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what caused it, down to the Hub's answer if there was one."""
    while error is not None:
        yield error
        error = None if _status(error) else error.__cause__


def _status(error: BaseException) -> int | None:
    from huggingface_hub.errors import HfHubHTTPError

    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def is_lost(error: BaseException) -> bool:
    """Whether no answer came: no network, no such host, a connection that broke or a time-out."""
    from huggingface_hub.errors import HTTPError

    return any(isinstance(cause, HTTPError) and not _status(cause) for cause in _causes(error))


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    return is_lost(error) or any(_status(cause) in TRANSIENT or _is_incomplete(cause) for cause in _causes(error))


def _is_incomplete(error: BaseException) -> bool:
    """Whether a file did not arrive as it was announced."""
    return type(error) is OSError and not error.errno


def _asked_wait(error: BaseException) -> float:
    """The seconds that a busy Hub asks to wait, 0 if it does not."""
    from huggingface_hub.utils import parse_ratelimit_headers

    headers = next((cause.response.headers for cause in _causes(error) if _status(cause) in TRANSIENT), {})
    if headers.get("Retry-After", "").isdigit():
        return float(headers["Retry-After"])
    limit = parse_ratelimit_headers(headers)
    return float(limit.reset_in_seconds) if limit else 0.0


@contextlib.contextmanager
def as_input_error(what: str, revision: str | None = None, remedy: str = "") -> Iterator[None]:
    """Turn each way in which the Hub can fail into an InputError; other errors pass as they are."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        causes = reversed(list(_causes(error)))
        sentence = next(filter(None, (_sentence(cause, what, revision) for cause in causes)), None)
        if sentence is None:
            raise
        raise InputError("; ".join(filter(None, (sentence, remedy)))) from error


def _sentence(error: BaseException, what: str, revision: str | None) -> str | None:
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT.split("@")[-1]
    by_class = {
        errors.OfflineModeIsEnabled: f"HF_HUB_OFFLINE=1 is set and {what} was not pulled before whole: unset it",
        errors.GatedRepoError: f"{what} is gated: accept its terms at {hub}/{what}, then {LOGIN}",
        errors.RevisionNotFoundError: f"{what} has no revision {revision!r}: see {hub}/{what}/commits/main",
        errors.RepositoryNotFoundError: f"no {what} on the Hub, or it is private: check the spelling, or {LOGIN}",
        errors.RemoteEntryNotFoundError: f"{what} has lost a file at {revision!r}: try again",
        errors.DisabledRepoError: f"{what} was disabled by the Hub",
        json.JSONDecodeError: f"what answers at {hub} is no Hub: check the network, and HF_ENDPOINT if it is set",
        UnicodeEncodeError: f"the Hugging Face token holds a character that no token has: {LOGIN}",
    }
    by_status = {
        401: f"the Hub does not know your token, or it has expired: {LOGIN}",
        403: f"your token does not permit this on {what}: {LOGIN}",
        408: "the Hub took too long: try again",
        412: f"{what} keeps changing: try again",
        429: f"the Hub asks to slow down (HTTP 429): try again in {_asked_wait(error) or 60:.0f} seconds",
    }
    for kind, sentence in by_class.items():
        if isinstance(error, kind):
            return sentence
    if status := _status(error):
        detail = " ".join((error.server_message or "")[:200].split())
        other = f"the Hub has trouble (HTTP {status}): try again later"
        return by_status.get(status, other if status >= 500 else f"the Hub refused {what} (HTTP {status}): {detail}")
    if is_lost(error):
        return f"the Hub at {hub} cannot be reached: check the network"
    if isinstance(error, (ConnectionError, TimeoutError)):
        # hf_xet has tried again on its own, for minutes.
        return "the Hub's Xet store cannot be reached: try again, or set HF_HUB_DISABLE_XET=1 to go without it"
    if isinstance(error, OSError) and error.errno:
        place = error.filename or constants.HF_HUB_CACHE  # a full disk does not say which file it had no room for
        return f"cannot use {place}: {error.strerror}; set HF_HOME to a folder with room that you can write to"
    if isinstance(error, OSError):
        return f"{what} did not arrive whole: try again"
    return None
