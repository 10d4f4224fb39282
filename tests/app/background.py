"""Background processing in tests: S3 events and the schedule."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

from tests.app.conftest import Api, Stores

LONG_AGO = timedelta(hours=1)


def object_created(api: Api, key: str, age: timedelta = LONG_AGO) -> None:
    """Deliver the S3 event of an original that was written `age` ago."""
    _created(api, "on_object_created", key, age)


def upload_staged(api: Api, key: str) -> None:
    """Deliver the S3 event of a staged file."""
    _created(api, "on_upload_staged", key, LONG_AGO)


def _created(api: Api, handler: str, key: str, age: timedelta) -> None:
    written = (datetime.now(UTC) - age).isoformat().replace("+00:00", "Z")
    s3 = {"bucket": {"name": "images"}, "object": {"key": quote_plus(key)}}
    api.client.lambda_.invoke(handler, {"Records": [{"eventTime": written, "s3": s3}]})


def sweep(api: Api) -> None:
    """Run the schedule."""
    api.client.lambda_.invoke("sweep", api.client.events.generate_cw_event("aws.events", "Scheduled Event", {}, []))


def catch_up(api: Api, stores: Stores) -> None:
    """Deliver the events of all objects late and twice, then run the schedule twice."""
    for _ in range(2):
        for key in stores.objects("staged"):
            upload_staged(api, key)
        for key in stores.objects():
            object_created(api, key)
    sweep(api)
    sweep(api)
