"""Restoring tables and originals. Moto's point-in-time recovery restores the current state of a table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.config import settings
from deploy import settings as deploy_settings
from project import CannotRun
from scripts import restored_originals, restored_tables
from scripts.restored_tables import Restored
from tests.app.background import sweep
from tests.app.conftest import Api, Stores

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
RECORDS = restored_tables.renamed("images", AT)
BUCKET = "images-originals"


@pytest.fixture
def alice(api: Api) -> Api:
    return Api(api.client, {"X-User-Id": "alice"})


@pytest.fixture
def originals(stores: Stores) -> Any:
    """S3, with versions in the bucket of originals, which the tests' stores do not have."""
    stores.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return stores.s3


def hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


def keep_backups(stores: Stores, table: str) -> None:
    stores.dynamodb.update_continuous_backups(
        TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )


def create_empty(stores: Stores, table: Restored) -> None:
    """Create the target of a restore, as CloudFormation does."""
    source = stores.dynamodb.describe_table(TableName=table.source)["Table"]
    keys = {key["AttributeName"] for key in source["KeySchema"]}
    stores.dynamodb.create_table(
        TableName=table.target,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=source["KeySchema"],
        AttributeDefinitions=[each for each in source["AttributeDefinitions"] if each["AttributeName"] in keys],
        DeletionProtectionEnabled=True,
    )


def restore(stores: Stores, table: Restored) -> None:
    restored_tables.from_backups(stores.dynamodb, AT)(table)
    restored_tables.wait(stores.dynamodb, table)
    restored_tables.configure(stores.dynamodb, table)


