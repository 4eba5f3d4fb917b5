"""Train: from a folder of images to a model of one's own, without a terminal."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pretrained.checkpoint import MODEL
from pretrained.system.errors import InputError
from pretrained.system.server import has_strangers
from ui.state import runs
from ui.state.models import RUNS, as_input_error, error_text, escape_markdown, local_models
from ui.train import intake, jobs, limits, publish
from ui.train.goals import GOALS, Goal, command, folder_name

EVERY = 3.0  # seconds from one look at a training to the next
IMAGES = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "zip"]
SHEET = 512  # px of the contact sheet: what follows it stays in sight
MAX_SECOND = 20  # MB
LENGTHS = ("A first look", "Good", "Long")
STATES = {
    "queued": ":gray-badge[Waiting]",
    "running": ":green-badge[Training]",
    "paused": ":orange-badge[Paused]",
    "stopped": ":gray-badge[Stopped]",
    "finished": ":blue-badge[Finished]",
    "failed": ":red-badge[Failed]",
}


def about(minutes: float) -> str:
    """A duration that is not known better: about 40 minutes, about 3 hours."""
    if minutes < 1.5:
        return "about a minute"
    return f"about {minutes:.0f} minutes" if minutes < 90 else f"about {minutes / 60:.1f} hours"


def progress_of(job: jobs.Job) -> runs.Progress:
    folder = RUNS / job.name
    return runs.progress(folder, runs.config(folder), runs.log_of(folder))


def act(work: object, *args: object) -> None:
    """What a button does; a mistake is shown as a sentence when the page is drawn again."""
    try:
        work(*args)  # type: ignore[operator]
    except (InputError, OSError) as error:
        st.session_state["train error"] = error if isinstance(error, InputError) else InputError(str(error))


def resume(job: jobs.Job) -> None:
    limits.check_disk(RUNS)
    jobs.start(RUNS, job)


def start(job: jobs.Job) -> None:
    resume(job)
    st.session_state["started"] = job.name


def remove(job: jobs.Job) -> None:
    st.session_state["removed"] = jobs.put_away(RUNS, job), job.name


def undo() -> None:
    away, name = st.session_state.pop("removed")
    jobs.put_back(RUNS, away, name)


def show_job(name: str) -> None:
    """One training: how far it is, its newest images, and what can be done with it."""
    job = jobs.look(RUNS, name)
    if job is None:
        return
    if job.status != st.session_state.get(f"status {name}", job.status):
        st.session_state[f"status {name}"] = job.status
        st.rerun()  # the whole page: another one may have begun, and looking ends with the training
    st.session_state[f"status {name}"] = job.status
    folder, progress = RUNS / name, progress_of(job)
    with st.container(border=True):
        st.markdown(f"**{escape_markdown(name)}** {STATES[job.status]}  \n{escape_markdown(job.goal)}")
        images, facts = st.columns([1, 2], gap="medium")
        samples = folder / "samples.png"
        with images:
            if samples.exists():
                st.image(samples.read_bytes(), width="stretch")
            else:
                st.caption("The first images come when training begins; they are noise at first.")
        with facts:
            share = min(progress.kimg / progress.total, 1.0) if progress.total else 0.0
            if progress.total:
                words = f"{progress.kimg:,.4g} of {progress.total:,.4g} thousand images seen"
                if progress.seconds_left is not None and job.status == "running":
                    words += f", {about(progress.seconds_left / 60)} left on this machine"
                elif job.status == "running":
                    words += "; the time is known after the first 50 steps"
                st.progress(share, words)
            if job.status == "failed":
                st.error(escape_markdown(jobs.message(RUNS, name) or "The trainer ended without a word."))
            elif job.status == "running" and (said := jobs.message(RUNS, name)):
                st.caption(escape_markdown(said))
            elif job.status in ("paused", "stopped", "finished") and (words := why_grey(job, progress)):
                st.info(escape_markdown(words))
            if job.is_over:
                st.caption(f"It has trained for the {job.hours:g} hours that this server allows.")
            buttons(job, folder)


def why_grey(job: jobs.Job, progress: runs.Progress) -> str:
    """What to say of a training that has ended with nothing to see; "" where there is something."""
    goal = next((goal for goal in GOALS.values() if goal.title == job.goal), None)
    if goal and progress.kimg < goal.kimg[0]:
        return f"It ended before shapes show: they come after about {goal.kimg[0]:g} thousand images. Resume goes on."
    return next((line for line in jobs.said(RUNS, job.name) if line.startswith("the samples differ")), "")


def links(job: jobs.Job, folder: str) -> list[tuple[str, str, str]]:
    """The pages that show a trained model: label, address, icon."""
    found = [("Play", f"./?{urlencode({'model': folder})}", "palette")]
    config = runs.config(Path(folder))
    if config and config.pipeline == "generate":
        found.append(("Name directions", f"./explore?{urlencode({'model': folder})}", "explore"))
    if base := job.base:
        sides = [("model", folder), ("checkpoints", folder), ("checkpoints", base)]
        found.append(("Compare with the base", f"./compare?{urlencode(sides)}", "compare"))
    return [*found, ("Losses", f"./watch?{urlencode({'run': folder})}", "monitoring")]


def buttons(job: jobs.Job, folder: Path) -> None:
    """What can be done with a training now."""

    def button(label: str, icon: str, *work: object, **shown: object) -> None:
        st.button(label, f"{label} {job.name}", icon=f":material/{icon}:", on_click=act, args=work, **shown)

    with st.container(horizontal=True):
        if job.status in ("running", "queued"):
            button("Pause", "pause", jobs.end, RUNS, job, "paused", help="All is saved; go on whenever you like.")
            button("Stop", "stop", jobs.end, RUNS, job, "stopped", help="End it here and keep what it has learned.")
        else:
            if job.status != "finished":
                button("Resume", "play_arrow", resume, job, type="primary", disabled=job.is_over)
            if (folder / MODEL).exists() and st.button("Publish …", f"Publish {job.name}", icon=":material/publish:"):
                publish_dialog(job.name)
            button("Remove", "delete", remove, job, help="It goes to runs/.removed and can be brought back.")
        if (folder / MODEL).exists():
            for label, link, icon in links(job, str(folder)):
                st.link_button(label, link, icon=f":material/{icon}:")


@st.dialog("Publish")
def publish_dialog(name: str) -> None:
    """Push a run to the Hub, and a page of it as a Space."""
    st.caption(
        "On the Hugging Face Hub, under your account, which is free. [Make a token](https://huggingface.co/settings/tokens)"
        " of the kind Write: it stays in this window's memory and goes nowhere else."
    )
    found = publish.login()
    token = st.text_input("Token with write access", type="password")
    if found and not token:
        st.caption("Without one, the login found on this machine is used.")
    repo_id = st.text_input("Name on the Hub", name, help="NAME, or USER/NAME.")
    private = st.toggle("Private", help="Only you see it.")
    pages = publish.can_make_pages()
    space = st.toggle("A page that runs in the visitor's browser, too", pages, disabled=not pages)
    if not pages:
        st.caption("A page needs `pip install -r requirements-onnx.txt`.")
    with st.container(horizontal=True):
        # Never disabled: it would stay so until the field of the token has lost the focus.
        is_asked = st.button("Publish", type="primary")
        if pages:
            st.download_button(
                "Download the page",
                partial(publish.page, RUNS / name, (RUNS / name / MODEL).stat().st_mtime_ns),
                f"{name}.zip",
                "application/zip",
                on_click="ignore",
                icon=":material/download:",
                help="The page as files, without an account: unpack them on any web server.",
            )
    if is_asked and not (token or found):
        st.error("Paste a token first.", icon=":material/error:")
    elif is_asked:
        try:
            with st.status("Publishing …") as status:
                for words, link in publish.publish(RUNS / name, repo_id, private, space, token):
                    st.markdown(f"{words}: {link}")
                status.update(label="Published", state="complete")
            if space and not private:
                st.code(publish.embed(link), "html", wrap_lines=True)
        except InputError as error:
            st.error(error_text(error), icon=":material/error:")


def choose_images() -> str | None:
    """Where the images of a new training are: an upload that is saved, a folder, or a data set on the Hub."""
    way = st.segmented_control(
        "Images",
        # Folders of the server, and what its login opens on the Hub, are its owner's.
        ["Files", "A folder"] if has_strangers() else ["Files", "A folder", "On this machine", "On the Hub"],
        default="Files",
        key="way",
        required=True,
        help="A .zip counts as a file.",
    )
    if way == "On this machine":
        typed = st.text_input("Folder or .zip", key="folder", placeholder="/home/me/pictures")
        return str(Path(typed).expanduser()) if typed else None
    if way == "On the Hub":
        typed = st.text_input("Data set", key="dataset", placeholder="user/dataset")
        return f"hub:{typed.strip()}" if typed else None
    many = True if way == "Files" else "directory"
    files = st.file_uploader(
        "Drop many images, or a .zip" if many is True else "Choose a folder",
        IMAGES,
        accept_multiple_files=many,
        max_upload_size=max(limits.max_upload() // 10**6, 1),
        key=f"upload {way} {st.session_state.get('forms', 0)}",
    )
    return str(saved("images", files)) if files else None


def saved(what: str, files: list[UploadedFile]) -> Path:
    """Where an upload lies in runs/, once it is saved."""
    ids, known = tuple(file.file_id for file in files), st.session_state.get(f"saved {what}")
    if not known or known[0] != ids:
        with st.spinner("Saving …"), as_input_error():
            limits.check_disk(RUNS)
            given = [(file.name, file) for file in files]
            known = ids, intake.save(RUNS, what, given, limits.max_upload())
        st.session_state[f"saved {what}"] = known
    return known[1]


def choose_second(goal: Goal) -> str:
    """The file of the image that a goal needs beside the others; "" until there is one."""
    file = st.file_uploader(goal.second, IMAGES[:-1], max_upload_size=MAX_SECOND, key=f"second {goal.title}")
    return str(next(saved("second", [file]).iterdir())) if file else ""


@st.cache_data(max_entries=16, show_spinner="Looking at the images …")
def look_at(words: tuple[str, ...]) -> intake.Found:
    return intake.inspect(words)


def show_found(found: intake.Found, goal: Goal) -> None:
    """What training will see, and what is worth knowing before it begins."""
    facts = [f"{found.num_images:,} images"]
    if found.classes:
        shown = ", ".join(found.classes[:8]) + (" …" if len(found.classes) > 8 else "")
        facts.append(f"{len(found.classes)} classes: {shown}")
    st.success(escape_markdown("Found " + "; ".join(facts)), icon=":material/check:")
    for line in found.words:
        st.caption(escape_markdown(line))
    if found.num_images < goal.images:
        st.warning(f"{goal.images} images or more give better results for this; fewer work, and look more alike.")
    if found.preview:
        st.image(found.preview, "As training will see them", width=SHEET)


def new_training() -> None:
    """The form of a new training, empty once one was started: that stands at the top of the page."""
    if started := st.session_state.pop("started", None):
        st.session_state["forms"] = st.session_state.get("forms", 0) + 1
        st.session_state["name"] = ""
        st.toast(f"{started} is at the top of the page.", icon=":material/model_training:")
    st.subheader("A new training")
    data = choose_images()
    name = st.radio(
        "What should it learn?",
        list(GOALS),
        format_func=lambda name: GOALS[name].title,
        captions=[goal.explanation for goal in GOALS.values()],
        key="goal",
    )
    goal = GOALS[name]
    second = choose_second(goal) if goal.second else ""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        length = st.select_slider("How long", LENGTHS, LENGTHS[1], key="length", width=240)
        size = goal.size
        if goal.sizes:
            size = st.select_slider("Size, px", goal.sizes, goal.size, key=f"size {name}", width=160)
        called = st.text_input("Name", key="name", placeholder="my-images", width=220)
    kimg = goal.kimg[LENGTHS.index(length)]
    estimate = about(kimg * goal.minutes * (size / goal.size) ** 2)
    st.caption(
        f"{estimate.capitalize()} on one processor core, less on a GPU; measured on this machine once it runs. "
        "Images are noise for the first tenth of that."
    )
    with st.expander("More"):
        base = st.selectbox("Start from", local_models(), index=None, placeholder="nothing", key="base")
        licence = st.text_input("Licence of the images, for the model card", key="licence", placeholder="my own")
    if not data or (goal.second and not second):
        st.info(f"Choose {'images' if not data else goal.second.lower()} above to go on.")
        return
    words = command(goal, data, size, kimg, base, licence, second)
    try:
        found = look_at(tuple(words))
    except InputError as error:
        st.error(error_text(error), icon=":material/error:")
        return
    show_found(found, goal)
    folder = folder_name(called or "") or jobs.free_name(RUNS, folder_name(goal.title))
    taken = jobs.is_taken(RUNS, folder)
    if taken:
        st.warning(f"runs/{folder} is there already: choose another name.")
    job = jobs.Job(folder, words, goal.title, hours=limits.max_hours())
    # No callback: its arguments would be those of the page before a name that was typed last.
    if st.button("Start training", type="primary", disabled=taken):
        act(start, job)
        st.rerun()
    with st.expander("The same from a shell", icon=":material/terminal:"):
        st.code(shlex.join(["python", "-m", "trainer", *words, "--out", str(RUNS / folder)]), "bash", wrap_lines=True)


st.title("Train")
st.caption("A model of your own images, on this machine. It goes on when this page is closed.")
if refused := limits.refusal():
    st.info(refused)
    st.stop()
if error := st.session_state.pop("train error", None):
    st.error(error_text(error), icon=":material/error:")
if "removed" in st.session_state:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{escape_markdown(st.session_state['removed'][1])} was removed.")
        st.button("Undo", on_click=act, args=(undo,))
for job in reversed(jobs.all_jobs(RUNS)):
    live = job.status in ("running", "queued")
    st.fragment(show_job, run_every=EVERY if live else None)(job.name)
new_training()
