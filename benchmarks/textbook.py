"""Training steps as the well-known tutorials type them, which ours are measured against.

Pictures go through PIL transforms in a DataLoader; D(real), D(fake) and G are passes of their own; cross-entropy on
a sigmoid, `.item()` at each step, float32, eager, plain Adam. Each function is endless and yields the losses of a step.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

Losses = Iterator[dict[str, float]]


def initialise(module: nn.Module) -> None:
    """DCGAN's weights, as the tutorials have them."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def widths(size: int, width: int) -> list[int]:
    """Channels at 4, 8, ..., size / 2 px."""
    return [width * min(2**level, 8) for level in reversed(range(size.bit_length() - 3))]


def generator(size: int, channels: int, z_dim: int, width: int) -> nn.Module:
    """z (N, z_dim, 1, 1) -> pictures (N, channels, size, size) in [-1, 1]."""
    before, *rest = widths(size, width)
    layers = [nn.ConvTranspose2d(z_dim, before, 4, 1, 0, bias=False), nn.BatchNorm2d(before), nn.ReLU(True)]
    for after in rest:
        layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(True)]
        before = after
    return nn.Sequential(*layers, nn.ConvTranspose2d(before, channels, 4, 2, 1), nn.Tanh()).apply(initialise)


def discriminator(size: int, channels: int, width: int, norm: Callable[[int], nn.Module]) -> nn.Module:
    """Pictures (N, channels, size, size) -> (N, 1, 1, 1), before any sigmoid."""
    before, *rest = reversed(widths(size, width))
    layers: list[nn.Module] = [nn.Conv2d(channels, before, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for after in rest:
        layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False), norm(after), nn.LeakyReLU(0.2, True)]
        before = after
    return nn.Sequential(*layers, nn.Conv2d(before, 1, 4, 1, 0)).apply(initialise)


class Images(Dataset):
    """Items that are opened one by one, and transformed by PIL."""

    def __init__(self, items: Sequence[Path | Image.Image], transform: Callable[[Image.Image], Tensor]):
        self.items, self.transform = items, transform

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Tensor:
        item = self.items[index]
        return self.transform(Image.open(item).convert("RGB") if isinstance(item, Path) else item)


class PairedImages(Dataset):
    """Files with A on the left and B on the right -> (A, B), enlarged, cut and mirrored alike."""

    def __init__(self, items: Sequence[Path], size: int):
        self.items, self.size = items, size

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        both = Image.open(self.items[index]).convert("RGB")
        half = both.width // 2
        larger = round(self.size * 286 / 256)
        left, top, flip = random.randrange(larger - self.size), random.randrange(larger - self.size), random.random()
        pair = []
        for box in ((0, 0, half, both.height), (half, 0, both.width, both.height)):
            image = both.crop(box).resize((larger, larger), Image.Resampling.BICUBIC)
            image = image.crop((left, top, left + self.size, top + self.size))
            if flip < 0.5:
                image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            pair.append(normalised(image))
        return pair[0], pair[1]


