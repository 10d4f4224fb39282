import base64
import json
from typing import Any

import pytest
from chalice.app import Request, S3Event
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import requests, terms
from chalicelib.config import settings
from chalicelib.errors import ApiError, BadInput, TooLarge, Unsupported
from chalicelib.model import ITEM_NAMES, ItemQuery, ObjectCreated, Query, Upload, Visibility

BYTES = b"any bytes"
BODY = {"user_id": "alice", "image_data": base64.b64encode(BYTES).decode()}


def request(
    *, body: bytes = b"", headers: dict[str, str] | None = None, query: dict[str, list[str]] | None = None
) -> Request:
    return Request(
        {
            "requestContext": {"httpMethod": "POST", "resourcePath": "/images"},
            "headers": headers or {},
            "pathParameters": {},
            "stageVariables": {},
            "multiValueQueryStringParameters": query,
            "body": body,
        }
    )


def read_upload(**body: Any) -> Upload:
    return requests.upload(request(body=json.dumps(body).encode(), headers={"content-type": "application/json"}))


def read_query(**query: list[str]) -> Query:
    return requests.query(request(query=query or None))


def test_the_least_upload_has_an_owner_and_bytes_and_the_rest_is_empty() -> None:
    assert read_upload(**BODY) == Upload(
        file=BYTES,
        user_id="alice",
        title="",
        description="",
        tags=(),
        filename="",
        visibility=Visibility.PUBLIC,
    )


def test_a_whole_upload() -> None:
    whole = {"title": "T", "description": "a\nb", "tags": ["x"], "filename": "f.png", "visibility": "private"}
    assert read_upload(**BODY, **whole) == Upload(
        file=BYTES,
        user_id="alice",
        title="T",
        description="a\nb",
        tags=("x",),
        filename="f.png",
        visibility=Visibility.PRIVATE,
    )


@pytest.mark.parametrize(
    "body",
    [
        {"userId": "alice", "image_file": BODY["image_data"]},
        {"user": "alice", "image_base64": BODY["image_data"]},
        {"metadata": {"userId": "alice"}, "image": {"content": BODY["image_data"]}},
        {"user_id": None, "userId": "alice", "image_data": f"data:image/png;base64,{BODY['image_data']}"},
        {"user_id": " alice ", "image_data": f"{BODY['image_data'][:4]}\r\n{BODY['image_data'][4:]}\n"},
    ],
)
def test_each_spelling_and_form_reads_the_same(body: dict[str, Any]) -> None:
    assert read_upload(**body) == read_upload(**BODY)


@pytest.mark.parametrize(
    "tags", [["Sea", "sky"], '["Sea", "sky"]', "Sea, sky", "Sea,,sky,", [" Sea ", "sky", "SEA", ""]]
)
def test_tags_come_as_a_list_a_json_array_or_with_commas(tags: object) -> None:
    assert read_upload(**BODY, tags=tags).tags == ("Sea", "sky")


