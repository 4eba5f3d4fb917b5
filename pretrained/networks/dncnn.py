"""DnCNN (Zhang et al. 2016, arXiv:1608.03981): a residual denoiser that predicts the noise."""

from __future__ import annotations

from torch import Tensor, nn

from pretrained.system.errors import InputError

__all__ = ["Generator"]


class Generator(nn.Module):
    """Noisy images (N, channels, H, W) in [-1, 1] -> denoised images of the same shape, near [-1, 1], not clamped.

    17 layers in the paper for a known noise level, 20 for any; the receptive field is 2 * layers + 1 px. Batch
    normalisation as in the paper.
    """

    multiple = 1  # any height and width

    def __init__(self, channels: int = 3, width: int = 64, layers: int = 17):
        super().__init__()
        if layers < 2:
            raise InputError(f"layers must be >= 2, got {layers}")
        self.layers = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True))
        for _ in range(layers - 2):
            self.layers.append(nn.Conv2d(width, width, 3, padding=1, bias=False))
            self.layers.append(nn.BatchNorm2d(width))
            self.layers.append(nn.ReLU(inplace=True))
        self.layers.append(nn.Conv2d(width, channels, 3, padding=1))
        for module in self.layers:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x - self.layers(x)
