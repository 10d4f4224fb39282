"""Paging while images come, change and go: each that is there throughout is met once, and in its place."""

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
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    query=st.sampled_from(QUERIES),
    order=st.sampled_from(["asc", "desc"]),
    sort=st.sampled_from(["created_at", "updated_at"]),
    limit=st.integers(1, 3),
    lasting=st.lists(st.booleans(), min_size=2, max_size=10),
    changes=st.lists(st.sampled_from(["upload", "delete", "update"]), max_size=8),
)
def test_no_image_that_lasts_is_skipped_or_repeated_while_others_come_change_and_go(
    api: Api, calls: Calls, query: str, order: str, sort: str, limit: int, lasting: list[bool], changes: list[str]
) -> None:
    run = f"run{next(RUNS)}"

    def upload() -> str:
        # One title is the beginning of another, so that a list of words is a merge of both.
        title = f"a {run}{'s' * (next(RUNS) % 2)}"
        return str(api.upload(user_id=run, tags=[run, f"{run}2"], title=title)["image_id"])

    images = [upload() for _ in lasting]
    stay = [image_id for image_id, lasts in zip(images, lasting, strict=True) if lasts]
    passing = [image_id for image_id in images if image_id not in stay]

    def change(what: str) -> None:
        if what == "upload" or not passing:
            passing.append(upload())
        elif what == "delete":
            api.call("DELETE", f"/images/{passing.pop(0)}")
        else:
            api.call("PUT", f"/images/{passing[-1]}", {"description": "Changed"})

    met: list[str] = []
    pages = api.pages(f"{query.format(x=run)}&order={order}&sort={sort}&limit={limit}")
    for n, page in enumerate(pages):
        met += page
        for what in changes[2 * n : 2 * n + 1]:
            change(what)
        for what in changes[2 * n + 1 : 2 * n + 2]:
            calls.before("Query", partial(change, what))
    calls.clear()
    assert [image_id for image_id in met if image_id in stay] == (stay if order == "asc" else stay[::-1])
    if sort == "created_at":
        assert len(met) == len(set(met))
