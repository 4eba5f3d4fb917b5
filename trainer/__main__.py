"""python -m trainer: train a recipe and publish the result."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from pretrained import checkpoint, hub
from pretrained.system.errors import InputError, as_flag, fail, print_anything, spell_arguments
from pretrained.system.files import full_output
from pretrained.system.signals import Stopped
from pretrained.system.symlinks import reject_escaping_symlink
from trainer import distributed
from trainer.cli import compare, evaluate, hf_job, nearest
from trainer.cli.alone import check_alone
from trainer.cli.parse import DEFAULT, Captions, Command, Push, parse, parse_as, parse_known
from trainer.data import captions
from trainer.data.sets.folder_sets import absent, whence
from trainer.distributed import Agreed, Lost
from trainer.loop import train as loop
from trainer.loop.collapse import Collapsed
from trainer.loop.run_folder import Run, describe
from trainer.loop.trainer import Trainer
from trainer.method import MAIN, published_name
from trainer.methods.recipes import RECIPES


def list_recipes(arguments: Sequence[str]) -> None:
    """List the recipes: what each has reached, in what time, and where its data comes from."""
    for recipe in RECIPES.values():
        reached = recipe.result or "nobody has trained it to its end here"
        print(f"{recipe.name:20} {recipe.summary}")
        print(f"{'':20} {recipe.size} px, {recipe.kimg:g} kimg: {reached}")
        print(f"{'':20} data: {recipe.data}, {whence(recipe.data)}")


def push(arguments: Sequence[str]) -> None:
    """Publish a finished run on the Hugging Face Hub."""
    command = parse_as(Push, "push", arguments)
    checkpoint.read_config(command.folder / checkpoint.MODEL)
    repo_id = check_push(command.repo_id, command.folder.resolve().name, checkpoint_names(command.folder))
    publish(command.folder, repo_id, command.private, command.with_discriminator)


def checkpoint_names(folder: Path) -> list[str]:
    """Names of the checkpoints that a run publishes, the main one first; InputError if one links to another folder."""
    others = {name for recipe in RECIPES.values() for name in recipe.method.published} - {MAIN}
    found = (name for name in sorted(others) if (reject_escaping_symlink(folder / name) / checkpoint.MODEL).exists())
    return [MAIN, *found]


def check_push(repo_id: str | None, default_name: str, names: Iterable[str]) -> str:
    """Full repository name of the main checkpoint, the first of `names`; InputError if one cannot be pushed."""
    full_name, *_ = [hub.check_push(published_name(repo_id or default_name, name), "") for name in names]
    return full_name


def publish(folder: Path, repo_id: str, private: bool, with_discriminator: bool = False) -> None:
    """Publish the checkpoints of a run, each as a repository, D with the main one; print their links."""
    try:
        for name in checkpoint_names(folder):
            is_with_d = with_discriminator and name == MAIN
            print(hub.push(folder / name, published_name(repo_id, name), private, is_with_d))
    except KeyboardInterrupt:
        raise Stopped(
            f"stopped; {hub.nothing_lost(folder, repo_id, private, with_discriminator)}", signal.SIGINT
        ) from None


def measure(arguments: Sequence[str]) -> None:
    """Score a checkpoint against real images: FID, KID, precision, recall, PSNR, SSIM."""
    print(json.dumps(evaluate.run(parse_as(evaluate.Command, "evaluate", arguments)), indent=2))


def compare_losses(arguments: Sequence[str]) -> None:
    """Train a recipe with several losses and compare them in a table and a sample grid."""
    print(compare.run(*parse_known(compare.Command, "compare RECIPE", arguments)))


def find_nearest(arguments: Sequence[str]) -> None:
    """Find memorised images: show the training images nearest to samples."""
    print(json.dumps(nearest.run(parse_as(nearest.Command, "nearest", arguments)), indent=2))


def follow_job(arguments: Sequence[str]) -> None:
    """Follow a training that --hf-job has started on Hugging Face Jobs, and fetch its result."""
    command = parse_as(hf_job.Follow, "job", arguments)
    print(hf_job.follow(command.id, command.out), file=sys.stderr)


def name_images(arguments: Sequence[str]) -> None:
    """Write captions for StackGAN from the names of image files."""
    folder = parse_as(Captions, "captions", arguments).folder
    print(f"{captions.write(folder)} captions in {folder / captions.FILE}")


def train(arguments: Sequence[str]) -> None:
    """Train a recipe and, if asked for, publish the result."""
    command = parse(arguments)
    recipe, settings = command.recipe, command.settings
    folder = settings.out or Path("runs") / recipe.name
    if settings.hf_job:
        if settings.push_to_hub:
            check_push(settings.repo_id, recipe.name, recipe.method.published)
        print(hf_job.run(command, arguments, folder), file=sys.stderr)
        return
    if settings.dry_run:
        with distributed.group(recipe.batch_size, settings.dist_timeout):
            planned = dry_run(command, folder)
        if distributed.rank() == 0:
            print(planned)
        return
    repo_id = check_push(settings.repo_id, recipe.name, recipe.method.published) if settings.push_to_hub else None
    typed = shlex.join([*distributed.launcher(), "-m", "trainer", *(word for word in arguments if word != "--resume")])
    loop.train(recipe, settings, folder, typed)
    if distributed.rank():
        return
    print(f"finished: {folder}; samples: {folder / 'samples.png'}", file=sys.stderr)
    if repo_id:
        publish(folder, repo_id, settings.private, settings.with_discriminator)


def dry_run(command: Command, folder: Path) -> str:
    """The complete configuration of a training, as JSON; without what depends on the data where that is not there."""
    settings = {name: value for name, value in asdict(command.settings).items() if name != "dry_run"}
    is_default = command.recipe.data == RECIPES[command.recipe.name].data
    if how := absent(command.recipe.data, command.settings.data_root, is_default):
        data = {"name": command.recipe.data, "absent": spell_arguments(how, as_flag)}
        plan = {"recipe": describe(command.recipe), "settings": settings, "data": data, "out": str(folder)}
        return json.dumps(plan, indent=2, default=str)
    contents = Run(folder, command.recipe, "").load_contents() if command.settings.resume else None
    trainer = Trainer(command.recipe, command.settings, contents)
    if distributed.rank() == 0:
        trainer.show_data()
    return json.dumps(
        {
            "recipe": describe(command.recipe),
            "settings": settings,
            "data": {
                "name": trainer.data.name,
                "pictures": len(trainer.data.images),
                "held_out": trainer.data.num_held_out,
                "licence": trainer.data.licence,
            },
            "parameters": {
                name: sum(weight.numel() for weight in network.parameters())
                for name, network in trainer.networks.items()
            },
            "checkpoint": trainer.method.checkpoint(),
            "device": str(trainer.device),
            "out": str(folder),
        },
        indent=2,
        default=str,
    )


OVERVIEW = """\
usage: python -m trainer [RECIPE] [OPTIONS]
       python -m trainer COMMAND [OPTIONS]

