"""Compiled networks learn what plain ones learn, gradient penalties included."""

from functools import partial

import pytest
import torch
from helpers.recipes import logged, shrink, train

RUNS = {
    "wgan-gp": ("dcgan-mnist", {"loss": "wgan-gp"}),
    "lazy R1, labels": ("cdcgan-mnist", {"penalty_every": 2}),
    "stylegan": ("stylegan-mnist", {"penalty_every": 2}),
    "progan": ("progan-mnist", {}),
    "cyclegan": ("cyclegan-emoji", {}),
}


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # which the tracing looks at
@pytest.mark.parametrize(("name", "options"), RUNS.values(), ids=RUNS)
def test_compiled_networks_have_the_losses_of_plain_ones(tmp_path, monkeypatch, name, options):
    """Traced, and differentiated, as for any compiler; no machine code, which takes minutes."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    recipe = shrink(name, kimg=0.024, **options)
    for folder, compile in (("plain", False), ("compiled", True)):
        train(recipe, tmp_path / folder, compile=compile, precision="fp32", snapshots=1)
    plain, compiled = (logged(tmp_path / folder) for folder in ("plain", "compiled"))
    assert compiled == [pytest.approx(line, rel=1e-3, abs=1e-5) for line in plain]
    assert bool(graphs) == (name != "progan-mnist")  # whose graph is another one at each step of a fade
