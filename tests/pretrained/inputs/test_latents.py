"""Seeds and walks."""

import numpy as np
import pytest

from pretrained.inputs import latents


def test_a_seed_is_frozen_for_good():
    """NumPy's RandomState never changes; these numbers are the contract with every other implementation."""
    np.testing.assert_allclose(latents.latent(7, 3), [1.69052570, -0.46593737, 0.03282016], atol=1e-8)
    uniform = latents.latent(7, 100, "uniform")
    assert -1 <= uniform.min() < -0.9
    assert 0.9 < uniform.max() <= 1


def test_slerp_stays_on_the_sphere():
    a, b = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(latents.slerp(a, b, 0.5), [np.sqrt(0.5), np.sqrt(0.5), 0])
    np.testing.assert_allclose(latents.slerp(a, b, 1 / 3), [np.cos(np.pi / 6), np.sin(np.pi / 6), 0])
    np.testing.assert_array_equal(latents.slerp(a, a, 0.3), a)


KEYS = [latents.latent(seed, 64) for seed in range(4)]


@pytest.mark.parametrize("num_frames", [4, 7, 120])
@pytest.mark.parametrize("loop", [True, False])
def test_a_walk_meets_its_keys_to_the_bit(num_frames, loop):
    frames = list(latents.walk(KEYS, num_frames, loop))
    assert len(frames) == num_frames
    for key in KEYS:
        assert any(np.array_equal(frame, key) for frame in frames)
    np.testing.assert_array_equal(frames[0], KEYS[0])
    if not loop:
        np.testing.assert_array_equal(frames[-1], KEYS[-1])


@pytest.mark.parametrize("loop", [True, False])
def test_a_walk_has_no_corner(loop):
    """At the joints direction and speed change no faster than within a segment; a broken line of arcs fails this."""
    frames = np.array(list(latents.walk(KEYS, 400, loop)))
    if loop:
        frames = np.concatenate([frames, frames[:2]])
    velocity = np.diff(frames, axis=0)
    turn = np.linalg.norm(np.diff(velocity, axis=0), axis=1)
    assert turn.max() < 0.2 * np.linalg.norm(velocity, axis=1).mean()
    lengths = np.linalg.norm(frames, axis=1)
    assert min(map(np.linalg.norm, KEYS)) - 1e-9 <= lengths.min()
    assert lengths.max() <= max(map(np.linalg.norm, KEYS)) + 1e-9


def test_a_closed_walk_closes():
    frames = np.array(list(latents.walk(KEYS, 200)))
    steps = np.linalg.norm(np.diff(frames, axis=0), axis=1)
    assert np.linalg.norm(frames[0] - frames[-1]) < 2 * steps.max()


@pytest.mark.parametrize("keys", [[KEYS[0]], [KEYS[0], KEYS[0]], [KEYS[0], -KEYS[0]]])
def test_degenerate_walks_are_finite(keys):
    frames = np.array(list(latents.walk(keys, 10)))
    assert frames.shape == (10, 64)
    assert np.isfinite(frames).all()


@pytest.mark.parametrize("noise", latents.NOISES)
@pytest.mark.parametrize("z_dim", [1, 7, 64])  # of normal numbers every other is kept for the next draw
def test_many_seeds_have_the_latents_of_each(noise, z_dim):
    seeds = [0, 7, 7, 2**32 - 1, np.int64(5), 1]
    for found, seed in zip(latents.of_seeds(seeds, z_dim, noise), seeds, strict=True):
        np.testing.assert_array_equal(found, latents.latent(seed, z_dim, noise))
