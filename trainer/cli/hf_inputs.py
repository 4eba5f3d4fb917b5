"""What a training on Hugging Face Jobs needs of this machine: its files, its code, and the command line to it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from pretrained import checkpoint, deploy
from pretrained.hub.account import check_secrets
from pretrained.media.files import list_images
from pretrained.run_files import DISCRIMINATOR, PREVIOUS, STATE
from pretrained.system.errors import InputError
from trainer.cli.parse import Command
from trainer.data.sets.folder_sets import FOLDER_SETS, find

OPTIONS = ("style", "perceptual", "generator")  # of methods, which may name a file or a folder
HERE = ("--out", "--data-root", "--preview", "--hf-job", "--hf-job-hours")  # flags that mean nothing on the job
SWITCHES = ("--yes", "--no-yes", "--resume", "--no-resume", "--dry-run", "--no-dry-run")


def named(command: Command) -> dict[str, Path]:
    """What a command line names on this machine, by the word that names it."""
    recipe, weights = command.recipe, command.settings.feature_weights
    options = asdict(recipe.options)
    words = [recipe.base, *(options.get(name) for name in OPTIONS), weights and str(weights)]
    data = Path(find(recipe.data, command.settings.data_root))
    found = {recipe.data: data} if data.exists() else {}
    return found | {word: Path(word) for word in words if word and Path(word).exists()}


def places(paths: Mapping[str, Path]) -> dict[str, Path]:
    """Where each of `named` lies on the job, below the folder that it works in.

    A relative path stays as it is, of another its last part is left, and a set that recipes name lies in data/.

    Raises:
        InputError: two would lie in one place.
    """
    found: dict[str, Path] = {}
    for word, path in paths.items():
        if word in FOLDER_SETS and path != Path(word):
            place = Path("data") / path.name
        elif Path(word).is_absolute() or ".." in Path(word).parts:
            place = Path(path.resolve().name)
        else:
            place = Path(word)
        if place in found.values():
            raise InputError(f"two files or folders are called {place}: rename one of them")
        found[word] = place
    return found


def files(paths: Mapping[str, Path]) -> dict[Path, Path]:
    """Every file of `named`, by its place on the job."""
    where = places(paths)
    return {where[word] / name: file for word, path in paths.items() for name, file in _files(path)}


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """A file itself; of a checkpoint its files; of a folder its images, and the texts beside them."""
    if path.is_file():
        yield "", path
    elif (path / checkpoint.MODEL).exists():
        names = (checkpoint.MODEL, checkpoint.CONFIG, DISCRIMINATOR)
        yield from ((name, path / name) for name in names if (path / name).exists())
    else:
        listing = list_images(path)
        names = [*(entry.name for entry in listing.images), *listing.texts]
        yield from ((name, path / name) for name in names)


def kept(folder: Path) -> dict[Path, Path]:
    """The files of a run that goes on, by their places in its folder; none where there is no run."""
    if not (folder / STATE).exists():
        return {}
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {place: path for place, path in found.items() if place.name != PREVIOUS and not place.name.startswith(".")}


def words(arguments: Sequence[str], paths: Mapping[str, Path]) -> list[str]:
    """The command line as the job reads it."""
    where = {word: str(place) for word, place in places(paths).items() if word not in FOLDER_SETS}
    left = iter([part for word in arguments for part in (word.split("=", 1) if word.startswith("--") else [word])])
    found = []
    for word in left:
        if word in HERE:
            next(left, None)
        elif word not in SWITCHES:
            found.append(where.get(word, word))
    return found


def requirements(command: Command) -> list[str]:
    """The files of packages that the training needs."""
    needed = {"data": command.recipe.data.startswith("hub:"), "track": command.settings.track != "none"}
    return ["requirements.txt", *(f"requirements-{name}.txt" for name, is_needed in needed.items() if is_needed)]


def source(requirements: Sequence[str]) -> bytes:
    """The project's own files that training needs, as a .zip.

    Raises:
        InputError: this is no checkout of Ganvas, or a file of it contains a token.
    """
    if not (deploy.ROOT / "requirements.txt").exists():
        raise InputError("`hf_job` needs the project's folder, which an installed package has not: clone it")
    project = deploy.project_files(("pretrained", "trainer", *requirements))
    check_secrets(project)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(project.items()):
            archive.writestr(name, data)
    return buffer.getvalue()


def pack(target: Path, files: Mapping[Path, Path]) -> None:
    """Write files, by their places, to a .zip; images are compressed already."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for place, path in files.items():
            archive.write(path, place.as_posix())
