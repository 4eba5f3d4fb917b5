"""`python -m benchmarks.gpu` runs from end to end on a processor, with few packages installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# All but torch, torchvision, numpy, Pillow, safetensors, tyro and what those need may be missing.
MISSING = "tqdm huggingface_hub streamlit gradio av onnx onnxruntime torch_fidelity requests tensorboard trackio pytest"
RUN = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({MISSING!r}.split()))
runpy.run_module("benchmarks.gpu", run_name="__main__", alter_sys=True)
"""


def test_it_walks_through_all_rows(tmp_path):
    words = "--device cpu --seconds 0.2 --recipes icgan-mnist pose-figures --models dcgan-mnist labels-facades --json"
    command = [sys.executable, "-c", RUN, *words.split(), str(tmp_path / "found.json")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "these figures mean nothing" in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    assert [
        row["row"].partition("-")[0] for row in found["rows"]
    ] == "dcgan wgan stylegan pix2pix cyclegan srgan".split()
    for row in found["rows"]:
        assert row["difference"] == 0, "both are eager here"
        assert all(row[who]["images/s"] > 0 for who in ("textbook", "eager", "captured"))
        assert all(value > 0 for value in row["floor ms"].values())
        assert f"| {row['row']} |" in done.stdout
    assert found["recipes"] == dict.fromkeys(("dcgan-mnist", "icgan-mnist", "pose-figures"), "ok")
    assert found["play"]["dcgan-mnist"].keys() == {"64 seeds, ms", "frames/s"}


def test_without_a_gpu_it_says_so():
    command = [sys.executable, "-m", "benchmarks.gpu"]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "--device cpu walks through the script" in done.stderr
