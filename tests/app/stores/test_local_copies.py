import os
from pathlib import Path

from tests.app.background import object_created
from tests.app.conftest import Api


def test_processing_removes_the_old_copies_of_killed_processes(api: Api, own_folder: Path) -> None:
    old, new = (own_folder / f"images-api-copy-{name}" for name in ("old", "new"))
    for copy in (old, new):
        copy.touch()
    os.utime(old, (0, 0))
    object_created(api, api.upload()["s3_key"])
    assert (old.exists(), new.exists()) == (False, True)
    new.unlink()
