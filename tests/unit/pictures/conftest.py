"""Pictures without a JPEG beside their variants: its own tests are in test_variants.py."""

import pytest

from tests.unit.pictures.made import Configure


@pytest.fixture(autouse=True)
def no_jpeg(configured: Configure) -> None:
    configured(JPEG_VARIANT_WIDTH_PX="0")