Train an image generator or translator, and publish it.

commands:
{commands}

recipes ({default} by default):
{recipes}

options:
  python -m trainer RECIPE --help lists the options of a recipe, such as --data, --kimg, --loss, --out and --resume;
  python -m trainer COMMAND --help lists those of a command.

examples:
  python -m trainer
  python -m trainer dcgan-64 --data photos --kimg 500 --push-to-hub
  python -m trainer evaluate runs/dcgan-64 --data photos
"""
COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "--list": list_recipes,
    "push": push,
    "evaluate": measure,
    "compare": compare_losses,
    "nearest": find_nearest,
    "captions": name_images,
    "job": follow_job,
}


def show_help() -> None:
    """List the commands and recipes."""
    commands = [f"  {name:20} {command.__doc__}" for name, command in COMMANDS.items()]
    recipes = [f"  {recipe.name:20} {recipe.summary}" for recipe in RECIPES.values()]
    print(OVERVIEW.format(commands="\n".join(commands), recipes="\n".join(recipes), default=DEFAULT))


def main(arguments: Sequence[str]) -> None:
    """Run one command. A mistake of the user is one line on stderr and exit status 2."""
    name = arguments[0] if arguments else ""
    print_anything()
    try:
        check_alone()
        if name in ("-h", "--help"):
            show_help()
        elif name in COMMANDS:
            COMMANDS[name](arguments[1:])
        else:
            train(arguments)
        sys.stdout.flush()
    except InputError as error:
        if isinstance(error, Agreed) and distributed.local_rank():
            sys.exit(2)
        fail(error)
    except OSError as error:
        fail(full_output(error))
    except (Collapsed, Lost, hf_job.Failed) as error:
        fail(str(error), 1)
    except Stopped as stopped:
        if distributed.local_rank():
            sys.exit(stopped.status)
        fail(str(stopped), stopped.status)


if __name__ == "__main__":
    main(sys.argv[1:])