def items(stores: Stores, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stores.dynamodb.scan(TableName=table)["Items"]
    return found


def restored_records(stores: Stores) -> dict[str, str | None]:
    """Return the state of each restored record by its id."""
    records = items(stores, RECORDS.target)
    return {record["image_id"]["S"]: record.get("state", {}).get("S") for record in records}


def test_a_restored_table_has_the_items_backups_protection_and_tags_of_its_source(alice: Api, stores: Stores) -> None:
    image_id = alice.upload()["image_id"]
    keep_backups(stores, "images")
    source = stores.dynamodb.update_table(TableName="images", DeletionProtectionEnabled=True)["TableDescription"]
    tags = [{"Key": "service", "Value": "images-api"}, {"Key": "stage", "Value": "dev"}]
    stores.dynamodb.tag_resource(ResourceArn=source["TableArn"], Tags=tags)
    create_empty(stores, RECORDS)

    restore(stores, RECORDS)

    assert [item["image_id"]["S"] for item in items(stores, RECORDS.target)] == [image_id]
    target = stores.dynamodb.describe_table(TableName=RECORDS.target)["Table"]
    assert target["DeletionProtectionEnabled"]
    assert {index["IndexName"] for index in target["GlobalSecondaryIndexes"]} == {
        "user_id-index",
        "user_id-changed-index",
        "user_id-taken-index",
        "state-index",
    }
    assert stores.dynamodb.list_tags_of_resource(ResourceArn=target["TableArn"])["Tags"] == tags
    backups = stores.dynamodb.describe_continuous_backups(TableName=RECORDS.target)["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_a_repeated_restore_does_not_touch_a_restored_table(alice: Api, stores: Stores) -> None:
    alice.upload()
    keep_backups(stores, "images")
    restore(stores, RECORDS)
    stores.dynamodb.put_item(TableName=RECORDS.target, Item={"image_id": {"S": "new"}})
    before = items(stores, RECORDS.target)
    restore(stores, RECORDS)
    assert items(stores, RECORDS.target) == before
    assert len(before) == 2


def test_a_table_that_was_filled_in_another_way_counts_as_restored(alice: Api, stores: Stores) -> None:
    alice.upload()
    create_empty(stores, RECORDS)
    stores.dynamodb.put_item(TableName=RECORDS.target, Item={"image_id": {"S": "from elsewhere"}})
    restore(stores, RECORDS)
    assert items(stores, RECORDS.target) == [{"image_id": {"S": "from elsewhere"}}]


def test_tables_that_cannot_be_restored_to_a_time_are_reported_before_anything_is_done(stores: Stores) -> None:
    with pytest.raises(CannotRun, match="of images is not enabled"):
        restored_tables.check_window(stores.dynamodb, [RECORDS], AT)
    with pytest.raises(CannotRun, match="table gone does not exist"):
        restored_tables.check_window(stores.dynamodb, [restored_tables.renamed("gone", AT)], AT)
    keep_backups(stores, "images")
    for outside in hour_ago(), datetime.now(UTC) + timedelta(hours=1):
        with pytest.raises(CannotRun, match=r"DynamoDB can restore images to a time from 20.*Z to 20.*Z"):
            restored_tables.check_window(stores.dynamodb, [RECORDS], outside)


def test_a_rehearsal_copies_the_items_and_can_be_repeated(alice: Api, stores: Stores) -> None:
    alice.upload()
    create_empty(stores, RECORDS)
    for _ in range(2):
        restored_tables.by_copying(stores.dynamodb)(RECORDS)
        assert items(stores, RECORDS.target) == stores.records()


def test_deleted_originals_of_restored_records_come_back_and_are_processed_again(
    alice: Api, stores: Stores, originals: Any
) -> None:
    kept, deleted = (alice.upload()["image_id"] for _ in range(2))
    restored_tables.from_backups(stores.dynamodb, AT)(RECORDS)
    later = alice.upload()["image_id"]
    for image_id in deleted, later:
        assert alice.call("DELETE", f"/images/{image_id}").status_code == 200
    originals.delete_object(Bucket=BUCKET, Key=f"alice/{deleted}")  # a second delete marker
    assert set(stores.objects()) == {f"alice/{kept}"}
    missing = restored_originals.check(originals, stores.dynamodb, RECORDS.target, BUCKET)
    assert (missing.images, missing.without_original, missing.without_record) == (2, (f"alice/{deleted}",), 0)

    counts = [
        restored_originals.bring_back(originals, stores.dynamodb, RECORDS.target, BUCKET, hour_ago()) for _ in range(2)
    ]

    assert counts == [1, 0]
    assert set(stores.objects()) == {f"alice/{kept}", f"alice/{deleted}"}
    states = restored_records(stores)
    assert set(states) == {kept, deleted}
    assert states[deleted] == "processing"
    found = restored_originals.check(originals, stores.dynamodb, RECORDS.target, BUCKET)
    assert (found.images, found.without_original, found.without_record) == (2, (), 0)


def test_originals_that_were_deleted_before_the_time_stay_deleted(alice: Api, stores: Stores, originals: Any) -> None:
    deleted = alice.upload()["image_id"]
    restored_tables.from_backups(stores.dynamodb, AT)(RECORDS)
    alice.call("DELETE", f"/images/{deleted}")
    later = datetime.now(UTC) + timedelta(hours=1)
    assert restored_originals.bring_back(originals, stores.dynamodb, RECORDS.target, BUCKET, later) == 0
    assert stores.objects() == {}


def test_records_of_deleted_images_need_no_original(alice: Api, stores: Stores, originals: Any) -> None:
    deleted = alice.upload()["image_id"]
    alice.call("DELETE", f"/images/{deleted}")
    restored_tables.from_backups(stores.dynamodb, AT)(RECORDS)
    assert restored_originals.bring_back(originals, stores.dynamodb, RECORDS.target, BUCKET, hour_ago()) == 0
    found = restored_originals.check(originals, stores.dynamodb, RECORDS.target, BUCKET)
    assert (found.images, found.without_original, found.without_record) == (0, (), 0)


def test_a_restored_service_lists_shows_and_processes_the_image(
    alice: Api, stores: Stores, originals: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = alice.upload(tags=["sea"])["image_id"]
    tables = [restored_tables.renamed(name, AT) for name in ("images", "image_tags", "tag_counts")]
    for table in tables:
        restored_tables.from_backups(stores.dynamodb, AT)(table)
    alice.call("DELETE", f"/images/{image_id}")
    assert alice.listed("user_id=alice") == []

    restored_originals.bring_back(originals, stores.dynamodb, RECORDS.target, BUCKET, hour_ago())
    # The tests' service cannot change its tables. So the restored ones get the names that it has.
    for table in tables:
        stores.dynamodb.delete_table(TableName=table.source)
        restored_tables.from_backups(stores.dynamodb, AT)(Restored(table.target, table.source))
    monkeypatch.setenv("SWEEP_AFTER_SECONDS", "0")
    settings.cache_clear()

    assert alice.listed("user_id=alice&tag=sea") == [image_id]
    sweep(alice)
    assert alice.view(image_id)["state"] == "ready"
    assert any(image_id in key for key in stores.objects("derived"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yesterday", "not a time like"),
        ("2026-11-20T10:00:00", "no time zone"),
        ("2026-11-20T12:00:00Z", "not in the past"),
        ("2026-11-20T12:00:00-01:00", "not in the past"),
    ],
)
def test_a_wrong_time_is_a_one_line_error(text: str, message: str) -> None:
    with pytest.raises(CannotRun, match=message):
        restored_tables.moment(text, NOW)


@pytest.mark.parametrize("text", ["2026-11-20T10:00:00Z", "2026-11-20T11:00:00.9+01:00"])
def test_a_time_has_whole_seconds_in_utc(text: str) -> None:
    assert restored_tables.moment(text, NOW) == AT


def test_the_name_of_a_restored_table_has_one_time_after_several_restores() -> None:
    assert Restored("images", "images-20261120T100000Z") == RECORDS
    again = restored_tables.renamed(RECORDS.target, AT - timedelta(days=1))
    assert again == Restored("images-20261120T100000Z", "images-20261119T100000Z")


def test_new_names_replace_those_of_a_stage_in_any_spelling() -> None:
    config = {"stages": {"dev": {"environment_variables": {"DYNAMODB_TABLE_NAME": "images-dev", "AUTH": "open"}}}}
    renamed = deploy_settings.renamed(config, "dev", {"images_table_name": "new", "items_table_name": "other"})
    assert deploy_settings.of(renamed, "dev") == {
        "AUTH": "open",
        "IMAGES_TABLE_NAME": "new",
        "ITEMS_TABLE_NAME": "other",
    }
    assert deploy_settings.of(config, "dev")["DYNAMODB_TABLE_NAME"] == "images-dev"
