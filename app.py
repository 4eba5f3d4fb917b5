"""Play with a checkpoint in a browser: streamlit run app.py."""

import importlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from pretrained.system import server
from pretrained.system.visitors import UploadLimit


@asynccontextmanager
async def ready(app: st.App) -> AsyncIterator[None]:
    """Know who can come, and import what takes seconds before anybody does, without making the server wait for it."""
    server.listen_on(st.get_option("server.address"))
    threading.Thread(target=importlib.import_module, args=["pretrained.pipelines"], daemon=True).start()
    yield


limits = [Middleware(UploadLimit)]
app = st.App(Path(__file__).parent / "ui" / "main.py", lifespan=ready, middleware=limits)
