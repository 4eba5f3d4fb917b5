"""Seeds, and the paths between them: one seed is one latent, everywhere and for good."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

# NumPy has frozen RandomState's streams (NEP 19), so a seed is the same picture on every machine and version.
NOISES = {
    "normal": lambda random, z_dim: random.randn(z_dim),
    "uniform": lambda random, z_dim: random.uniform(-1.0, 1.0, z_dim),
}
MAX_SEED = 2**32 - 1


def latent(seed: int, z_dim: int, noise: str = "normal") -> np.ndarray:
    """The latent z of a seed (0 to 2**32 - 1): float64 (z_dim,)."""
    return NOISES[noise](np.random.RandomState(seed), z_dim)


def of_seeds(seeds: Iterable[int], z_dim: int, noise: str = "normal") -> list[np.ndarray]:
    """The latents of many seeds, from one generator that is seeded again: a new one takes far longer."""
    random, found = np.random.RandomState(0), []
    for seed in seeds:
        random.seed(seed)
        found.append(NOISES[noise](random, z_dim))
    return found


def slerp(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """The point at share `t` of the great circle from unit vector `a` to unit vector `b` (Shoemake 1985)."""
    angle = np.arccos(np.clip(a @ b, -1.0, 1.0))
    if angle < 1e-6:
        return a
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


def _tangent(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The direction from unit vector `a` to `b` along the sphere, as long as their angle (logarithmic map)."""
    across = b - (a @ b) * a
    length = np.linalg.norm(across)
    return across * (np.arccos(np.clip(a @ b, -1.0, 1.0)) / length) if length > 1e-9 else np.zeros_like(a)


def _control(before: np.ndarray, at: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The inner control point that makes two arcs meet at `at` without a corner (Shoemake 1987)."""
    tangent = -(_tangent(at, before) + _tangent(at, after)) / 4
    length = np.linalg.norm(tangent)
    return at if length < 1e-9 else np.cos(length) * at + np.sin(length) * tangent / length


def _places(num_keys: int, num_frames: int, loop: bool) -> Iterator[tuple[int, int, float]]:
    """For each frame the key before it, the key after it, and the share of the way between them, 0 to 1.

    The frame nearest to a key shows the key itself, whether or not the frames divide evenly.
    """
    segments = num_keys if loop else num_keys - 1
    positions, step = np.linspace(0, segments, num_frames, endpoint=not loop, retstep=True)
    at_key = {round(i / step): i for i in range(num_keys)} if num_frames > 1 else {0: 0}
    for frame, position in enumerate(positions):
        if frame in at_key:
            yield at_key[frame], at_key[frame], 0.0
        else:
            yield int(position), (int(position) + 1) % num_keys, position % 1


def _ease(t: float) -> float:
    """From 0 to 1 with no speed at either end."""
    return t * t * (3 - 2 * t)


def walk(keys: Sequence[np.ndarray], num_frames: int, loop: bool = True) -> Iterator[np.ndarray]:
    """A smooth path on the sphere through `keys`, `num_frames` latents long (squad, Shoemake 1987).

    Each key is met exactly, to the bit. A closed loop comes back to just before its first key; an open walk ends on
    its last. Lengths between two keys are eased, so that neither direction nor length jumps in speed at a joint.
    """
    last = len(keys)
    if last == 1:
        yield from [keys[0]] * num_frames
        return
    norms = [np.linalg.norm(key) for key in keys]
    units = [key / norm for key, norm in zip(keys, norms)]
    at = (lambda i: i % last) if loop else (lambda i: min(max(i, 0), last - 1))
    controls = [_control(units[at(i - 1)], units[i], units[at(i + 1)]) for i in range(last)]
    for i, j, t in _places(last, num_frames, loop):
        if t == 0:
            yield keys[i]
            continue
        direction = slerp(slerp(units[i], units[j], t), slerp(controls[i], controls[j], t), 2 * t * (1 - t))
        yield direction * (norms[i] + _ease(t) * (norms[j] - norms[i]))


def blend(keys: Sequence[np.ndarray], num_frames: int, loop: bool = True) -> Iterator[np.ndarray]:
    """What goes with the frames of `walk`: straight lines between `keys`, eased, each met exactly."""
    for i, j, t in _places(len(keys), num_frames, loop):
        yield (1 - _ease(t)) * keys[i] + _ease(t) * keys[j]
