"""PSNR and SSIM by hand."""

import pytest
import torch

from trainer.metrics.psnr_ssim import luma, psnr, ssim


def test_psnr_by_hand():
    x = torch.zeros(2, 3, 4, 4)
    y = torch.stack([torch.full((3, 4, 4), 0.1), torch.full((3, 4, 4), 0.01)])
    assert psnr(x, y).tolist() == pytest.approx([20, 40])
    assert psnr(x, x).tolist() == pytest.approx([100, 100])


def test_ssim_by_hand():
    """Of two even images only their brightness counts: (2ab + C1) / (a² + b² + C1)."""
    a, b = torch.full((1, 1, 16, 16), 0.4), torch.full((1, 1, 16, 16), 0.8)
    assert ssim(a, b).item() == pytest.approx((2 * 0.32 + 1e-4) / (0.16 + 0.64 + 1e-4), rel=1e-4)
    noise = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert ssim(noise, noise).tolist() == pytest.approx([1, 1])
    assert ssim(noise, 1 - noise).max() < 0


def test_ssim_of_a_window_by_hand():
    """One window, 11 px: the weighted moments in numbers of NumPy's."""
    x, y = torch.rand(2, 1, 1, 11, 11, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    place = torch.arange(-5, 6, dtype=torch.float64)
    weight = torch.exp(-(place[:, None] ** 2 + place**2) / (2 * 1.5**2))
    weight /= weight.sum()
    mean = lambda z: (weight * z).sum()
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    expected = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    assert ssim(x, y).item() == pytest.approx(expected.item())


@pytest.mark.parametrize(("colour", "level"), [((-1, -1, -1), 16), ((1, 1, 1), 235), ((1, -1, -1), 16 + 65.481)])
def test_luma_by_hand(colour, level):
    image = torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 8, 10)
    assert luma(image, border=2).shape == (1, 1, 4, 6)
    assert luma(image)[0, 0, 0, 0].item() * 255 == pytest.approx(level, abs=0.01)
    if len(set(colour)) == 1:
        assert luma(image[:, :1])[0, 0, 0, 0].item() * 255 == pytest.approx(level, abs=0.01)