@pytest.mark.parametrize(
    ("path", "name"),
    [("C:\\photos\\a.png", "a.png"), ("/etc/a b.png", "a b.png"), ("a\r\nb\0.png", "ab.png"), ("..", "..")],
)
def test_a_filename_is_the_last_part_of_a_path(path: str, name: str) -> None:
    upload = requests._filename(path)  # JSON's own control characters are refused before
    assert upload == name


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"user_id": None}, BadInput, "user_id is missing."),
        ({"user_id": " "}, BadInput, "user_id is missing."),
        ({"user_id": 7}, BadInput, "user_id must be a string."),
        ({"user_id": "a/b"}, BadInput, "user_id must not have slashes"),
        ({"user_id": ".."}, BadInput, "user_id must not have slashes"),
        ({"user_id": "a\tb"}, BadInput, "user_id must not have slashes"),
        ({"user_id": "a" * 129}, BadInput, "user_id has more than 128 characters"),
        ({"title": 7}, BadInput, "title must be a string."),
        ({"title": "x" * 257}, BadInput, "title has more than 256 characters"),
        ({"title": "a\0b"}, BadInput, "title has a control character."),
        ({"description": ["x"]}, BadInput, "description must be a string."),
        ({"description": "x" * 5001}, BadInput, "description has more than 5000 characters"),
        ({"filename": "x" * 256}, BadInput, "filename has more than 255 characters"),
        ({"tags": 7}, BadInput, "tags must be a list of strings."),
        ({"tags": ["x", 7]}, BadInput, "tags must be a list of strings."),
        ({"tags": "[1"}, BadInput, "tags begins like a JSON array and is none."),
        ({"tags": ["x" * 65]}, BadInput, "tags has a tag of more than 64 characters"),
        ({"tags": ["\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 9]}, BadInput, "tags has a tag of more than 64"),
        ({"tags": ["a\x1fb\x00"]}, BadInput, "tags has a tag with a control character."),
        ({"tags": [str(i) for i in range(31)]}, BadInput, "tags has more than 30 tags"),
        ({"visibility": "secret"}, BadInput, "visibility must be public or private."),
        ({"image_data": None}, BadInput, "image_data is missing."),
        ({"image_data": ""}, BadInput, "image_data is missing."),
        ({"image_data": 0}, BadInput, "image_data must be a string."),
        ({"image_data": 7}, BadInput, "image_data must be a string."),
        ({"image_data": "data:image/png;base64,"}, BadInput, "image_data is empty."),
        ({"image_data": "not base64!"}, BadInput, "image_data is not valid base64."),
        ({"image_data": "QUJ"}, BadInput, "image_data is not valid base64."),
        ({"image_data": "Zürich=="}, BadInput, "image_data is not valid base64."),
        ({"image_data": "A" * 4_700_000}, TooLarge, "The image has more than 3400000 bytes"),
        (
            {"image_data": base64.b64encode(b"x" * 3_400_001).decode()},
            TooLarge,
            "The image has more than 3400000 bytes",
        ),
    ],
)
def test_a_bad_field_is_refused_by_its_name(change: dict[str, Any], error: type[ApiError], sentence: str) -> None:
    with pytest.raises(error) as refused:
        read_upload(**{**BODY, **change})
    assert refused.value.message.startswith(sentence)


@pytest.mark.parametrize(
    ("body", "content_type", "error", "sentence"),
    [
        (b"{", "application/json", BadInput, "The body is not valid JSON."),
        (b"", "application/json", BadInput, "The body is not valid JSON."),
        (b'{"title": "\\ud800"}', "application/json", BadInput, "The body is not valid JSON."),
        (b"[]", "application/json; charset=utf-8", BadInput, "The body must be a JSON object."),
        (b"user_id=a", "application/x-www-form-urlencoded", Unsupported, "The body must be application/json, not"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(
    body: bytes, content_type: str, error: type[ApiError], sentence: str
) -> None:
    with pytest.raises(error) as refused:
        requests.upload(request(body=body, headers={"content-type": content_type}))
    assert refused.value.message.startswith(sentence)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
fields = st.sampled_from(sorted({name.partition(".")[0] for names in requests.SPELLINGS.values() for name in names}))


@given(st.dictionaries(fields, json_values))
def test_whatever_the_fields_hold_it_is_read_or_refused(body: dict[str, Any]) -> None:
    try:
        upload = read_upload(**{**BODY, **body})
    except ApiError as error:
        assert 400 <= error.status < 500
    else:
        assert upload.user_id
        assert len(upload.tags) <= settings().max_tags


@given(st.text(max_size=20))
def test_no_tag_has_the_key_of_another_term(tag: str) -> None:
    try:
        tags = read_upload(**BODY, tags=[tag]).tags
    except BadInput:
        return
    assert terms.EVERYTHING not in map(terms.fold, tags)
    assert not any(terms.fold(tag).startswith("\x1f") for tag in tags)


def test_a_query_without_parameters_asks_for_everything() -> None:
    assert read_query() == Query(user_id=None, tags=(), limit=100, cursor=None)


def test_a_whole_query() -> None:
    found = read_query(userId=["alice"], tag=["Sea", "sky,SEA"], tags=['["sand, wet"]'], limit=["7"], nextToken=["abc"])
    assert found == Query(user_id="alice", tags=("sand, wet", "sea", "sky"), limit=7, cursor="abc")


def test_an_empty_parameter_counts_as_absent() -> None:
    assert read_query(user_id=[""], tag=[" "], limit=[""], last_evaluated_key=[""]) == read_query()


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"limit": ["0"]}, "limit must be a whole number from 1 to 1000."),
        ({"limit": ["1001"]}, "limit must be a whole number from 1 to 1000."),
        ({"limit": ["1" * 5000]}, "limit must be a whole number from 1 to 1000."),
        ({"limit": ["ten"]}, "limit must be a whole number from 1 to 1000."),
        ({"limit": ["²"]}, "limit must be a whole number from 1 to 1000."),
        ({"user_id": ["a/b"]}, "user_id must not have slashes"),
        ({"user_id": ["a" * 129]}, "user_id has more than 128 characters"),
        ({"tag": [",".join(map(str, range(11)))]}, "tag has more than 10 tags, which is the limit"),
        ({"tag": [str(n) for n in range(11)]}, "tag has more than 10 tags, which is the limit"),
    ],
)
def test_a_bad_parameter_is_refused_by_its_name(query: dict[str, list[str]], sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_query(**query)
    assert refused.value.message.startswith(sentence)


def json_request(body: Any) -> Request:
    return request(body=json.dumps(body).encode(), headers={"content-type": "application/json"})


@pytest.mark.parametrize("document", [{}, {"a": None}, {"user_id": 7, "Version": [], "b": {"id": "inside"}}])
def test_an_item_is_any_json_object(document: dict[str, Any]) -> None:
    assert requests.item(json_request(document)) == document


@pytest.mark.parametrize("name", ITEM_NAMES)
def test_an_item_has_no_field_that_the_service_gives(name: str) -> None:
    with pytest.raises(BadInput, match=f"^{name} is given by the service"):
        requests.item(json_request({name: None}))
    assert requests.item_fields(json_request({"a": None, name: 1})) == {"a": None}
    with pytest.raises(BadInput, match="no field to set"):
        requests.item_fields(json_request({name: 1}))


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = {"a": value, "b": []} if level % 2 else [0, value]
    return value


@pytest.mark.parametrize("read", [requests.item, requests.item_fields])
def test_an_item_is_nested_so_deep_and_no_deeper(read: Any) -> None:
    assert read(json_request({"a": nested(99)})) == {"a": nested(99)}
    with pytest.raises(BadInput, match="nested more than 100 levels deep"):
        read(json_request({"a": nested(100)}))


def test_items_are_asked_for_with_a_limit_and_a_key() -> None:
    assert requests.item_query(request()) == ItemQuery(limit=100, cursor=None)
    assert requests.item_query(request(query={"limit": ["7"], "nextToken": ["abc"]})) == ItemQuery(7, "abc")
    with pytest.raises(BadInput, match="limit must be a whole number"):
        requests.item_query(request(query={"limit": ["0"]}))


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        ("*", None),
        ('"3"', {3}),
        (' "1" ,"2"', {1, 2}),
        ('W/"3"', set()),
        ('W/"3", "4"', {4}),
        ('"abc", "", "03", "-1", "1.0", "0", "\u00b2"', set()),
        ('"' + "9" * 5000 + '"', set()),
    ],
)
def test_if_match_names_versions_and_other_tags_match_none(header: str, versions: set[int] | None) -> None:
    assert requests.if_match(request(headers={"If-Match": header})) == versions
    assert requests.if_match(request()) is None


