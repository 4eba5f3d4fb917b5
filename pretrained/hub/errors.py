"""Errors of the Hub: temporary ones are retried, the others become an InputError with a remedy."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from pretrained.system.errors import InputError

LOGIN = "run `hf auth login`, or set HF_TOKEN to a token with write access from https://huggingface.co/settings/tokens"
SLOW_AFTER, MIN_RATE = 60, 1000  # seconds, and bytes per second
LONGEST = 120  # seconds after which there are no more retries
# 412: somebody else has committed in between.
TRANSIENT = {408, 412, 429, 500, 502, 503, 504}

Result = TypeVar("Result")


class RetryPolicy(NamedTuple):
    """How often and how long to retry.

    Attributes:
        waits: seconds before each retry; the last is also the longest Retry-After that is respected.
        even_if_lost: whether to retry if there was no response at all.
    """

    waits: tuple[float, ...]
    even_if_lost: bool


# Without a network, a page should report it at once; after a first response, the Hub is known to be reachable.
RETRY_POLICY = {
    "ask": RetryPolicy((0.5, 2), even_if_lost=False),
    "fetch": RetryPolicy((0.5, 2), even_if_lost=True),
    "publish": RetryPolicy((1, 4, 16, 60), even_if_lost=True),
}


def retry(action: Callable[[], Result], purpose: str = "ask") -> Result:
    """Call `action`, with retries while the Hub is busy or broken, by the RETRY_POLICY of the purpose."""
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
    """Raise the error of a temporary failure.

    Otherwise the client would retry by itself, and sleep as long as the Hub asks, up to an hour.
    """
    from huggingface_hub.utils import hf_raise_for_status

    if response.status_code in TRANSIENT:
        response.read()
        hf_raise_for_status(response)


def raise_if_slow(response: Any) -> None:
    """Have the body of an answer end in an error if it comes slower than MIN_RATE: each part of it may be in time."""
    if response.headers.get("Content-Type", "").startswith("text/event-stream"):
        return  # the log of a job comes when there is something to say
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
    """The error and its causes, down to the response of the Hub if there is one."""
    while error is not None:
        yield error
        error = None if _status(error) else error.__cause__


def _status(error: BaseException) -> int | None:
    from huggingface_hub.errors import HfHubHTTPError

    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def is_lost(error: BaseException) -> bool:
    """Whether there was no response: no network, unknown host, lost connection or timeout."""
    from huggingface_hub.errors import HTTPError

    return any(isinstance(cause, HTTPError) and not _status(cause) for cause in _causes(error))


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    return is_lost(error) or any(_status(cause) in TRANSIENT or _is_incomplete(cause) for cause in _causes(error))


def _is_incomplete(error: BaseException) -> bool:
    """Whether a download was incomplete."""
    return type(error) is OSError and not error.errno


def _asked_wait(error: BaseException) -> float:
    """Seconds to wait that a busy Hub asks for, or 0."""
    from huggingface_hub.utils import parse_ratelimit_headers

    headers = next((cause.response.headers for cause in _causes(error) if _status(cause) in TRANSIENT), {})
    if headers.get("Retry-After", "").isdigit():
        return float(headers["Retry-After"])
    limit = parse_ratelimit_headers(headers)
    return float(limit.reset_in_seconds) if limit else 0.0


@contextlib.contextmanager
def as_input_error(what: str, revision: str | None = None, remedy: str = "") -> Iterator[None]:
    """Convert all errors of the Hub to InputError; other errors are not changed."""
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
        errors.OfflineModeIsEnabled: f"HF_HUB_OFFLINE=1 is set and {what} is not in the cache: unset it",
        errors.GatedRepoError: f"{what} is gated: accept its terms at {hub}/{what}, then {LOGIN}",
        errors.RevisionNotFoundError: f"{what} has no revision {revision!r}: see {hub}/{what}/commits/main",
        errors.RepositoryNotFoundError: f"no {what} on the Hub, or it is private: check the spelling, or {LOGIN}",
        errors.RemoteEntryNotFoundError: f"a file of {what} is missing at {revision!r}: try again",
        errors.DisabledRepoError: f"{what} was disabled by the Hub",
        json.JSONDecodeError: f"the server at {hub} is not a Hub: check the network, and HF_ENDPOINT if it is set",
        UnicodeEncodeError: f"the Hugging Face token contains an invalid character: {LOGIN}",
    }
    by_status = {
        401: f"your token is invalid or has expired: {LOGIN}",
        403: f"your token has no permission for this on {what}: {LOGIN}",
        408: "the Hub did not respond in time: try again",
        412: f"{what} was changed by somebody else: try again",
        429: f"rate limit of the Hub (HTTP 429): try again in {_asked_wait(error) or 60:.0f} seconds",
    }
    for kind, sentence in by_class.items():
        if isinstance(error, kind):
            return sentence
    if status := _status(error):
        detail = " ".join((error.server_message or "")[:200].split())
        other = f"error of the Hub (HTTP {status}): try again later"
        return by_status.get(status, other if status >= 500 else f"the Hub rejected {what} (HTTP {status}): {detail}")
    if is_lost(error):
        return f"the Hub at {hub} cannot be reached: check the network"
    if isinstance(error, (ConnectionError, TimeoutError)):
        # hf_xet has retried by itself for minutes.
        return "the Xet storage of the Hub cannot be reached: try again, or set HF_HUB_DISABLE_XET=1"
    if isinstance(error, OSError) and error.errno:
        place = error.filename or constants.HF_HUB_CACHE  # the error of a full disk names no file
        return f"cannot use {place}: {error.strerror}; set HF_HOME to a writable folder with free space"
    if isinstance(error, OSError):
        return f"the download of {what} was incomplete: try again"
    return None
