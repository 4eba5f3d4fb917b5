"""Seeds or points in, images out: the pipeline of a generator."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pretrained.checkpoint import Config
from pretrained.inputs import latents
from pretrained.inputs.text import encode
from pretrained.media.images import to_uint8
from pretrained.networks.sizes import sides
from pretrained.system.errors import InputError
from pretrained.system.out_of_memory import raise_on_oom, run_in_chunks

# Kernels are chosen by the shape of a batch and may differ in the last bit, so each batch has the same shape.
BATCH_SIZE = 16
MOST_ON_GPU, GPU_PIXELS = 64, 2**18  # a sheet of 64 at 64 px is one batch there


@dataclass
class Generate:
    """Seeds in, pictures out.

    Attributes:
        network: z (N, z_dim) [, y] -> (N, C, H, W) in [-1, 1], in eval mode; y is labels (N,) or words (N, MAX_WORDS).
            Where the config's input says "style": mapping, truncate and synthesis, as in `networks.stylegan`.
        config: what the network is and can do.
        revision: the commit it was pulled at, or "" for a local one.
    """

    network: nn.Module
    config: Config
    device: torch.device
    revision: str = ""

    def __post_init__(self) -> None:
        if self.config.input.get("noise") not in list(latents.NOISES):  # a list compares what cannot be hashed too
            raise InputError(f"the config's 'input' needs \"noise\": one of {', '.join(latents.NOISES)}")
        if self.config.input.get("style") and not hasattr(self.network, "synthesis"):
            raise InputError(f"the config's 'input' says \"style\", but {self.config.network['class']} has none")
        self._check_text()
        if missing := {"size", "channels", "z_dim"} - self.config.network.keys():
            raise InputError(f"{self.config.network['class']} draws nothing from noise: it has no {min(missing)}")
        if self.device.type != "meta":
            self.network = raise_on_oom(lambda: self.network.to(self.device, memory_format=torch.channels_last))

    @property
    def batch_size(self) -> int:
        """How many images are drawn at once: always as many on a device, so that they are the same to the bit."""
        num_pixels = math.prod(sides(self.config.network.get("size", 64)))
        return max(BATCH_SIZE, min(MOST_ON_GPU, GPU_PIXELS // num_pixels)) if self.device.type == "cuda" else BATCH_SIZE

    @property
    def space(self) -> str:
        """Where pictures are points that can be moved: "w" or "z", as `Config.space` says."""
        return self.config.space

    def latents(self, seeds: Iterable[int]) -> list[np.ndarray]:
        """The z of each seed, float64 (z_dim,)."""
        return latents.of_seeds(_checked(seeds), self.config.network["z_dim"], self.config.input["noise"])

    def _check_text(self) -> None:
        """The vocabulary comes with the checkpoint, perhaps from a stranger."""
        if "text" not in self.config.input:
            return
        given, wanted = self.config.input["text"], self.config.network.get("num_words")
        lists = [given.get(name) for name in ("vocabulary", "examples")] if isinstance(given, dict) else [None]
        if not all(isinstance(item, list) and item and all(isinstance(word, str) for word in item) for item in lists):
            raise InputError('the config\'s \'text\' must be {"vocabulary": [words], "examples": [sentences]}')
        if len(given["vocabulary"]) != wanted:
            raise InputError(f"the config's vocabulary has {len(given['vocabulary'])} words for {wanted} embeddings")

    def sample(
        self,
        seeds: Iterable[int],
        label: int | None = None,
        truncation: float = 1.0,
        text: str | None = None,
        move: np.ndarray | None = None,
    ) -> np.ndarray:
        """The images of `seeds` -> uint8 (N, H, W, C); the same to the bit however many are asked for at once.

        Args:
            seeds: 0 to 2**32 - 1.
            label: the class of all of them; None gives seed s the class s modulo the number of classes.
            truncation: psi; below 1, latents (styles, where there are any) move towards their mean: more typical
                pictures, less varied.
            text: what to draw, for a network that reads; None gives seed s example s modulo their number.
            move: (dim,), added to the point of each, as `directions.move` gives it; after truncation.
        """
        seeds = list(seeds)
        conditions = self.conditions(seeds, label, text)
        images = list(self.render(self.latents(seeds), conditions, truncation, move=move))
        return np.stack(images) if images else np.zeros((0, 0, 0, 0), np.uint8)

    def to_latents(
        self, seeds: Iterable[int], label: int | None = None, truncation: float = 1.0, text: str | None = None
    ) -> np.ndarray:
        """The points of `seeds` in `space`, float32 (N, dim); the rest is as for `sample`."""
        seeds = list(seeds)
        pairs = zip(self.latents(seeds), self.conditions(seeds, label, text))
        batches = [self._to_latents(z, y, truncation)[:count].cpu() for z, y, count in self._batches(pairs)]
        return torch.cat(batches).numpy()

    def draw(self, points: Iterable[np.ndarray], conditions: Iterable[Any]) -> np.ndarray:
        """The pictures of points (dim,) -> uint8 (N, H, W, C); those of `locate` are, to the bit, those of `sample`.

        Args:
            conditions: for each point, what `conditions` gives for a seed.
        """
        batches = self._batches(zip(points, conditions))
        return np.concatenate([self._draw(point, y)[:count] for point, y, count in batches])

    def mix(
        self,
        rows: Sequence[int],
        columns: Sequence[int],
        layers: int,
        label: int | None = None,
        truncation: float = 1.0,
    ) -> np.ndarray:
        """Style mixing -> uint8 (len(rows) * len(columns), H, W, C), row by row.

        Args:
            rows: the seeds that give the coarse styles, the first `layers` ones.
            columns: the seeds that give the other, finer ones.
            layers: 0 to `network.num_styles`.
            label: the class of all of them; None is that of the row.
        """
        if not self.config.input.get("style"):
            raise InputError(f"{self.config.name} has no styles to mix")
        if not 0 <= layers <= self.network.num_styles:
            raise InputError(f"`layers` must be 0 to {self.network.num_styles}, got {layers}")
        pairs = [(row, column) for row in rows for column in columns]
        conditions = self.conditions([row for row, _ in pairs], label)
        coarse, fine = (dict(zip(seeds, self.latents(seeds))) for seeds in (rows, columns))
        zs = [np.stack([coarse[row], fine[column]]) for row, column in pairs]
        images = list(self.render(zs, conditions, truncation, layers))
        return np.stack(images) if images else np.zeros((0, 0, 0, 0), np.uint8)

    def walk(
        self,
        seeds: Sequence[int],
        num_frames: int = 120,
        label: int | None = None,
        truncation: float = 1.0,
        loop: bool = True,
        text: str | None = None,
    ) -> Iterator[np.ndarray]:
        """Frames, uint8 (H, W, C), of a smooth path through the pictures of `seeds`, back to the first if `loop`.

        Labels blend from one seed's to the next's; a text stays that of the first seed.
        """
        if not seeds or num_frames < 1:
            raise InputError("a walk needs one seed and one frame at least")
        conditions = self.conditions(seeds, label, text)
        if self.config.classes:
            conditions = latents.blend(np.eye(len(self.config.classes))[conditions], num_frames, loop)
        else:
            conditions = conditions[:1] * num_frames
        yield from self.render(latents.walk(self.latents(seeds), num_frames, loop), conditions, truncation)

    def conditions(
        self, seeds: Sequence[int], label: int | None = None, text: str | None = None
    ) -> list[int] | list[list[int]]:
        """What the network is told beside z: for each seed a label, or the words of a sentence."""
        classes, reads = self.config.classes, self.config.input.get("text")
        if text is not None and not reads:
            raise InputError(f"{self.config.name} takes no `text`: leave it out")
        if label is not None and not 0 <= label < len(classes):
            if not classes:
                raise InputError(f"{self.config.name} has no classes: leave `label` out")
            raise InputError(f"`label` must be 0 to {len(classes) - 1}, got {label}")
        if reads:
            examples = [text] if text is not None else reads["examples"]
            return [encode(examples[seed % len(examples)], reads["vocabulary"]) for seed in seeds]
        return [seed % len(classes) if label is None and classes else label or 0 for seed in seeds]

    def condition(self, conditions: Sequence[Any]) -> Tensor | None:
        """What `conditions` gives, as the network takes it; None for one that is told nothing beside z."""
        if not self.config.classes and not self.config.input.get("text"):
            return None
        y = torch.from_numpy(np.stack(conditions)).to(self.device)
        return y.float() if y.is_floating_point() else y  # shares of labels, or labels, or words

    def synthesize(self, points: Tensor, y: Tensor | None) -> Tensor:
        """Points (N, dim) of `space`, or for styles one for each layer (N, num_styles, dim) -> (N, C, H, W)."""
        if self.space == "z":
            return self.network(points, y)
        if points.dim() == 2:
            points = points[:, None].repeat(1, self.network.num_styles, 1)
        return self.network.synthesis(points)

    def _batches(self, pairs: Iterable[tuple[np.ndarray, Any]]) -> Iterator[tuple[Tensor, Tensor | None, int]]:
        """Vectors and what goes with them, `batch_size` at a time, the last repeated to fill it; their number."""
        pairs = iter(pairs)
        while batch := list(islice(pairs, self.batch_size)):
            padded = batch + [batch[-1]] * (self.batch_size - len(batch))
            vectors = np.stack([vector for vector, _ in padded]).astype(np.float32)
            yield (
                torch.from_numpy(vectors).to(self.device),
                self.condition([condition for _, condition in padded]),
                len(batch),
            )

    def render(
        self,
        zs: Iterable[np.ndarray],
        conditions: Iterable[Any],
        truncation: float = 1.0,
        layers: int | None = None,
        move: np.ndarray | None = None,
    ) -> Iterator[np.ndarray]:
        """The pictures of latents, uint8 (H, W, C) each, drawn `batch_size` at a time as they are asked for.

        Args:
            zs: (z_dim,) each; with `layers`, the coarse and the fine one of a mixture, (2, z_dim).
            conditions: for each, what `conditions` gives for a seed.
            truncation, move: as for `sample`.
            layers: as for `mix`.
        """
        offset = 0 if move is None else torch.from_numpy(move.astype(np.float32)).to(self.device)
        for z, y, count in self._batches(zip(zs, conditions)):
            if layers is None:
                points = self._to_latents(z, y, truncation) + offset
            else:
                points = self._mix(*(self._to_latents(end, y, truncation)[:, None] for end in z.unbind(1)), layers)
            yield from self._draw(points, y)[:count]

    def _mix(self, coarse: Tensor, fine: Tensor, layers: int) -> Tensor:
        """Two w (N, 1, w_dim) -> one for each layer: the first `layers` coarse, the rest fine."""
        place = torch.arange(self.network.num_styles, device=self.device).view(1, -1, 1)
        return torch.where(place < layers, coarse, fine)

    @torch.inference_mode()
    def _to_latents(self, z: Tensor, y: Tensor | None, truncation: float) -> Tensor:
        if not 0 <= truncation <= 2:
            raise InputError(f"`truncation` must be 0 to 2, got {truncation}")
        if self.space == "z":
            return z * truncation
        return run_in_chunks(lambda z, y: self.network.truncate(self.network.mapping(z, y), y, truncation), z, y)

    @torch.inference_mode()
    def _draw(self, points: Tensor, y: Tensor | None) -> np.ndarray:
        return to_uint8(run_in_chunks(self.synthesize, points, y))


def _checked(seeds: Iterable[int]) -> Iterator[int]:
    for seed in seeds:
        if not 0 <= seed <= latents.MAX_SEED:
            raise InputError(f"seed {seed} is out of range: 0 to {latents.MAX_SEED}")
        yield seed
