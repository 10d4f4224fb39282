import os
import subprocess
import sys

import pytest

from chalicelib.config import WrongSetting
from project import PROJECT, CannotRun
from project.command_line import one_line_errors


@pytest.mark.parametrize("error", [CannotRun("No region."), WrongSetting("No region.")])
def test_an_error_that_users_can_correct_ends_a_command_with_its_message(error: Exception) -> None:
    with pytest.raises(SystemExit) as exited, one_line_errors():
        raise error
    assert exited.value.code == "No region."


def test_any_other_error_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), one_line_errors():
        raise KeyError("a defect")


# A thread that imports the app drops the message of a SystemExit.
@pytest.mark.parametrize(
    "program", ["import app", "from threading import Thread; Thread(target=__import__, args=['app']).start()"]
)
def test_an_invalid_setting_ends_the_import_of_the_app_with_one_line(program: str) -> None:
    environment = {**os.environ, "MAX_PIXELS": "many"}
    completed = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, env=environment, capture_output=True, text=True, check=False
    )
    assert completed.returncode == (1 if program == "import app" else 0)
    assert completed.stderr.startswith("MAX_PIXELS must be")
    assert completed.stderr.count("\n") == 1
