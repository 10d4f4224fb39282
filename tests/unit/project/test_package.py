import io
import shutil
from pathlib import Path
from zipfile import ZipFile

from chalice.deploy.packager import AppOnlyDeploymentPackager, DependencyBuilder
from chalice.utils import UI, OSUtils

from project import PROJECT


def test_the_deployment_package_has_every_module_and_what_the_modules_read(tmp_path: Path) -> None:
    # The package is built without dependencies, because downloading them needs a network.
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "chalicelib", tmp_path / "chalicelib", ignore=ignored)
    shutil.copy(PROJECT / "app.py", tmp_path)
    packager = AppOnlyDeploymentPackager(OSUtils(), DependencyBuilder(OSUtils()), UI(out=io.StringIO()))
    path = packager.create_deployment_package(str(tmp_path), "python3.13")
    with ZipFile(path) as package:
        packaged = {name: package.read(name) for name in package.namelist() if not name.startswith("chalice/")}
    sources = [file for file in (PROJECT / "chalicelib").rglob("*.*") if file.is_file() and file.suffix != ".pyc"]
    sources.append(PROJECT / "app.py")
    assert packaged == {str(file.relative_to(PROJECT)): file.read_bytes() for file in sources}
    assert {"chalicelib/web/openapi.yaml", "chalicelib/web/static/gallery.html"} <= packaged.keys()
