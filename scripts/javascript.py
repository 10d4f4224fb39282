"""Check the format, the code and the types of the JavaScript of the pages.

`make lint` runs this in the repository's root: python -m scripts.javascript. With --write, it formats the files. The
types are in comments (JSDoc), so the files are served as they are.
"""

import argparse
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from dev import install
from project import PROJECT, CannotRun
from project.command_line import one_line_errors

_STATIC = PROJECT / "chalicelib" / "web" / "static"
_PINS = Path(__file__).with_name("pages")


@one_line_errors()
def main() -> None:
    """End with exit status 1 after the report of a tool that has found something."""
    parser = argparse.ArgumentParser(description="Check the JavaScript of the pages.")
    parser.add_argument("--write", action="store_true", help="format the files, and repair what is safe to repair")
    write = parser.parse_args().write
    modules = install.npm_modules(_PINS, "pages", "the tools for JavaScript")
    with ThreadPoolExecutor() as pool:
        reports = list(
            pool.map(lambda check: check(), [partial(_style, modules, write=write), partial(_types, modules)])
        )
    if any(reports):
        advice = "`.venv/bin/python -m scripts.javascript --write` repairs the format."
        raise CannotRun("\n".join([*filter(None, reports), advice]))


def _style(modules: Path, *, write: bool) -> str:
    """Format and lint the files, or only compare. Returns what is left to report."""
    options = ["--write"] if write else []
    biome = modules / "@biomejs" / "biome" / "bin" / "biome"
    return _report(biome, "check", f"--config-path={_PINS}", "--error-on-warnings", *options, _STATIC)


def _types(modules: Path) -> str:
    """Check the types. Returns what there is to report."""
    # TypeScript looks for packages beside the files that import them. They are in the cache.
    with TemporaryDirectory() as folder:
        config = Path(folder) / "tsconfig.json"
        paths = {"*": [str(modules / "*")]}
        config.write_text(json.dumps({"extends": str(_PINS / "tsconfig.json"), "compilerOptions": {"paths": paths}}))
        return _report(modules / "typescript" / "bin" / "tsc", "--project", config)


def _report(program: Path, *arguments: str | Path) -> str:
    """Return what a program prints if it fails."""
    ended = subprocess.run(
        [install.node(), program, *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return ended.stdout + ended.stderr if ended.returncode else ""


if __name__ == "__main__":
    main()
