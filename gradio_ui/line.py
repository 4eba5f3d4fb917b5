"""The line for the device: visitors take turns in it, and none fills it."""

from __future__ import annotations

from typing import Any

import gradio as gr

from pretrained.system import server
from pretrained.system.visitors import MAX_WAITING_EACH, in_turns, visitor


def take_turns(page: gr.Blocks) -> None:
    """Let the calls of a page's queue take turns: the first of each visitor comes before the second of any.

    Where strangers visit, one who has MAX_WAITING_EACH calls in the line is told so at the next.
    """
    queue = page._queue  # Gradio has no public name for it
    push = queue.push

    async def push_in_turn(body: Any, request: Any, username: str | None) -> tuple[bool, Any, str]:
        lines, who = queue.event_queue_per_concurrency_id.values(), _visitor(request, body.session_hash)
        waiting = sum(_visitor_of(event) == who for line in lines for event in line.queue)
        if server.has_strangers() and waiting >= MAX_WAITING_EACH:
            return False, f"{waiting} of your calls are waiting: no more are taken until one is done", "queue_full"
        answer = await push(body, request, username)
        served = [_visitor_of(event) for events in queue.active_jobs if events for event in events]
        for line in lines:
            line.queue[:] = in_turns(line.queue, _visitor_of, served)
        return answer

    queue.push = push_in_turn


def _visitor_of(event: Any) -> str | None:
    return _visitor(event.request, event.session_hash)


def _visitor(request: Any, session: str | None) -> str | None:
    """The address of a request, or else the session of the page."""
    return visitor(request.client and request.client.host, request.headers) or session