class SmallAndLarge(Dataset):
    """Items cut at a random place -> (made `scale` times smaller, as they are)."""

    def __init__(self, items: Sequence[Path], size: int, scale: int):
        self.items, self.size, self.scale = items, size, scale

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = transforms.functional.resize(Image.open(self.items[index]).convert("RGB"), round(self.size * 1.2))
        image = transforms.RandomCrop(self.size)(image)
        small = image.resize((self.size // self.scale,) * 2, Image.Resampling.BICUBIC)
        return normalised(small), normalised(image)


def normalised(image: Image.Image) -> Tensor:
    return transforms.functional.normalize(transforms.functional.to_tensor(image), 0.5, 0.5)


def resized(size: int) -> Callable[[Image.Image], Tensor]:
    return transforms.Compose([transforms.Resize((size, size)), transforms.ToTensor(), transforms.Normalize(0.5, 0.5)])


def jittered(size: int) -> Callable[[Image.Image], Tensor]:
    larger = round(size * 286 / 256)
    return transforms.Compose(
        [
            transforms.Resize((larger, larger), transforms.InterpolationMode.BICUBIC),
            transforms.RandomCrop(size),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(0.5, 0.5),
        ]
    )


def epochs(data: Dataset, batch_size: int, workers: int) -> Iterator[Tensor]:
    """Epoch after epoch of a DataLoader, as long as somebody asks."""
    loader = DataLoader(data, batch_size, shuffle=True, num_workers=workers, drop_last=True)
    while True:
        yield from loader


def dcgan(G: nn.Module, D: nn.Module, loader: Iterator[Tensor], z_dim: int) -> Losses:
    """The DCGAN tutorial's loop."""
    criterion = nn.BCELoss()
    D_optimizer = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    G_optimizer = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    for real in loader:
        D.zero_grad()
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        real_loss = criterion(torch.sigmoid(D(real)).view(-1), ones)
        real_loss.backward()
        fake = G(torch.randn(len(real), z_dim, 1, 1))
        fake_loss = criterion(torch.sigmoid(D(fake.detach())).view(-1), zeros)
        fake_loss.backward()
        D_optimizer.step()
        G.zero_grad()
        G_loss = criterion(torch.sigmoid(D(fake)).view(-1), ones)
        G_loss.backward()
        G_optimizer.step()
        yield {"D": real_loss.item() + fake_loss.item(), "G": G_loss.item()}


def wgan_gp(G: nn.Module, D: nn.Module, loader: Iterator[Tensor], z_dim: int, critic_steps: int = 5) -> Losses:
    """Five steps of the critic, on five batches, and one of G."""
    D_optimizer = torch.optim.Adam(D.parameters(), lr=1e-4, betas=(0.0, 0.9))
    G_optimizer = torch.optim.Adam(G.parameters(), lr=1e-4, betas=(0.0, 0.9))
    while True:
        for _ in range(critic_steps):
            real = next(loader)
            fake = G(torch.randn(len(real), z_dim, 1, 1))
            weight = torch.rand(len(real), 1, 1, 1)
            mixed = (weight * real + (1 - weight) * fake).requires_grad_()
            score = D(mixed)
            gradient = torch.autograd.grad(score, mixed, torch.ones_like(score), create_graph=True, retain_graph=True)
            penalty = 10 * ((gradient[0].view(len(real), -1).norm(2, dim=1) - 1) ** 2).mean()
            D_loss = D(fake).mean() - D(real).mean()
            D.zero_grad()
            (D_loss + penalty).backward(retain_graph=True)
            D_optimizer.step()
        G_loss = -D(G(torch.randn(len(real), z_dim, 1, 1))).mean()
        G.zero_grad()
        G_loss.backward()
        G_optimizer.step()
        yield {"D": D_loss.item(), "penalty": penalty.item(), "G": G_loss.item()}


def stylegan(G: nn.Module, D: nn.Module, loader: Iterator[Tensor], z_dim: int, penalty_every: int = 16) -> Losses:
    """Non-saturating loss, R1 at each 16th step, styles mixed for nine batches of ten."""
    D_optimizer = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.0, 0.99))
    G_optimizer = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.0, 0.99))

    def draw(count: int) -> Tensor:
        coarse, fine = (G.mapping(torch.randn(count, z_dim)) for _ in range(2))
        change = random.randrange(1, G.num_styles) if random.random() < 0.9 else G.num_styles
        return G.synthesis(torch.stack([coarse] * change + [fine] * (G.num_styles - change), dim=1))

    for step, real in enumerate(loader, start=1):
        D_loss = F.softplus(-D(real)).mean() + F.softplus(D(draw(len(real)).detach())).mean()
        D.zero_grad()
        D_loss.backward()
        D_optimizer.step()
        if step % penalty_every == 0:
            real.requires_grad_()
            (gradient,) = torch.autograd.grad(D(real).sum(), real, create_graph=True)
            D.zero_grad()
            (penalty_every * 0.5 * gradient.view(len(real), -1).pow(2).sum(1).mean()).backward()
            D_optimizer.step()
        G_loss = F.softplus(-D(draw(len(real)))).mean()
        G.zero_grad()
        G_loss.backward()
        G_optimizer.step()
        yield {"D": D_loss.item(), "G": G_loss.item()}


