"""Drawings for translators to read that anybody could have made: lines on paper, fronts of houses in label colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PIL import Image, ImageDraw

FINE = 4  # drawn so many times larger, then made small, so that lines are smooth


def sketches(size: int) -> list[Image.Image]:
    """Black lines on white paper, "L"."""
    return [_sketch(draw, size) for draw in SKETCHES]


def dabbed(size: int) -> list[Image.Image]:
    """The first drawings, "RGB", every other one with two dabs of the colour that is wanted."""
    drawn = [sketch.convert("RGB") for sketch in sketches(size)[: 2 * len(DABS)]]
    for sketch, colour in zip(drawn[1::2], DABS):
        pen = ImageDraw.Draw(sketch)
        for x, y, radius in ((0.5, 0.52, 0.04), (0.4, 0.42, 0.03)):
            pen.ellipse([size * (x - radius), size * (y - radius), size * (x + radius), size * (y + radius)], colour)
    return drawn


DABS = ("#fdd835", "#e53935", "#8d5524", "#8e24aa", "#43a047", "#1e88e5")


def _sketch(draw: Callable[[ImageDraw.ImageDraw, Callable[..., list[float]]], None], size: int) -> Image.Image:
    paper = Image.new("L", (size * FINE, size * FINE), 255)
    scale = size * FINE / 100
    draw(ImageDraw.Draw(paper), lambda *numbers: [number * scale for number in numbers])
    return paper.resize((size, size), Image.Resampling.BOX)


def _pen(at: Callable[..., list[float]]) -> dict[str, int]:
    return {"outline": 0, "width": round(at(1.3)[0])}


def _line(at: Callable[..., list[float]]) -> dict[str, int]:
    return {"fill": 0, "width": round(at(1.3)[0])}


def _face(pen, at):
    pen.ellipse(at(8, 8, 92, 92), **_pen(at))
    for x in (32, 60):
        pen.ellipse(at(x, 34, x + 8, 48), **_pen(at))
    pen.arc(at(28, 40, 72, 76), 20, 160, **_line(at))


def _person(pen, at):
    pen.arc(at(26, 6, 74, 62), 150, 390, **_line(at))
    pen.ellipse(at(31, 14, 69, 62), **_pen(at))
    for x in (40, 54):
        pen.ellipse(at(x, 34, x + 5, 41), **_pen(at))
    pen.arc(at(41, 40, 59, 54), 20, 160, **_line(at))
    pen.arc(at(12, 62, 88, 140), 180, 360, **_line(at))
    pen.line(at(42, 62, 50, 76, 58, 62), **_line(at))


def _cat(pen, at):
    pen.ellipse(at(16, 24, 84, 90), **_pen(at))
    for left, top, right in ((20, 14, 42), (80, 14, 58)):
        pen.line(at(left, 46, left, top, right, 27), **_line(at))
    for x in (33, 58):
        pen.ellipse(at(x, 46, x + 9, 57), **_pen(at))
    pen.polygon(at(46, 64, 54, 64, 50, 69), **_pen(at))
    for side in (-1, 1):
        for y in (64, 70, 76):
            pen.line(at(50 + side * 14, 68, 50 + side * 38, y), **_line(at))


def _house(pen, at):
    pen.rectangle(at(20, 46, 80, 90), **_pen(at))
    pen.polygon(at(12, 48, 50, 14, 88, 48), **_pen(at))
    pen.rectangle(at(44, 62, 58, 90), **_pen(at))
    for x in (27, 64):
        pen.rectangle(at(x, 56, x + 10, 68), **_pen(at))


def _apple(pen, at):
    pen.ellipse(at(14, 28, 60, 90), **_pen(at))
    pen.ellipse(at(40, 28, 86, 90), **_pen(at))
    pen.line(at(50, 32, 54, 12), **_line(at))
    pen.ellipse(at(54, 8, 80, 22), **_pen(at))


def _hand(pen, at):
    pen.polygon(
        at(30, 92, 30, 58, 18, 50, 22, 43, 34, 50, 36, 14, 43, 14, 45, 42, 50, 10, 57, 10, 57, 42, 65, 14, 71, 16)
        + at(67, 46, 78, 26, 84, 30, 70, 64, 66, 92),
        **_pen(at),
    )


def _car(pen, at):
    pen.polygon(at(8, 70, 8, 54, 24, 50, 36, 34, 66, 34, 80, 50, 92, 54, 92, 70), **_pen(at))
    pen.polygon(at(30, 50, 39, 39, 50, 39, 50, 50), **_pen(at))
    pen.polygon(at(55, 39, 64, 39, 72, 50, 55, 50), **_pen(at))
    for x in (20, 64):
        pen.ellipse(at(x, 62, x + 17, 79), **_pen(at))
        pen.ellipse(at(x + 5, 67, x + 12, 74), **_pen(at))


def _flower(pen, at):
    for dx, dy in ((0, -16), (15, -5), (9, 13), (-9, 13), (-15, -5)):
        pen.ellipse(at(50 + dx - 11, 36 + dy - 11, 50 + dx + 11, 36 + dy + 11), **_pen(at))
    pen.ellipse(at(42, 28, 58, 44), **_pen(at))
    pen.line(at(50, 60, 50, 94), **_line(at))
    pen.ellipse(at(52, 70, 78, 82), **_pen(at))


def _fish(pen, at):
    pen.ellipse(at(12, 30, 72, 72), **_pen(at))
    pen.polygon(at(68, 51, 92, 32, 92, 70), **_pen(at))
    pen.ellipse(at(24, 42, 32, 50), **_pen(at))
    pen.arc(at(34, 36, 52, 66), 290, 70, **_line(at))


def _tree(pen, at):
    pen.rectangle(at(44, 60, 56, 94), **_pen(at))
    pen.ellipse(at(18, 8, 82, 66), **_pen(at))


def _sun(pen, at):
    pen.ellipse(at(30, 30, 70, 70), **_pen(at))
    for dx, dy in ((0, 1), (0, -1), (1, 0), (-1, 0), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7)):
        pen.line(at(50 + 26 * dx, 50 + 26 * dy, 50 + 42 * dx, 50 + 42 * dy), **_line(at))


def _boat(pen, at):
    pen.polygon(at(10, 66, 90, 66, 76, 86, 24, 86), **_pen(at))
    pen.line(at(48, 66, 48, 10), **_line(at))
    pen.polygon(at(52, 14, 52, 60, 84, 60), **_pen(at))


def _heart(pen, at):
    pen.polygon(
        at(50, 88, 14, 50, 10, 36, 16, 22, 30, 16, 42, 20, 50, 32, 58, 20, 70, 16, 84, 22, 90, 36, 86, 50), **_pen(at)
    )


def _star(pen, at):
    pen.polygon(at(50, 8, 62, 38, 94, 40, 69, 60, 78, 92, 50, 74, 22, 92, 31, 60, 6, 40, 38, 38), **_pen(at))


def _cup(pen, at):
    pen.polygon(at(20, 30, 68, 30, 62, 84, 26, 84), **_pen(at))
    pen.arc(at(56, 38, 86, 68), 270, 110, **_line(at))
    for x in (34, 50):
        pen.arc(at(x, 10, x + 8, 26), 90, 270, **_line(at))


def _mushroom(pen, at):
    pen.chord(at(10, 12, 90, 88), 180, 360, **_pen(at))
    pen.rectangle(at(38, 50, 62, 90), **_pen(at))
    for x, y in ((28, 32), (50, 20), (66, 34)):
        pen.ellipse(at(x, y, x + 10, y + 10), **_pen(at))


def _umbrella(pen, at):
    pen.chord(at(10, 14, 90, 90), 180, 360, **_pen(at))
    pen.line(at(50, 52, 50, 84), **_line(at))
    pen.arc(at(50, 76, 66, 92), 0, 180, **_line(at))


def _ice_cream(pen, at):
    pen.polygon(at(30, 46, 70, 46, 50, 94), **_pen(at))
    pen.ellipse(at(28, 8, 72, 52), **_pen(at))


def _balloon(pen, at):
    pen.ellipse(at(26, 6, 74, 64), **_pen(at))
    pen.polygon(at(46, 70, 54, 70, 50, 63), **_pen(at))
    pen.line(at(50, 70, 46, 82, 54, 94), **_line(at))


def _snail(pen, at):
    pen.ellipse(at(34, 24, 84, 74), **_pen(at))
    pen.ellipse(at(46, 36, 72, 62), **_pen(at))
    pen.polygon(at(8, 84, 8, 56, 20, 56, 24, 72, 92, 72, 96, 84), **_pen(at))
    for x in (8, 18):
        pen.line(at(x + 1, 56, x - 2, 42), **_line(at))


SKETCHES = (
    *(_face, _person, _cat, _house, _apple, _hand, _car, _flower),
    *(_fish, _tree, _sun, _boat, _heart, _star, _cup, _mushroom, _umbrella, _ice_cream, _balloon, _snail),
)


def fronts(size: int, palette: Mapping[str, str]) -> list[Image.Image]:
    """Fronts of houses in the colours of `palette`, "RGB", each of so many floors and windows."""
    return [_front(size, palette, *what) for what in FRONTS]


# Floors, windows on each, and what else there is.
FRONTS = (
    (3, 4, {"door", "cornice", "sill"}),
    (4, 5, {"shop", "cornice", "balcony"}),
    (2, 3, {"door", "blind", "sill"}),
    (4, 4, {"pillar", "cornice", "molding", "door"}),
    (3, 6, {"shop", "decoration", "sill", "cornice"}),
    (3, 3, {"balcony", "door", "blind"}),
    (5, 5, {"cornice", "sill", "shop"}),
    (2, 5, {"pillar", "molding", "decoration", "door"}),
)


def _front(size: int, palette: Mapping[str, str], floors: int, windows: int, extras: set[str]) -> Image.Image:
    paper = Image.new("RGB", (size, size), palette["background"])
    pen = ImageDraw.Draw(paper)

    def put(label: str, left: float, top: float, right: float, bottom: float) -> None:
        pen.rectangle([round(number * size / 100) for number in (left, top, right, bottom)], palette[label])

    put("wall", 6, 8, 94, 100)
    height, pitch = 88 / floors, 84 / windows
    for floor in range(floors):
        top = 10 + floor * height
        for column in range(windows):
            left, is_ground = 8 + column * pitch + 0.22 * pitch, floor == floors - 1
            right, low = left + 0.56 * pitch, top + 0.72 * height
            if is_ground and "shop" in extras:
                put("shop", left - 0.1 * pitch, top + 0.25 * height, right + 0.1 * pitch, 99)
                continue
            if is_ground and "door" in extras and column == windows // 2:
                put("door", left, top + 0.3 * height, right, 99)
                continue
            if "blind" in extras:
                put("blind", left - 0.16 * pitch, top + 0.22 * height, right + 0.16 * pitch, low)
            put("window", left, top + 0.22 * height, right, low)
            if "molding" in extras:
                put("molding", left, top + 0.12 * height, right, top + 0.2 * height)
            if "decoration" in extras and floor == 0:
                put("decoration", left, top + 0.04 * height, right, top + 0.12 * height)
            if "sill" in extras:
                put("sill", left - 0.06 * pitch, low, right + 0.06 * pitch, low + 0.05 * height)
            if "balcony" in extras and 0 < floor < floors - 1:
                put("balcony", left - 0.14 * pitch, low - 0.24 * height, right + 0.14 * pitch, low + 0.04 * height)
        if "cornice" in extras:
            put("cornice", 6, top + 0.9 * height, 94, top + 0.97 * height)
    if "pillar" in extras:
        for column in range(windows + 1):
            put("pillar", 7 + column * pitch, 12, 9 + column * pitch, 98)
    put("cornice", 4, 5, 96, 9)
    return paper
