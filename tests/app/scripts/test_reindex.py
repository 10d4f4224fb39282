"""Rebuilding the index rows from the records: afterwards all rows are correct, and every list is complete."""

import base64
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.index import terms
from chalicelib.stores import records
from project import CannotRun
from scripts.reindex import rebuild
from tests.app.background import object_created, sweep
from tests.app.calls import Calls
from tests.app.conftest import Api, Stores
from tests.aws_calls import Call
from tests.pictures import dated_picture

pytestmark = pytest.mark.long

LISTS = (
    "",
    "order=asc",
    "user_id=alice",
    "user_id=alice&sort=updated_at",
    "sort=updated_at",
    "sort=taken_at",
    "user_id=alice&sort=taken_at",
    "q=dunes&sort=taken_at",
    "tag=sea",
    "tag=sea&tag=sand",
    "title=dun",
    "description=noon",
    "filename=img",
    "title=dunes&user_id=bob",
    "content_type=image/png",
)

Rows = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of the checkpoint."""
    return tmp_path / "checkpoint.json"


@pytest.fixture
def alice(api: Api) -> Api:
    return Api(api.client, {"X-User-Id": "alice"})


@pytest.fixture
def album(alice: Api) -> list[str]:
    """Images of every kind: public, private, updated, of another owner, and too large for their rows."""
    uploaded = [
        alice.upload(title="Old", tags=["rock"]),
        alice.upload(title="Dunes at sea", tags=["Sea", "sand"], filename="img 1.png", description="at noon"),
        alice.upload(title="Dunes", tags=["sea"], visibility="private"),
        alice.upload(user_id="bob", title="Dunes", description="noon " * 300, tags=["sea", "sand"]),
    ]
    image_ids = [each["image_id"] for each in uploaded]
    assert alice.call("PUT", f"/images/{image_ids[0]}", {"title": "New dunes", "tags": ["sea"]}).status_code == 200
    return image_ids


@pytest.fixture
def small_pages(calls: Calls) -> None:
    """DynamoDB ends each page of a scan after five items."""

    def ended_early(call: Call) -> Any:
        return call.send(Limit=5) if "Limit" in call.params else call.send()

    calls.on("Scan", ended_early)


def two_images(api: Api) -> list[str]:
    return [api.upload(title="Dunes", tags=["sea"])["image_id"] for _ in range(2)]


def rows(stores: Stores) -> Rows:
    """Return all rows by their keys."""
    return {(row["tag"]["S"], row["image_id"]["S"]): row for row in stores.rows()}


def expected_rows(stores: Stores) -> Rows:
    """Return the rows that the records should have, by their keys."""
    images = [records.from_item(item) for item in stores.records()]
    return {
        (key.partition, key.sort): row
        for image in images
        if image.listed
        for key, row in records.to_rows(image, [terms.key(image, term) for term in terms.of(image)]).items()
    }


def remove_rows(stores: Stores) -> None:
    for partition, sort in rows(stores):
        key = {"tag": {"S": partition}, "image_id": {"S": sort}}
        stores.dynamodb.delete_item(TableName=settings().image_tags_table_name, Key=key)


def put_row(stores: Stores, partition: str, sort: str, **others: dict[str, str]) -> None:
    row = {"tag": {"S": partition}, "image_id": {"S": sort}, **others}
    stores.dynamodb.put_item(TableName=settings().image_tags_table_name, Item=row)


def corrupt_rows(stores: Stores) -> None:
    """Corrupt the index rows in every way: rows that are missing, wrong, outdated, or without an image."""
    before = list(rows(stores))
    for number, (partition, sort) in enumerate(sorted(before)):
        if number % 3 == 0:
            key = {"tag": {"S": partition}, "image_id": {"S": sort}}
            stores.dynamodb.delete_item(TableName=settings().image_tags_table_name, Key=key)
        elif number % 3 == 1:
            put_row(stores, partition, sort, user_id={"S": "mallory"}, visibility={"S": "public"})
    for record in stores.records():
        put_row(stores, "of no image that has it", record["image_id"]["S"])
    put_row(stores, "sea", ids.new_id())
    put_row(stores, "sea", "of another tool")


def lists(api: Api) -> dict[str, list[list[str]]]:
    return {query: list(api.pages(f"{query}&limit=2")) for query in LISTS}


def test_every_list_is_restored_after_all_rows_were_lost(
    alice: Api, album: list[str], stores: Stores, file: Path, small_pages: None
) -> None:
    before = lists(alice)
    assert set(before[""][0] + before[""][1]) == set(album)
    remove_rows(stores)
    # Its owner still finds an image that was changed lately: see lists.walk.
    assert Api(alice.client).listed() == []
    rebuild(file)
    assert lists(alice) == before
    assert not file.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"MAX_TITLE_WORDS": "1"},
        {"MAX_TITLE_WORDS": "0", "MAX_DESCRIPTION_WORDS": "0", "MAX_FILENAME_WORDS": "0"},
        {"MAX_WORD_CHARS": "4"},
        {"SHARDS": "everything 2020-01-01 4; tag:sea 2020-01-01 3; title:dunes 2020-01-01 2"},
    ],
)
def test_a_rebuild_with_other_settings_leaves_exactly_their_rows(
    alice: Api, album: list[str], stores: Stores, file: Path, configured: Callable[..., None], changed: dict[str, str]
) -> None:
    everything = alice.listed()
    configured(**changed)
    assert rows(stores).keys() != expected_rows(stores).keys()
    rebuild(file)
    assert rows(stores) == expected_rows(stores)
    assert alice.listed() == everything


def test_a_rebuild_deletes_and_corrects_wrong_rows(
    album: list[str], stores: Stores, file: Path, small_pages: None
) -> None:
    before = rows(stores)
    corrupt_rows(stores)
    rebuild(file)
    assert rows(stores) == before == expected_rows(stores)


def test_a_half_deleted_image_is_in_no_list(
    alice: Api, album: list[str], stores: Stores, calls: Calls, file: Path
) -> None:
    with calls.killed(1, before=False):
        alice.call("DELETE", f"/images/{album[0]}")
    put_row(stores, "sea", album[0], user_id={"S": "alice"}, visibility={"S": "public"})
    rebuild(file)
    assert album[0] not in alice.listed("tag=sea")
    assert rows(stores) == expected_rows(stores)


def test_a_rebuild_adds_the_missing_attribute_for_lists_by_update_time(
    alice: Api, album: list[str], stores: Stores, file: Path
) -> None:
    before = lists(alice)
    for record in stores.records():
        record.pop("changed", None)
        stores.dynamodb.put_item(TableName=settings().images_table_name, Item=record)
    assert lists(alice) != before
    rebuild(file)
    assert lists(alice) == before


def test_a_rebuild_adds_images_from_before_lists_by_time_taken(
    alice: Api, album: list[str], stores: Stores, file: Path
) -> None:
    taken = alice.upload(image_data=base64.b64encode(dated_picture("1950:02:03 04:05:06")).decode(), tags=["sea"])
    for key in stores.objects():
        object_created(alice, key)
    queries = ("sort=taken_at", "user_id=alice&sort=taken_at&order=asc", "tag=sea&sort=taken_at", "takenTo=1950-02-03")
    before = [alice.listed(query) for query in queries]
    assert before[-1] == [taken["image_id"]]
    for table, items in (("images", stores.records()), ("image_tags", stores.rows())):
        for item in items:
            without = {name: value for name, value in item.items() if name not in ("taken", "taken_at")}
            stores.dynamodb.put_item(TableName=table, Item=without)
    assert not any(taken["image_id"] in alice.listed(query) for query in queries)
    # A filter needs no index by time taken: it reads the records.
    assert alice.listed("takenTo=1950-02-03&sort=created_at") == [taken["image_id"]]
    rebuild(file)
    assert [alice.listed(query) for query in queries] == before


def test_a_correct_table_is_only_read(
    album: list[str], stores: Stores, calls: Calls, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corrupt_rows(stores)
    rebuild(file)
    with calls.recorded() as operations:
        rebuild(file)
    # The tables; the records and their rows; the rows and their records.
    assert operations[:4] == ["DescribeTable", "DescribeTable", "Scan", "BatchGetItem"]
    assert operations[4:] == ["Scan", "BatchGetItem"]
    report = capsys.readouterr().out.splitlines()[-1]
    assert report == f"4 records read, 0 items written; {len(stores.rows())} rows read, 0 deleted"


def test_a_dry_run_reports_the_same_numbers_and_changes_nothing(
    album: list[str], stores: Stores, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corrupt_rows(stores)
    before = (stores.records(), stores.rows())
    rebuild(file, dry_run=True)
    assert (stores.records(), stores.rows()) == before
    assert not file.exists()
    output = capsys.readouterr().out
    missing = [key for key, row in expected_rows(stores).items() if rows(stores).get(key) != row]
    wrong = rows(stores).keys() - expected_rows(stores).keys()
    assert f"{len(missing)} items to write" in output
    assert f"{len(wrong)} to delete" in output
    rebuild(file)
    assert f"{len(missing)} items written" in (run_output := capsys.readouterr().out)
    assert f"{len(wrong)} deleted" in run_output


def test_a_killed_rebuild_continues_and_leaves_correct_rows(
    api: Api, stores: Stores, calls: Calls, file: Path, small_pages: None
) -> None:
    album = two_images(api)
    kills = 0
    for _ in calls.every_kill(lambda: corrupt_rows(stores), lambda _: rebuild(file)):
        rebuild(file)
        assert rows(stores) == expected_rows(stores)
        assert not file.exists()
        kills += 1
    assert kills > 15
    assert api.listed("tag=sea") == api.listed("title=dunes") == api.listed() == album[::-1]


def test_a_killed_rebuild_does_not_repeat_finished_work(
    album: list[str], stores: Stores, calls: Calls, file: Path, small_pages: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with calls.recorded() as operations:
        rebuild(file)
    with calls.killed(len(operations) - 1, before=True):
        rebuild(file)
    capsys.readouterr()
    rebuild(file)
    output = capsys.readouterr()
    assert output.out.startswith("0 records read")
    assert f"continues where {file} says" in output.err
    assert not file.exists()


def test_a_rebuild_keeps_the_changes_of_concurrent_requests(
    api: Api, stores: Stores, calls: Calls, file: Path, small_pages: None, configured: Callable[..., None]
) -> None:
    configured(SWEEP_AFTER_SECONDS="0")
    for at in count():
        updated, deleted = two_images(api)
        corrupt_rows(stores)
        uploaded: list[str] = []

        def change_images(updated: str = updated, deleted: str = deleted, uploaded: list[str] = uploaded) -> None:
            patch = {"title": "Waves", "tags": ["sky"]}
            assert api.call("PUT", f"/images/{updated}", patch).status_code == 200
            assert api.call("DELETE", f"/images/{deleted}").status_code == 200
            uploaded.append(api.upload(title="Dunes", tags=["sea"])["image_id"])

        with calls.before(at, change_images) as rule:
            rebuild(file)
        assert rows(stores) == expected_rows(stores)
        if not rule.applied:
            break
        assert api.listed("tag=sea") == api.listed("title=dunes") == uploaded
        assert api.listed("tag=sky") == api.listed("title=waves") == [updated]
        for image_id in (updated, *uploaded):
            assert api.call("DELETE", f"/images/{image_id}").status_code == 200
        sweep(api)
        assert (stores.records(), stores.rows()) == ([], [])
    assert at > 10


def test_a_concurrent_half_finished_deletion_leaves_no_row(
    api: Api, stores: Stores, calls: Calls, file: Path, small_pages: None, configured: Callable[..., None]
) -> None:
    configured(SWEEP_AFTER_SECONDS="0")
    for at in count():
        image_id = api.upload(title="Dunes", tags=["sea"])["image_id"]
        corrupt_rows(stores)

        def begin_to_delete(image_id: str = image_id) -> None:
            with calls.killed(1, before=False):
                api.call("DELETE", f"/images/{image_id}")

        with calls.before(at, begin_to_delete) as rule:
            rebuild(file)
        assert rows(stores) == expected_rows(stores)
        assert api.call("DELETE", f"/images/{image_id}").status_code == 200
        sweep(api)
        assert (stores.records(), stores.rows()) == ([], [])
        if not rule.applied:
            break
    assert at > 5


@pytest.mark.parametrize("exists", [False, True], ids=["no record", "a record in deletion"])
def test_an_outdated_read_of_a_record_does_not_delete_its_rows(
    album: list[str], stores: Stores, file: Path, calls: Calls, exists: bool
) -> None:

    def outdated(call: Call) -> Any:
        answer = call.send()
        request = call.params["RequestItems"].get("images", {})
        if request and not request["ConsistentRead"]:
            items = answer["Responses"]["images"] if exists else []
            answer["Responses"]["images"] = [{**item, "state": {"S": "deleting"}} for item in items]
        return answer

    before = rows(stores)
    with calls.on("BatchGetItem", outdated):
        rebuild(file)
    assert rows(stores) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"checksum": None},
        {"size": {"S": "large"}},
        {"visibility": {"S": "friends"}},
        {"tags": {"L": [{"S": ""}]}},
    ],
)
def test_an_unreadable_record_is_reported_and_its_rows_are_kept(
    album: list[str], stores: Stores, file: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    before = rows(stores)
    record = {item["image_id"]["S"]: item for item in stores.records()}[album[0]] | changes
    record = {name: value for name, value in record.items() if value is not None}
    stores.dynamodb.put_item(TableName=settings().images_table_name, Item=record)
    with pytest.raises(CannotRun, match="1 records cannot be read"):
        rebuild(file)
    assert f"The record {album[0]!r} cannot be read" in capsys.readouterr().err
    assert rows(stores) == before
    assert not file.exists()


def test_a_checkpoint_of_other_settings_or_tables_is_refused(
    album: list[str], stores: Stores, calls: Calls, file: Path, configured: Callable[..., None]
) -> None:
    with calls.killed(4, before=True):
        rebuild(file)
    configured(MAX_TITLE_WORDS="1")
    before = stores.rows()
    with pytest.raises(CannotRun, match="belongs to other tables or settings"):
        rebuild(file)
    assert (stores.rows(), file.exists()) == (before, True)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run": "", "step": "cleaning", "after": null}'])
def test_a_file_that_is_not_a_checkpoint_is_refused_and_kept(stores: Stores, file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(CannotRun, match="is not a checkpoint"):
        rebuild(file)
    assert file.read_text() == text