def pix2pix(G: nn.Module, D: nn.Module, loader: Iterator[tuple[Tensor, Tensor]]) -> Losses:
    """A GAN on patches of (source, picture), and 100 L1."""
    criterion = nn.BCEWithLogitsLoss()
    G_optimizer = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    D_optimizer = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    for target, source in loader:
        output = G(source)
        D_optimizer.zero_grad()
        real, fake = D(torch.cat([source, target], 1)), D(torch.cat([source, output.detach()], 1))
        D_loss = 0.5 * (criterion(real, torch.ones_like(real)) + criterion(fake, torch.zeros_like(fake)))
        D_loss.backward()
        D_optimizer.step()
        G_optimizer.zero_grad()
        fake = D(torch.cat([source, output], 1))
        G_loss, l1 = criterion(fake, torch.ones_like(fake)), 100 * F.l1_loss(output, target)
        (G_loss + l1).backward()
        G_optimizer.step()
        yield {"D": D_loss.item(), "G": G_loss.item(), "L1": l1.item()}


class Pool:
    """Fifty past fakes, of which D is shown one half of the time."""

    def __init__(self) -> None:
        self.images: list[Tensor] = []

    def swap(self, fake: Tensor) -> Tensor:
        if len(self.images) < 50:
            self.images.append(fake)
            return fake
        if random.random() < 0.5:
            return fake
        place = random.randrange(50)
        older, self.images[place] = self.images[place], fake
        return older


def cyclegan(AB: nn.Module, BA: nn.Module, D_A: nn.Module, D_B: nn.Module, loader: Iterator[list[Tensor]]) -> Losses:
    """Least squares, 10 of cycle and 5 of identity loss, and a pool for each D."""
    pools = Pool(), Pool()
    G_optimizer = torch.optim.Adam([*AB.parameters(), *BA.parameters()], lr=2e-4, betas=(0.5, 0.999))
    D_optimizers = [torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999)) for D in (D_A, D_B)]
    for a, b in loader:
        G_optimizer.zero_grad()
        identity = 5 * (F.l1_loss(AB(b), b) + F.l1_loss(BA(a), a))
        fake_b, fake_a = AB(a), BA(b)
        adversarial = (D_B(fake_b) - 1).square().mean() + (D_A(fake_a) - 1).square().mean()
        cycle = 10 * (F.l1_loss(BA(fake_b), a) + F.l1_loss(AB(fake_a), b))
        (adversarial + cycle + identity).backward()
        G_optimizer.step()
        losses = {"G": adversarial.item(), "cycle": cycle.item(), "identity": identity.item()}
        for name, D, optimizer, pool, real, fake in zip(
            ("D_A", "D_B"), (D_A, D_B), D_optimizers, pools, (a, b), (fake_a, fake_b)
        ):
            optimizer.zero_grad()
            loss = 0.5 * ((D(real) - 1).square().mean() + D(pool.swap(fake.detach())).square().mean())
            loss.backward()
            optimizer.step()
            losses[name] = loss.item()
        yield losses


def srgan(G: nn.Module, D: nn.Module, loader: Iterator[list[Tensor]]) -> Losses:
    """Squared error, and a thousandth of the adversarial loss."""
    criterion = nn.BCEWithLogitsLoss()
    G_optimizer = torch.optim.Adam(G.parameters(), lr=1e-4)
    D_optimizer = torch.optim.Adam(D.parameters(), lr=1e-4)
    for small, large in loader:
        output = G(small)
        D_optimizer.zero_grad()
        real, fake = D(large), D(output.detach())
        D_loss = criterion(real, torch.ones_like(real)) + criterion(fake, torch.zeros_like(fake))
        D_loss.backward()
        D_optimizer.step()
        G_optimizer.zero_grad()
        fake, content = D(output), F.mse_loss(output, large)
        G_loss = criterion(fake, torch.ones_like(fake))
        (content + 1e-3 * G_loss).backward()
        G_optimizer.step()
        yield {"D": D_loss.item(), "G": G_loss.item(), "MSE": content.item()}
