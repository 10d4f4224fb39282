"""The linter finds nothing in the OpenAPI document."""

import json
import os

from tests.generated_clients.toolbox import Toolbox, run


def test_the_linter_finds_neither_errors_nor_warnings_in_the_document(tools: Toolbox) -> None:
    environment = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    report = run(
        [tools.npm("redocly"), "lint", "--format=json", "chalicelib/web/openapi.yaml"], environment=environment
    )
    totals = json.loads(report)["totals"]
    assert totals == {"errors": 0, "warnings": 0, "ignored": 0}
