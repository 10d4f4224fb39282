"""ThumbHash: a tiny preview of a picture, in about 25 bytes, to show while the picture loads. Pure functions.

The format is Evan Wallace's (evanw.github.io/thumbhash); there are decoders for JavaScript and other languages. A hash
has the lightness, two colour differences and, if the picture is transparent, the opacity. Of each it has the first
terms of a cosine transform. The Python packages for ThumbHash were not suitable: they require an old Pillow, have no
wheels for ARM, or fail on transparent pictures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import cos, floor, pi


@dataclass(frozen=True, slots=True)
class _Channel:
    mean: float
    scale: float  # the largest absolute value among the terms
    terms: Sequence[float]  # divided by the scale: -1 to 1

    @property
    def nibbles(self) -> list[int]:
        return [_rounded(7.5 + 7.5 * term) for term in self.terms]


def encode(width: int, height: int, rgba: bytes) -> bytes:
    """Return the hash of a picture of at most 100 x 100 pixels: RGBA, 8 bits per channel, alpha not premultiplied."""
    pixels = list(zip(rgba[::4], rgba[1::4], rgba[2::4], rgba[3::4], strict=True))
    alphas = [alpha / 255 for *_, alpha in pixels]
    opacity = sum(alphas)
    has_alpha = opacity < width * height
    # Transparent pixels get the mean colour of the visible ones, so that they do not distort the transform.
    means = [sum(pixel[n] / 255 * alpha for pixel, alpha in zip(pixels, alphas, strict=True)) for n in range(3)]
    means = [mean / (opacity or 1) for mean in means]
    colors = [
        [means[n] * (1 - alpha) + alpha * pixel[n] / 255 for n in range(3)]
        for pixel, alpha in zip(pixels, alphas, strict=True)
    ]

    def transformed(value: Callable[[list[float]], float], across: int, down: int) -> _Channel:
        return _transformed([value(color) for color in colors], width, height, across, down)

    max_terms = 5 if has_alpha else 7
    across, down = (max(1, _rounded(max_terms * side / max(width, height))) for side in (width, height))
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
    """Return the low frequencies of a cosine transform: a triangle of `across` by `down` terms, row by row."""
    waves = [[cos(pi / width * term * (x + 0.5)) for x in range(width)] for term in range(across)]
    rows = [values[y * width : (y + 1) * width] for y in range(height)]
    columns = [[sum(value * part for value, part in zip(row, wave, strict=True)) for row in rows] for wave in waves]
    sums = []
    for y_term in range(down):
        wave = [cos(pi / height * y_term * (y + 0.5)) for y in range(height)]
        for x_term in range(across):
            if x_term * down < across * (down - y_term):
                total = sum(value * part for value, part in zip(columns[x_term], wave, strict=True))
                sums.append(total / (width * height))
    mean, *terms = sums
    scale = max(map(abs, terms))
    return _Channel(mean, scale, [term / scale if scale else -1.0 for term in terms])


def _rounded(value: float) -> int:
    """Round half up, like JavaScript's Math.round."""
    return floor(value + 0.5)
