from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from dev.stack import Stack
from tests.http.client import User, eventually
from tests.pictures import picture

# So many that each list below has several pages.
IMAGES, CLIENTS = 240, 8
IMAGES_ON_LOCALSTACK = 100  # each of whose calls takes ten times as long


def test_images_of_eight_clients_at_once_are_each_listed_once_and_leave_nothing(
    alice: User, stack: Stack | None, request: pytest.FixtureRequest
) -> None:
    service = alice.service
    images = IMAGES_ON_LOCALSTACK if request.config.getoption("--localstack") else IMAGES
    users = [User(service, alice.user_id), User(service, f"bob-{alice.user_id}")]
    everyone = f"all of {alice.user_id}"

    def upload(n: int) -> str:
        tags = [everyone, f"{everyone}, every {n % 10}"]
        return str(users[n % 2].upload(picture(seed=n, width=16, height=16), tags=tags)["image_id"])

    def listed(**query: object) -> list[str]:
        return sorted(service.ids(**query))

    with ThreadPoolExecutor(CLIENTS) as clients:
        made = list(clients.map(upload, range(images)))
        assert len(set(made)) == images
        eventually(partial(listed, tag=everyone, limit=130), sorted(made))
        for n, user in enumerate(users):
            eventually(partial(listed, user_id=user.user_id, limit=99), sorted(made[n::2]))
        for n in range(10):
            tag = f'["{everyone}, every {n}"]'
            assert listed(tag=tag) == listed(tag=tag, user_id=users[n % 2].user_id, limit=9) == sorted(made[n::10])
        deleted = clients.map(lambda image_id: service.call("DELETE", f"/images/{image_id}").status_code, made)
        assert set(deleted) == {200}
    eventually(partial(listed, tag=everyone), [])
    if stack is None:
        pytest.skip("what lies in buckets and tables can't be seen by HTTP alone; all else of this test has passed")
    assert left_in(stack, {user.user_id for user in users}) == []


def left_in(stack: Stack, owners: set[str]) -> list[str]:
    """Whatever lies in buckets and tables of some owners."""
    s3, dynamodb = stack.client("s3"), stack.client("dynamodb")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="images-originals")
    left = [found["Key"] for page in pages for found in page.get("Contents", ())]
    for table in ("images", "image_tags"):
        for page in dynamodb.get_paginator("scan").paginate(TableName=table):
            left += [f"{item['user_id']['S']}/{table}" for item in page["Items"]]
    return [name for name in left if name.split("/")[0] in owners]
