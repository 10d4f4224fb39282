"""Make a client with each generator, check its types, and run programs that use it.

Each client has a folder: the generated code is in `images_client` (Python) or `client` (TypeScript), and the programs
are beside it.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.generated_clients.toolbox import Toolbox, run

HERE = Path(__file__).parent

# openapi-generator's name of each client, and the options that docs/clients.md recommends.
OPENAPI_GENERATOR = {
    "openapi_generator": ("python", {"packageName": "images_client"}),
    "typescript-axios": ("typescript-axios", {"useSingleRequestParameter": True}),
    "typescript-fetch": ("typescript-fetch", {}),
}
PYTHON = ("openapi_generator", "openapi_python_client")
TYPESCRIPT = ("typescript-axios", "typescript-fetch", "openapi-fetch")


@dataclass(frozen=True, slots=True)
class Generators:
    """The generators, and the folder of the clients that they make."""

    tools: Toolbox
    folder: Path

    def generate(self, document: Path) -> None:
        """Make all clients at the same time."""
        (self.folder / "node_modules").symlink_to(self.tools.modules)
        for name in (*PYTHON, *TYPESCRIPT):
            (self.folder / name).mkdir()
        with ThreadPoolExecutor() as pool:
            steps = (self._openapi_generator, self._openapi_python_client, self._openapi_typescript)
            list(pool.map(lambda step: step(document), steps))

    def check(self, client: str, programs: list[Path]) -> None:
        """Check the types of a client, and of programs that use it. Compiles TypeScript."""
        folder = self.folder / client
        if client in TYPESCRIPT:
            (folder / "tsconfig.json").write_bytes((HERE / "tsconfig.json").read_bytes())
            run([self.tools.npm("tsc"), "--project", str(folder)])
            return
        # openapi-python-client's own client.py, which does not depend on the document, passes `*args` where mypy
        # expects three arguments. So only errors in the files that are named here are reported.
        named = [*sorted(folder.rglob("images_client/api/**/*.py")), *sorted(folder.rglob("images_client/models/*.py"))]
        options = ["--python-version", "3.11", "--follow-imports", "silent", "--cache-dir", str(folder / "cache")]
        python = ["--python-executable", str(self.tools.python), "--config-file", os.devnull]
        run([sys.executable, "-m", "mypy", *options, *python, *map(str, [*named, *programs])], folder)

    def run(self, client: str, program: Path, *arguments: str) -> str:
        """Run a program that uses a client, and return what it prints."""
        folder = self.folder / client
        if client in TYPESCRIPT:
            compiled = folder / "compiled" / f"{program.stem}.js"
            return run(["node", str(compiled), *arguments])
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        return run([str(self.tools.python), str(program), *arguments], environment=environment)

    def _openapi_generator(self, document: Path) -> None:
        # One Java process makes all three, which takes half the time of three processes.
        settings = []
        for client, (generator, options) in OPENAPI_GENERATOR.items():
            output = self.folder / client / ("client" if client in TYPESCRIPT else "")
            setting = {"generatorName": generator, "inputSpec": str(document), "outputDir": str(output)}
            file = self.folder / f"{client}.json"
            file.write_text(json.dumps({**setting, "additionalProperties": options}))
            settings.append(str(file))
        run([*self.tools.openapi_generator, "batch", "--fail-fast", "--threads", "2", *settings])

    def _openapi_python_client(self, document: Path) -> None:
        output = self.folder / "openapi_python_client" / "images_client"
        # It formats the code with the ruff beside it.
        environment = {**os.environ, "PATH": f"{self.tools.python.parent}{os.pathsep}{os.environ['PATH']}"}
        options = ["--path", str(document), "--meta", "none", "--output-path", str(output), "--fail-on-warning"]
        run([str(self.tools.python), "-m", "openapi_python_client", "generate", *options], environment=environment)

    def _openapi_typescript(self, document: Path) -> None:
        output = self.folder / "openapi-fetch" / "client.ts"
        run([self.tools.npm("openapi-typescript"), str(document), "--output", str(output)])
