"""Pictures without a JPEG beside their variants: test_variants.py has the tests of the JPEG."""

from collections.abc import Iterator

import pytest

from chalicelib.config import settings


@pytest.fixture(autouse=True)
def no_jpeg() -> Iterator[None]:
    """Make no JPEG. Hypothesis would refuse a fixture that uses others here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JPEG_VARIANT_WIDTH_PX", "0")
        settings.cache_clear()
        yield
    settings.cache_clear()
