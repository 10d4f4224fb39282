"""No page makes more AWS calls than MAX_PAGE_READS, and all pages together have every match once."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.app.calls import Calls
from tests.app.conftest import Api

pytestmark = pytest.mark.long

WORDS = ("sun", "sunday", "sunny", "sunset", "sunsets", "sea", "seaside", "seal")
LONG = "x" * 1200  # does not fit an index row, so the record is read

Image = dict[str, Any]


def uploaded(api: Api) -> list[Image]:
    """Upload twenty images, oldest first: of two owners, public and private, some of them updated."""
    images = [
        api.upload(
            user_id="bob" if n % 5 == 4 else "alice",
            visibility="private" if n % 3 == 1 else "public",
            tags=[f"t{n % 10}", f"t{(n + 1) % 10}"],
            title=f"{WORDS[n % 8]} {WORDS[(3 * n + 1) % 8]}",
            description=LONG if n % 7 == 0 else "",
        )
        for n in range(20)
    ]
    for n in range(0, 20, 4):
        path = f"/images/{images[n]['image_id']}?user_id={images[n]['user_id']}"
        images[n] = api.call("PUT", path, {"description": LONG}).json_body["metadata"]
    return images


filters = st.fixed_dictionaries(
    {},
    optional={
        "any_tag": st.integers(1, 10).map(lambda n: ",".join(f"t{i}" for i in range(n))),
        "tag": st.integers(0, 9).map("t{}".format),
        "title": st.sampled_from(["sun", "se", "sun se", "s"]),
        "q": st.sampled_from(["sun", "sea sunny", "t1"]),
        "takenFrom": st.just("2020-01-01"),
        "user_id": st.just("alice"),
        "visibility": st.sampled_from(["public", "private"]),
        "content_type": st.just("image/png"),
    },
)


def matches(image: Image, query: dict[str, str], caller: str) -> bool:
    return (
        (image["visibility"] == "public" or image["user_id"] == caller)
        and ("any_tag" not in query or not set(query["any_tag"].split(",")).isdisjoint(image["tags"]))
        and ("tag" not in query or query["tag"] in image["tags"])
        and all(f" {prefix}" in f" {image['title']}" for prefix in query.get("title", "").split())
        and all(word in (*image["title"].split(), *image["tags"]) for word in query.get("q", "").split())
        and query.get("user_id", image["user_id"]) == image["user_id"]
        and query.get("visibility", image["visibility"]) == image["visibility"]
    )


@pytest.mark.parametrize(
    ("reads", "shards"),
    [(6, ""), (22, ""), (12, "everything 2020-01-01 3; tag:t1 2020-01-01 2; title:sun 2020-01-01 3")],
)
def test_no_page_makes_more_calls_than_its_setting_says(
    api: Api, calls: Calls, configured: Callable[..., None], reads: int, shards: str
) -> None:
    configured(MAX_PAGE_READS=str(reads), SHARDS=shards)
    album = uploaded(api)

    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    @given(
        query=filters,
        caller=st.sampled_from(["", "alice"]),
        sort=st.sampled_from(["created_at", "updated_at", "taken_at"]),
        order=st.sampled_from(["asc", "desc"]),
        limit=st.sampled_from([3, 100]),
        include=st.sampled_from(["", "analysis"]),
    )
    # By time taken: the most key ranges, and updates whose index lacks the time.
    @example(query={}, caller="alice", sort="taken_at", order="asc", limit=3, include="analysis")
    @example(query={"q": "sun"}, caller="alice", sort="taken_at", order="desc", limit=3, include="analysis")
    @example(query={"title": "se"}, caller="alice", sort="taken_at", order="asc", limit=100, include="analysis")
    def check(query: dict[str, str], caller: str, sort: str, order: str, limit: int, include: str) -> None:
        client = Api(api.client, {"X-User-Id": caller} if caller else {})
        in_order = sorted(album, key=lambda image: image["updated_at" if sort == "updated_at" else "image_id"])
        expected = [
            image["image_id"] for image in in_order if matches(image, query, caller or query.get("user_id", ""))
        ]
        listed: list[str] = []
        parameters = {**query, "sort": sort, "order": order, "limit": limit, "include": include}
        for _ in range(200):
            with calls.recorded() as made:
                page = client.get(f"/images?{urlencode(parameters)}").json_body
            assert len(made) <= reads
            listed += [image["image_id"] for image in page["images"]]
            if not page["has_more"]:
                break
            parameters["last_evaluated_key"] = page["last_evaluated_key"]
        assert listed == (expected if order == "asc" else expected[::-1])
        with calls.recorded() as made:
            counted = client.get(f"/images/count?{urlencode(query)}").json_body
        assert len(made) <= reads
        assert counted == {"count": len(expected)} or (counted["at_least"] and counted["count"] <= len(expected))

    check()
