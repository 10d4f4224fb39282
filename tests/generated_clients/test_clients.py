"""A client of each generator compiles and works."""

import json
import re
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from dev.stack import Stack
from project import PROJECT
from tests.generated_clients.generators import HERE, PYTHON, TYPESCRIPT, Generators
from tests.generated_clients.toolbox import Toolbox
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


# The headings of docs/clients.md.
SECTIONS = {
    "openapi_python_client": "openapi-python-client",
    "openapi_generator": "openapi-generator for Python",
    **{client: client for client in TYPESCRIPT},
}

pytestmark = pytest.mark.timeout(900)  # the first test waits for installations and for all clients


def example(client: str) -> str:
    """Return the program in the documentation that uses a client."""
    page = (PROJECT / "docs" / "clients.md").read_text()
    (section,) = [each for each in page.split("\n## ") if each.startswith(f"{SECTIONS[client]}\n")]
    (program,) = re.findall(r"```(?:python|ts)\n(.*?)```", section, re.DOTALL)
    return str(program)


@pytest.fixture(scope="session")
def printed(
    tools: Toolbox, stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Future[tuple[str, str]]]:
    """Return what the story and the example of each client will print. Two clients are checked and run at a time."""
    folder = tmp_path_factory.mktemp("clients")
    document = folder / "openapi.json"
    document.write_bytes(requests.get(f"{stack.url}/openapi.json", timeout=30).content)
    (folder / "picture.png").write_bytes(picture("PNG"))
    generators = Generators(tools, folder)
    generators.generate(document)

    def run(client: str) -> tuple[str, str]:
        suffix = "ts" if client in TYPESCRIPT else "py"
        story = Path(shutil.copy(HERE / "stories" / f"{client}.{suffix}", folder / client))
        documented = folder / client / f"example.{suffix}"
        documented.write_text(example(client).replace("http://127.0.0.1:8000", stack.url))
        generators.check(client, [story, documented])
        arguments = (stack.url, f"user of {client}", str(folder / "picture.png"))
        return generators.run(client, story, *arguments), generators.run(client, documented)

    with ThreadPoolExecutor(2) as pool:
        return {client: pool.submit(run, client) for client in (*PYTHON, *TYPESCRIPT)}


@pytest.mark.parametrize("client", [*PYTHON, *TYPESCRIPT])
def test_a_generated_client_compiles_and_works(client: str, printed: dict[str, Future[tuple[str, str]]]) -> None:
    story, documented = printed[client].result()
    told = json.loads(story)
    told["pages"] = [page for page in told["pages"] if page]  # a page whose time ran out can be empty
    assert told == STORY
    assert "Coffee" in documented
