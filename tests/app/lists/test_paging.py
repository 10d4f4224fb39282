"""Paging while images are uploaded, changed and deleted: each image that stays is listed once, in its place."""

from functools import partial
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.app.calls import Calls
from tests.app.conftest import Api

pytestmark = pytest.mark.long

RUNS = count()

QUERIES = (
    "tag={x}",
    "user_id={x}",
    "title={x}",
    "tag={x}&title={x}",
    "user_id={x}&tag={x}",
    "any_tag={x},{x}2&title=a",
    "q={x}",
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    query=st.sampled_from(QUERIES),
    order=st.sampled_from(["asc", "desc"]),
    sort=st.sampled_from(["created_at", "updated_at", "taken_at"]),
    limit=st.integers(1, 3),
    lasting=st.lists(st.booleans(), min_size=2, max_size=10),
    changes=st.lists(st.sampled_from(["upload", "delete", "update"]), max_size=8),
)
def test_images_that_stay_are_listed_once_while_others_change(
    api: Api, calls: Calls, query: str, order: str, sort: str, limit: int, lasting: list[bool], changes: list[str]
) -> None:
    run = f"run{next(RUNS)}"

    def upload() -> str:
        # One title is a prefix of another, so a list by title merges the rows of two words.
        title = f"a {run}{'s' * (next(RUNS) % 2)}"
        return str(api.upload(user_id=run, tags=[run, f"{run}2"], title=title)["image_id"])

    images = [upload() for _ in lasting]
    permanent = [image_id for image_id, stays in zip(images, lasting, strict=True) if stays]
    temporary = [image_id for image_id in images if image_id not in permanent]

    def change(kind: str) -> None:
        if kind == "upload" or not temporary:
            temporary.append(upload())
        elif kind == "delete":
            api.call("DELETE", f"/images/{temporary.pop(0)}")
        else:
            api.call("PUT", f"/images/{temporary[-1]}", {"description": "Changed"})

    listed: list[str] = []
    pages = api.pages(f"{query.format(x=run)}&order={order}&sort={sort}&limit={limit}")
    for n, page in enumerate(pages):
        listed += page
        for kind in changes[2 * n : 2 * n + 1]:
            change(kind)
        for kind in changes[2 * n + 1 : 2 * n + 2]:
            calls.before("Query", partial(change, kind))
    calls.clear()
    assert [image_id for image_id in listed if image_id in permanent] == (
        permanent if order == "asc" else permanent[::-1]
    )
    if sort != "updated_at":
        assert len(listed) == len(set(listed))
