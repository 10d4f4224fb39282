"""The zip that is deployed: the one that Chalice builds, with bytecode, and without what no function uses.

The same content always gives the same bytes, so Lambda's CodeSha256 tells whether two deployments have the same code.
"""

import compileall
import json
import re
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from gzip import GzipFile
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from botocore import xform_name
from chalice.config import Config
from chalice.deploy.deployer import BaseDeployStep, Deployer
from chalice.deploy.models import DeploymentPackage
from chalice.package import AppPackager

SERVICES = ("dynamodb", "s3", "ssm")  # of AWS, that the functions call

# Never read by a function. The metadata of distributions stays: scanners for vulnerabilities read it, and licences are
# in it.
_UNUSED = (
    "*.pyi",
    "*/py.typed",
    "*/__pycache__/*",
    "*.dist-info/RECORD",  # names the files that are removed here
    "PIL/_imagingft.*",  # text: FreeType, HarfBuzz, Brotli
    "PIL/_imagingmorph.*",
    "PIL/_imagingtk.*",
    "botocore/data/*/examples-1.json",
    "cffi/*",  # cryptography uses only _cffi_backend, which is beside it
    "pycparser/*",
)
_ROOT = "/var/task"  # where Lambda unpacks the zip; shown in tracebacks
_WRITTEN = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can have


class _Bundling(BaseDeployStep):
    """A step of Chalice's build, after its own packager."""

    def handle_deploymentpackage(self, config: Config, resource: DeploymentPackage) -> None:
        """Replace the zip of all functions."""
        resource.filename = str(write(Path(str(resource.filename))))


def add_to(builder: Deployer | AppPackager) -> None:
    """Let Chalice deploy, or copy beside its template, the bundle in place of its own zip."""
    # Chalice has no public way to add a step.
    stage = builder._build_stage if isinstance(builder, Deployer) else builder._resource_builder._build_stage
    stage._steps.append(_Bundling())


def write(packaged: Path) -> Path:
    """Write the bundle of Chalice's zip beside it, and return its path.

    Chalice's own file stays as it is: its name contains a hash of the code, and Chalice uses it again.
    """
    bundle = packaged.with_suffix(".bundle.zip")
    unfinished = bundle.with_suffix(".new")
    with TemporaryDirectory() as folder:
        root = Path(folder)
        with ZipFile(packaged) as source:
            source.extractall(root, [name for name in source.namelist() if not _is_unused(name)])
        _remove_libraries(root)
        _cut_models(root)
        _compile(root)
        with ZipFile(unfinished, "w", ZIP_DEFLATED) as target:
            for path in sorted(path for path in root.rglob("*") if path.is_file()):
                entry = ZipInfo(path.relative_to(root).as_posix(), _WRITTEN)
                entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o100755 << 16
                target.writestr(entry, path.read_bytes())
    return unfinished.replace(bundle)


def _is_unused(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in _UNUSED)


def _remove_libraries(root: Path) -> None:
    """Remove the shared libraries of wheels that no extension module links, directly or through another library.

    A binary contains the names of the libraries that it links. These names have a hash in them, so no other text in a
    binary is the same.
    """
    libraries = {path: path.read_bytes() for path in root.glob("*.libs/*")}
    binaries = [path.read_bytes() for path in root.rglob("*.so") if path not in libraries]
    for binary in binaries:
        binaries.extend(libraries.pop(path) for path in list(libraries) if path.name.encode() in binary)
    for path in libraries:
        path.unlink()


def _cut_models(root: Path) -> None:
    """Reduce botocore's data to the services and operations that the functions use, unpacked and without comments.

    An operation is kept if the name of its method is a word of the code. The rules of endpoints keep their content.
    """
    data = root / "botocore" / "data"
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in SERVICES:
            shutil.rmtree(folder)
    words = {word for path in (root / "chalicelib").rglob("*.py") for word in re.findall(r"\w+", path.read_text())}
    for packed in data.rglob("*.json.gz"):
        with GzipFile(packed) as file:
            document = json.load(file, object_hook=_without_comment)
        packed.unlink()
        content = _cut(document, words) if packed.name == "service-2.json.gz" else document
        packed.with_suffix("").write_text(json.dumps(content, separators=(",", ":")))
    endpoints = data / "endpoints.json"
    document = json.loads(endpoints.read_text())
    for partition in document["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in SERVICES if name in services}
    endpoints.write_text(json.dumps(document, separators=(",", ":")))


def _cut(model: dict[str, Any], words: set[str]) -> dict[str, Any]:
    """Return a service model with only the operations whose methods are in `words`, and the types that they use."""
    operations = {name: value for name, value in model["operations"].items() if xform_name(name) in words}
    shapes = model["shapes"]
    kept: dict[str, Any] = {}
    found = set(_references(operations))
    while found:
        kept |= {name: shapes[name] for name in found}
        found = {name for shape in found for name in _references(shapes[shape])} - set(kept)
    return model | {"operations": operations, "shapes": {name: kept[name] for name in sorted(kept)}}


def _references(value: Any) -> Iterator[str]:
    """Yield the names of the shapes that a part of a service model refers to."""
    if isinstance(value, dict):
        if isinstance(value.get("shape"), str):
            yield value["shape"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _without_comment(value: dict[str, Any]) -> dict[str, Any]:
    # Emptied, not removed: botocore requires some.
    return value | {"documentation": ""} if isinstance(value.get("documentation"), str) else value


def _compile(root: Path) -> None:
    """Add bytecode that Python uses without a look at the time or content of the source (PEP 552, "unchecked").

    Lambda cannot store bytecode that a function compiles, so each cold start would compile again.
    """
    compileall.compile_dir(
        root,
        quiet=2,  # a package may have files for another Python
        force=True,
        stripdir=str(root),
        prependdir=_ROOT,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