@pytest.mark.parametrize("header", ["3", '"3', '"3""4"', '"3" "4"', "'3'", 'w/"3"', '*, "3"', '"a b"'])
def test_an_if_match_that_is_no_list_of_tags_is_refused(header: str) -> None:
    with pytest.raises(BadInput, match="If-Match"):
        requests.if_match(request(headers={"If-Match": header}))


def test_a_download_is_asked_for_by_true() -> None:
    assert [requests.download(request(query={"download": [text]})) for text in ("true", "TRUE", "1", "false", "")] == [
        True,
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(BadInput, match="download must be true or false"):
        requests.download(request(query={"download": ["maybe"]}))


def test_the_caller_is_named_by_query_or_header() -> None:
    assert requests.named_user(request(query={"userId": ["alice"]}, headers={"X-User-Id": " bob "})) == "bob"
    assert requests.named_user(request(query={"userId": [" alice "]})) == "alice"
    assert requests.named_user(request(headers={"X-User-Id": "bob"})) == "bob"
    assert requests.named_user(request()) is None


def test_a_bearer_token_is_read_and_no_other_scheme() -> None:
    assert requests.bearer(request(headers={"Authorization": "bearer  abc "})) == "abc"
    assert requests.bearer(request(headers={"Authorization": "Basic abc"})) is None
    assert requests.bearer(request()) is None


def test_the_key_of_an_s3_event_is_url_encoded() -> None:
    record = {
        "eventTime": "1970-01-01T00:01:00.500Z",
        "s3": {"bucket": {"name": "b"}, "object": {"key": "alice+b%40c/017f"}},
    }
    event = S3Event({"Records": [record]}, None)
    assert requests.object_created(event) == ObjectCreated("alice b@c/017f", 60.5)
