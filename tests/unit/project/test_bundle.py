"""The zip that is deployed, made from small zips like those that Chalice builds."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import botocore

from deploy import bundle
from project import PROJECT

DATA = Path(botocore.__file__).parent / "data"
UNCHECKED_HASH = 0b01  # PEP 552: the flags of bytecode that is used without a look at its source

INSPECT_CLIENTS = """
import json, boto3.session
from botocore.awsrequest import AWSResponse
session = boto3.session.Session("key", "secret", region_name="eu-west-1")
clients = {name: session.client(name) for name in session.get_available_services()}
operations = {}
for name, client in clients.items():
    model = client.meta.service_model
    for operation in map(model.operation_model, model.operation_names):
        shapes = [operation.input_shape, operation.output_shape, *operation.error_shapes]
        seen = set()
        while shapes:  # raises NoShapeFoundError if one is missing
            shape = shapes.pop()
            if shape is not None and shape.name not in seen:
                seen.add(shape.name)
                parts = [getattr(shape, name, None) for name in ("member", "key", "value")]
                shapes += [*getattr(shape, "members", {}).values(), *filter(lambda part: hasattr(part, "name"), parts)]
        assert not operation.documentation
    operations[name] = sorted(model.operation_names)
urls = []
for client in clients.values():
    def answer(params, **_):
        urls.append(params["url"])
        return AWSResponse(params["url"], 200, {}, None), {}
    client.meta.events.register("before-call", answer)
clients["dynamodb"].get_item(TableName="images", Key={})
clients["s3"].head_object(Bucket="originals", Key="key")
print(json.dumps([operations, urls]))
"""


def packaged(path: Path, files: Mapping[str, bytes], year: int = 2026) -> Path:
    """Write a zip like Chalice's."""
    with ZipFile(path, "w", ZIP_DEFLATED) as package:
        for name, content in ({"botocore/data/endpoints.json": b'{"partitions": []}'} | dict(files)).items():
            package.writestr(ZipInfo(name, (year, 1, 1, 0, 0, 0)), content)
    return path


def contents(bundled: Path) -> dict[str, bytes]:
    with ZipFile(bundled) as package:
        return {name: package.read(name) for name in package.namelist()}


def test_each_module_has_bytecode_that_python_uses_without_a_look_at_the_source(tmp_path: Path) -> None:
    source = b"def fail():\n    raise ValueError\n"
    files = contents(bundle.write(packaged(tmp_path / "a.zip", {"app.py": source, "chalicelib/web/a.py": source})))
    assert files["app.py"] == source  # tracebacks show lines of the source
    for name in "app.py", "chalicelib/web/a.py":
        code = files[Path(importlib.util.cache_from_source(name)).as_posix()]
        assert code[:4] == importlib.util.MAGIC_NUMBER
        assert int.from_bytes(code[4:8], "little") == UNCHECKED_HASH
        assert str(tmp_path).encode() not in code
        assert f"/var/task/{name}".encode() in code


def test_the_same_content_has_the_same_bytes_whenever_and_by_whichever_process_it_is_packaged(tmp_path: Path) -> None:
    files = {"app.py": b"NAMES = frozenset(('a', 'b', 'c'))\ndef f(x): return x in {'d', 'e', 'f'}\n", "b.txt": b"b"}
    first = bundle.write(packaged(tmp_path / "a.zip", files)).read_bytes()
    second = packaged(tmp_path / "b.zip", dict(reversed(files.items())), year=2025)
    script = f"from pathlib import Path; from deploy import bundle; bundle.write(Path({str(second)!r}))"
    command = [sys.executable, "-c", script]
    subprocess.run(command, cwd=PROJECT, env={**os.environ, "PYTHONHASHSEED": "77"}, check=True)
    assert second.with_suffix(".bundle.zip").read_bytes() == first


def test_the_zip_that_chalice_uses_again_is_not_changed(tmp_path: Path) -> None:
    package = packaged(tmp_path / "a.zip", {"app.py": b"", "chalicelib/a.pyi": b""})
    before = package.read_bytes()
    bundle.write(package)
    assert package.read_bytes() == before


def test_files_that_no_function_reads_are_left_out(tmp_path: Path) -> None:
    used = {
        "PIL/Image.py": b"",
        "PIL/_imaging.so": b"linked: libtiff-1.so",
        "pillow.libs/libtiff-1.so": b"linked: libzstd-2.so.5",
        "pillow.libs/libzstd-2.so.5": b"",
        "pillow-1.dist-info/METADATA": b"",
        "pillow-1.dist-info/licenses/LICENSE": b"",
    }
    unused = {
        "PIL/Image.pyi": b"",
        "PIL/py.typed": b"",
        "PIL/_imagingft.so": b"linked: libfreetype-3.so",
        # These two link each other, and nothing else links them.
        "pillow.libs/libfreetype-3.so": b"linked: libharfbuzz-4.so",
        "pillow.libs/libharfbuzz-4.so": b"linked: libfreetype-3.so",
        "chalicelib/__pycache__/app.cpython-312.pyc": b"",
        "pillow-1.dist-info/RECORD": b"",
        "botocore/data/s3/2006-03-01/examples-1.json": b"",
    }
    files = contents(bundle.write(packaged(tmp_path / "a.zip", used | unused)))
    assert set(used) <= set(files)
    assert not set(unused) & set(files)


def test_botocore_has_the_operations_of_the_code_and_each_type_that_they_name(tmp_path: Path) -> None:
    services = [*bundle.SERVICES, "sqs"]
    paths = [path for name in services for path in (DATA / name).rglob("*.*")]
    files = {f"botocore/data/{path.relative_to(DATA)}": path.read_bytes() for path in [*paths, *DATA.glob("*.json")]}
    files |= {str(path.relative_to(PROJECT)): path.read_bytes() for path in (PROJECT / "chalicelib").rglob("*.py")}
    with ZipFile(bundle.write(packaged(tmp_path / "a.zip", files))) as bundled:
        bundled.extractall(tmp_path)
    # botocore's code is the installed one; it reads only this data.
    script = f"import botocore.loaders; botocore.loaders.Loader.BUILTIN_DATA_PATH = {str(tmp_path / 'botocore/data')!r}"
    command = [sys.executable, "-c", script + INSPECT_CLIENTS]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    ended = subprocess.run(command, env={**environment, "HOME": str(tmp_path)}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    operations, urls = json.loads(ended.stdout)
    assert set(operations) == set(bundle.SERVICES)
    assert {"GetItem", "BatchGetItem", "Query", "TransactWriteItems"} <= set(operations["dynamodb"])
    assert {"PutObject", "HeadObject", "ListObjectsV2", "CompleteMultipartUpload"} <= set(operations["s3"])
    assert not {"CreateTable", "CreateBucket", "DeleteBucket"} & {*operations["dynamodb"], *operations["s3"]}
    assert urls == ["https://dynamodb.eu-west-1.amazonaws.com/", "https://originals.s3.eu-west-1.amazonaws.com/key"]
