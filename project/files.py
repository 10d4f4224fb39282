"""Files that commands write."""

import json
import os
from pathlib import Path


def write_privately(file: Path, content: object) -> None:
    """Write JSON that only the owner may read. Replaces the file by one rename, so it is never half written."""
    draft = file.with_suffix(".draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        json.dump(content, stream, indent=2)
    draft.replace(file)
