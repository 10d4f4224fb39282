"""A client of each generator compiles and works."""

import json
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from dev.stack import Stack
from tests.clients.generators import HERE, PYTHON, TYPESCRIPT, Generators
from tests.clients.toolbox import Toolbox
from tests.pictures import picture

STORY = {
    "uploaded": [["first", ["sea", "sun"]], ["second", ["sea", "sky"]]],
    "filename": "picture.png",
    "pages": [["second"], ["first"]],
    "viewed": "first",
    "updated": ["changed", 2],
    "stale": 412,
    "deleted": ["Image deleted successfully", "Image deleted successfully"],
    "gone": 404,
}


@pytest.fixture(scope="session")
def stories(tools: Toolbox, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Any]]:
    """Return what the story of each client will print. Two clients are checked and run at a time."""
    folder = tmp_path_factory.mktemp("clients")
    document = folder / "openapi.json"
    document.write_bytes(requests.get(f"{stack.url}/openapi.json", timeout=30).content)
    (folder / "picture.png").write_bytes(picture("PNG"))
    generators = Generators(tools, folder)
    generators.generate(document)

    def told(client: str) -> Any:
        suffix = "ts" if client in TYPESCRIPT else "py"
        program = Path(shutil.copy(HERE / "stories" / f"{client}.{suffix}", folder / client))
        generators.check(client, [program])
        return json.loads(generators.run(client, program, stack.url, f"user of {client}", str(folder / "picture.png")))

    with ThreadPoolExecutor(2) as pool:
        return {client: pool.submit(told, client) for client in (*PYTHON, *TYPESCRIPT)}


@pytest.mark.parametrize("client", [*PYTHON, *TYPESCRIPT])
def test_a_generated_client_compiles_and_works(client: str, stories: dict[str, Future[Any]]) -> None:
    assert stories[client].result() == STORY
