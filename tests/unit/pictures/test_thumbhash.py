import pytest

from chalicelib.pictures import thumbhash

# From thumbhash-python 1.0.1, a translation of the JavaScript code by the format's author.
EXPECTED = {
    (32, 24, False): "5d080a559870667770878787877877777f7267f777",
    (20, 31, False): "99f90d451473767077788778877777787d7067f677",
    (16, 16, True): "5a0986250a3796b6b0877878885bb078f87480878888878877",
    (1, 1, False): "000802070000000000000000000000000000000000000000",
    (32, 3, True): "9e5686198c37a26ab087870fb068f78480878888878877",
}


def pixels(width: int, height: int, fading: bool) -> bytes:
    """Return waves of red, a gradient of green and some blue. With `fading`, the alpha grows from left to right."""
    return bytes(
        value
        for y in range(height)
        for x in range(width)
        for value in ((x * x * 11 + y * 3) % 256, 255 * y // height, x * 7 % 256, 255 * x // width if fading else 255)
    )


@pytest.mark.parametrize("form", EXPECTED)
def test_a_hash_equals_that_of_the_reference_implementation(form: tuple[int, int, bool]) -> None:
    actual, expected = thumbhash.encode(*form[:2], pixels(*form)), bytes.fromhex(EXPECTED[form])
    head = 6 if form[2] else 5
    assert actual[:head] == expected[:head]
    assert len(actual) == len(expected)
    # Coefficients close to zero can be rounded up or down.
    assert all(
        abs((a & 15) - (b & 15)) <= 1 and abs((a >> 4) - (b >> 4)) <= 1 for a, b in zip(actual, expected, strict=True)
    )


def test_a_fully_transparent_picture_has_a_hash() -> None:
    assert thumbhash.encode(2, 2, bytes(16))[5] & 15 == 0
