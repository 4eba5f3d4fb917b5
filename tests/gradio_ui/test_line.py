"""The line for the device, in Gradio's own queue: visitors take turns, and one has a bounded part of it."""

import asyncio
from types import SimpleNamespace

import gradio as gr
from gradio.data_classes import PredictBodyInternal

from gradio_ui.line import take_turns
from pretrained.system import server
from pretrained.system.visitors import MAX_WAITING_EACH


def line_of(page: gr.Blocks) -> list[str]:
    """What waits, in order."""
    return [event.data.data[0] for event in page._queue.event_queue_per_concurrency_id["device"].queue]


async def ask(page: gr.Blocks, host: str, name: str, session: str = "s") -> tuple[bool, str, str]:
    request = SimpleNamespace(client=SimpleNamespace(host=host), headers={})
    body = PredictBodyInternal.model_construct(session_hash=session, fn_index=0, data=[name], request=request)
    return await page._queue.push(body, request, None)


def same(name: str) -> str:
    return name


async def work() -> None:
    with gr.Blocks(analytics_enabled=False) as page:
        gr.api(same, api_name="work", concurrency_id="device", concurrency_limit=1)
    take_turns(page.queue(max_size=64))
    assert (await ask(page, "203.0.113.1", "a0"))[0]
    page._queue.active_jobs = [page._queue.get_events()[0], None]  # it is served just now
    for number in range(1, 1 + MAX_WAITING_EACH):
        assert (await ask(page, "203.0.113.1", f"a{number}"))[0]
    taken, words, kind = await ask(page, "203.0.113.1", "one more")
    assert (taken, kind) == (False, "queue_full")
    assert words.startswith(f"{MAX_WAITING_EACH} of your calls are waiting")
    assert (await ask(page, "203.0.113.2", "b0"))[0]
    assert (await ask(page, "203.0.113.2", "b1"))[0]
    assert line_of(page) == ["b0", "a1", "b1", *(f"a{number}" for number in range(2, 1 + MAX_WAITING_EACH))]
    # Behind a proxy that does not say who asks, pages are told from each other.
    assert (await ask(page, "127.0.0.1", "c0", "c"))[0]
    assert (await ask(page, "127.0.0.1", "c1", "c"))[0]
    assert (await ask(page, "127.0.0.1", "d0", "d"))[0]
    assert line_of(page)[:6] == ["b0", "c0", "d0", "a1", "b1", "c1"]


def test_who_asks_for_much_waits_and_holds_nobody_up(monkeypatch):
    monkeypatch.setenv(server.ALLOW, "")
    asyncio.run(work())
