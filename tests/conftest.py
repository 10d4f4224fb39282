"""What pytest is to know of before it collects."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the black-box tests run against a service that runs already."""
    parser.addoption("--url", help="base URL of the service that tests/http is for (default: an embedded stack)")
    parser.addoption("--lambda-endpoint", help="where the functions of the service at --url are invoked")
    parser.addoption("--function-prefix", default="", help="what the names of those functions begin with")
