"""ThumbHash: a picture's look in some 25 bytes, to be shown while the picture itself is fetched.

Evan Wallace's format (evanw.github.io/thumbhash), which his JavaScript and others decode: lightness and two differences
of colour, and opacity where there is any, each as the first terms of a cosine transform. Pure. The libraries for Python
want an old Pillow, have no wheels for ARM, or fail at transparency.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import cos, floor, pi


@dataclass(frozen=True, slots=True)
class _Channel:
    mean: float
    scale: float  # the largest of its terms, without sign
    terms: Sequence[float]  # of a scale of 1

    @property
    def nibbles(self) -> list[int]:
        return [_rounded(7.5 + 7.5 * term) for term in self.terms]


def encode(width: int, height: int, rgba: bytes) -> bytes:
    """The hash of a picture of at most 100 x 100 pixels, RGBA, 8 bits each, not premultiplied."""
    pixels = list(zip(rgba[::4], rgba[1::4], rgba[2::4], rgba[3::4], strict=True))
    alphas = [alpha / 255 for *_, alpha in pixels]
    opacity = sum(alphas)
    has_alpha = opacity < width * height
    # Where it is transparent, its mean shows.
    means = [sum(pixel[n] / 255 * alpha for pixel, alpha in zip(pixels, alphas, strict=True)) for n in range(3)]
    means = [mean / (opacity or 1) for mean in means]
    colors = [
        [means[n] * (1 - alpha) + alpha * pixel[n] / 255 for n in range(3)]
        for pixel, alpha in zip(pixels, alphas, strict=True)
    ]

    def transformed(value: Callable[[list[float]], float], across: int, down: int) -> _Channel:
        return _transformed([value(color) for color in colors], width, height, across, down)

    most = 5 if has_alpha else 7
    across, down = (max(1, _rounded(most * side / max(width, height))) for side in (width, height))
    light = transformed(lambda color: sum(color) / 3, max(3, across), max(3, down))
    yellow_blue = transformed(lambda color: (color[0] + color[1]) / 2 - color[2], 3, 3)
    red_green = transformed(lambda color: color[0] - color[1], 3, 3)
    channels = [light, yellow_blue, red_green]
    landscape = width > height
    head = (
        _rounded(63 * light.mean)
        | _rounded(31.5 + 31.5 * yellow_blue.mean) << 6
        | _rounded(31.5 + 31.5 * red_green.mean) << 12
        | _rounded(31 * light.scale) << 18
        | has_alpha << 23
        | (down if landscape else across) << 24
        | _rounded(63 * yellow_blue.scale) << 27
        | _rounded(63 * red_green.scale) << 33
        | landscape << 39
    ).to_bytes(5, "little")
    if has_alpha:
        opaque = _transformed(alphas, width, height, 5, 5)
        head += bytes([_rounded(15 * opaque.mean) | _rounded(15 * opaque.scale) << 4])
        channels.append(opaque)
    nibbles = [*chain.from_iterable(channel.nibbles for channel in channels), 0]
    return head + bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=False))


def _transformed(values: Sequence[float], width: int, height: int, across: int, down: int) -> _Channel:
    """The terms of low frequency: a triangle of `across` by `down`, row by row."""
    waves = [[cos(pi / width * term * (x + 0.5)) for x in range(width)] for term in range(across)]
    rows = [values[y * width : (y + 1) * width] for y in range(height)]
    columns = [[sum(value * part for value, part in zip(row, wave, strict=True)) for row in rows] for wave in waves]
    found = []
    for y_term in range(down):
        wave = [cos(pi / height * y_term * (y + 0.5)) for y in range(height)]
        for x_term in range(across):
            if x_term * down < across * (down - y_term):
                total = sum(value * part for value, part in zip(columns[x_term], wave, strict=True))
                found.append(total / (width * height))
    mean, *terms = found
    scale = max(map(abs, terms))
    return _Channel(mean, scale, [term / scale if scale else -1.0 for term in terms])


def _rounded(value: float) -> int:
    """As JavaScript's Math.round does it."""
    return floor(value + 0.5)
