"""Fuzz one target of stress/fuzz/targets.py with atheris, guided by the branches that an input takes.

    python -m stress.fuzz header -max_total_time=600

What follows the target is libFuzzer's: flags, files to try again, a folder for inputs that reach new branches; without
one they are put in a new folder of the system's, where findings go too. stress/fuzz/corpus/TARGET is read, never
written.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pretrained", "fuzz.targets", "json", "PIL"]):
    from stress.fuzz import targets

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in targets.TARGETS:
        sys.exit(f"fuzz: give a target first: {', '.join(targets.TARGETS)}")
    warnings.simplefilter("ignore")  # Pillow's, of broken metadata

    def attempt(data: bytes) -> None:
        with targets.refusals():
            targets.TARGETS[name](data)

    given, dictionary = sys.argv[2:], CORPUS / f"{name}.dict"
    if all(word.startswith("-") for word in given):
        folder = tempfile.mkdtemp(prefix=f"fuzz-{name}-")
        print(f"what is found is put in {folder}", file=sys.stderr)
        given += [f"-artifact_prefix={folder}/", folder, str(CORPUS / name)]
    words = [f"-dict={dictionary}"] if dictionary.exists() else []
    atheris.Setup([sys.argv[0], *words, *given], attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
