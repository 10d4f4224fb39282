"""Free-text search: which images words find, in every order, and what a page costs."""

import pytest

from tests.app.calls import Calls
from tests.app.conftest import Api
from tests.errors import error


@pytest.fixture
def images(api: Api) -> dict[str, str]:
    """The ids of images that have the word `sea` in one place each, and of some that have not, oldest first."""
    fields: dict[str, dict[str, object]] = {
        "title": {"title": "By the Sea, sea!"},
        "description": {"description": "The sea at noon"},
        "long description": {"description": "Sea " + "x" * 1500},
        "filename": {"filename": "SEA-0001.jpg"},
        "tag": {"tags": ["SEA", "low tide"]},
        "everywhere": {"title": "Sea", "description": "sea", "filename": "sea.png", "tags": ["sea"]},
        "private": {"title": "Sea dunes", "visibility": "private"},
        "part of a word": {"title": "seaside", "tags": ["sea side"]},
        "nowhere": {"title": "Dunes"},
    }
    return {name: api.upload(**each)["image_id"] for name, each in fields.items()}


@pytest.mark.parametrize("sort", ["created_at", "updated_at", "taken_at"])
def test_a_word_is_found_in_every_field_and_in_tags(api: Api, images: dict[str, str], sort: str) -> None:
    public = [images[name] for name in ("title", "description", "long description", "filename", "tag", "everywhere")]
    alice = Api(api.client, {"X-User-Id": "alice"})
    for limit in (1, 4, 100):
        for order, step in (("asc", 1), ("desc", -1)):
            query = f"q=Sea&sort={sort}&order={order}&limit={limit}"
            assert [image_id for page in api.pages(query) for image_id in page] == public[::step]
            seen_by_alice = [image_id for page in alice.pages(query) for image_id in page]
            assert seen_by_alice == [*public, images["private"]][::step]
    assert api.get("/images/count?q=sea").json_body == {"count": 6}
    assert alice.get("/images/count?q=sea").json_body == {"count": 7}


def test_each_of_several_words_is_found_anywhere(api: Api, images: dict[str, str]) -> None:
    alice = Api(api.client, {"X-User-Id": "alice"})
    assert api.listed("q=sea+noon") == api.listed("q=noon&q=SEA") == [images["description"]]
    assert alice.listed("q=sea+dunes") == [images["private"]]
    assert api.listed("q=sea+dunes") == api.listed("q=tide") == api.listed("q=sea+side") == []
    assert api.listed("q=sea&tag=low+tide") == [images["tag"]]
    assert api.listed("q=sea&filename=sea&user_id=bob") == []
    assert api.listed("q=1+sea+jpg+0001") == []
    assert api.listed("q=0001+sea+jpg") == [images["filename"]]


def test_accents_are_ignored_in_texts_and_compared_in_tags(api: Api) -> None:
    title, tag = (api.upload(**each)["image_id"] for each in ({"title": "Café"}, {"tags": ["Café"]}))
    assert api.listed("q=caf%C3%A9") == api.listed("q=CAFE%CC%81") == [tag, title]
    assert api.listed("q=cafe") == [title]


def test_a_page_of_a_search_reads_each_field_once(api: Api, images: dict[str, str], calls: Calls) -> None:
    alice = Api(api.client, {"X-User-Id": "alice"})
    for client, query, ranges in ((api, "q=noon", 4), (api, "q=dunes&sort=taken_at", 4), (alice, "q=dunes", 8)):
        with calls.recorded() as made:
            assert client.listed(query)
        moved = client is alice  # one more call looks for images that moved between public and private
        assert made == ["Query"] * (ranges + moved)


def test_a_search_without_a_word_or_with_too_much_is_refused(api: Api) -> None:
    for query, sentence in (
        ("q=...", "q must have at least one letter or digit."),
        ("q=" + "x" * 257, "q has more than 256 characters, which is the limit (MAX_QUERY_CHARS)."),
        ("q=" + "+".join("abcdefghi"), "q has more than 8 words, which is the limit (MAX_QUERY_WORDS)."),
        ("q=+", "q is blank; give it a value, or leave it out."),
    ):
        answer = api.get(f"/images?{query}")
        assert (answer.status_code, answer.json_body) == (400, error(sentence))
