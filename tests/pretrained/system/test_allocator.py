"""Memory goes back to the system when nobody needs it, and models go when nobody has used them for long."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from helpers.browser import ROOT
from helpers.small import save_small

# Threads that hold small pieces of each other's heaps, as visitors do, and one piece for each page that stays.
PROGRAM = """
import os, sys, threading, time
from pathlib import Path
from ui.state.memory import keep_low

resident = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20
idle = lambda: time.monotonic() - ended if ended else 0.0
ended, released, kept = None, [], []
keep_low(idle, lambda: released.append(idle()), 0.5, 1.5)
before = resident()

def work():
    pieces = [bytearray(20_000) for _ in range(1500)]
    kept.append(pieces[-1])
    together.wait()

together = threading.Barrier(8)
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
full, ended = resident() - before, time.monotonic()
time.sleep(3.5)
print(full, resident() - before, len(released), released[0])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_what_is_free_goes_back_and_release_is_called_once():
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    told = subprocess.check_output([sys.executable, "-c", PROGRAM], env=env, text=True)
    full, left, times, first = (float(word) for word in told.split())
    assert full > 100
    assert left < 20
    assert times == 1
    assert 1.5 <= first < 3


REPEATED = """
import ctypes, resource
from pretrained.system.allocator import keep_pages

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        bytearray(2**26)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: one fault would bring 512 pages
before = faults()
keep_pages()
faults()
print(before, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts what Linux counts")
def test_what_a_training_frees_it_has_again_without_fresh_pages():
    printed = subprocess.run([sys.executable, "-c", REPEATED], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = map(int, printed.stdout.split())
    assert after < 100 < 4 * 2**26 // 2**16 < before


PAGES = """
import sys
from streamlit.testing.v1 import AppTest

app = AppTest.from_file("{root}/ui/main.py", default_timeout=60).run()
for page, model in {pages}:
    app.query_params["model"] = model
    app.switch_page(page).run()
    assert not app.exception, (page, app.exception)
print(*{{"pandas", "pyarrow", "altair", "torchvision", "matplotlib", "scipy"}} & sys.modules.keys())
"""


def test_pages_import_no_tables():
    """Streamlit imports pandas and pyarrow to ask them whether what a component is given is one of theirs."""
    pages = [
        ("views/samples.py", "dcgan-mnist"),
        ("views/explore.py", "dcgan-mnist"),
        ("views/mix.py", "stylegan-fashion"),
        ("views/compare.py", "dcgan-mnist"),
        ("views/translate.py", "labels-facades"),
        ("views/translate.py", "style-starry-night"),
        ("views/photos/edit.py", "icgan-mnist"),
        ("views/gallery.py", "dcgan-mnist"),
    ]
    command = [sys.executable, "-c", PAGES.format(pages=pages, root=ROOT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr


CLOSED = """
import gc, weakref
from pathlib import Path
from streamlit.testing.v1 import AppTest
from ui.state import models

app = AppTest.from_file("{root}/ui/main.py", default_timeout=60)
app.query_params["model"] = "runs/one"
app.run()
first, model = app.session_state["file"], models.load("runs/one", *app.session_state["file"])
network, drawn = weakref.ref(model.pipeline.network), model.pipeline.sample([3])
models._forget()
gc.collect()
assert network() is None, "a page that stays keeps it"
assert (model.pipeline.sample([3]) == drawn).all()
assert models.load("runs/one", *first) == model


def page():
    import streamlit as st
    from ui.state import models

    count = st.session_state["count"] = st.session_state.get("count", 0) + 1
    if count != 2:
        st.session_state["held"] = models.load("runs/one", *models.locate("runs/one"))
    st.session_state["held"].pipeline


page = AppTest.from_function(page).run()
models._forget()
Path("runs/one/model.safetensors").touch()
page.run()
assert not page.exception, page.exception
print(page.session_state["count"])
"""


def test_a_page_that_stays_keeps_no_network(tmp_path):
    """It is read again when somebody comes back; where the file has changed meanwhile, the page begins anew."""
    save_small(tmp_path / "runs" / "one", channels=1)
    (tmp_path / "closed.py").write_text(CLOSED.format(root=ROOT))
    done = subprocess.run(
        [sys.executable, "closed.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("3", 0), done.stderr
