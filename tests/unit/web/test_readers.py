import base64
import json
from typing import Any

import pytest
from chalice.app import Request
from hypothesis import given
from hypothesis import strategies as st

from chalicelib import ids
from chalicelib.config import settings
from chalicelib.errors import ApiError, BadInput, TooLarge, Unsupported
from chalicelib.images.model import (
    Detail,
    DownloadType,
    Fit,
    Format,
    ImportRequest,
    RenderRequest,
    SimilarQuery,
    UpdateRequest,
    UploadRequest,
)
from chalicelib.index import terms
from chalicelib.index.query import Include, Order, Query, Time
from chalicelib.items.model import ITEM_NAMES, ItemQuery
from chalicelib.model import Visibility
from chalicelib.web import fields, readers
from chalicelib.web.accept import preferences

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


def read_upload(**body: Any) -> UploadRequest:
    return readers.upload(request(body=json.dumps(body).encode(), headers={"content-type": "application/json"}))


def read_query(**query: list[str]) -> Query:
    return readers.query(request(query=query or None))


def test_an_upload_of_an_owner_and_a_file_has_empty_fields() -> None:
    assert read_upload(**BODY) == UploadRequest(
        file=BYTES,
        user_id="alice",
        title="",
        description="",
        tags=(),
        filename="",
        visibility=Visibility.PUBLIC,
        idempotency_key=None,
    )


def test_an_upload_with_all_fields_is_read() -> None:
    whole = {"title": "T", "description": "a\nb", "tags": ["x"], "filename": "f.png", "visibility": "private"}
    assert read_upload(**BODY, **whole) == UploadRequest(
        file=BYTES,
        user_id="alice",
        title="T",
        description="a\nb",
        tags=("x",),
        filename="f.png",
        visibility=Visibility.PRIVATE,
        idempotency_key=None,
    )


@pytest.mark.parametrize(
    "body",
    [
        {"userId": "alice", "image_file": BODY["image_data"]},
        {"user": "alice", "image_base64": BODY["image_data"]},
        {"metadata": {"userId": "alice"}, "image": {"content": BODY["image_data"]}},
        {"user_id": None, "userId": "alice", "image_data": f"data:image/png;base64,{BODY['image_data']}"},
        {"user_id": " alice ", "image_data": f"{BODY['image_data'][:4]}\r\n{BODY['image_data'][4:]}\n"},
        {"user_id": "alice", "image_data": f"DATA:image/png;BASE64,{BODY['image_data']}"},
        {"user_id": "alice", "image_data": f"data:;base64,{BODY['image_data'].rstrip('=')}"},
    ],
)
def test_all_spellings_of_an_upload_are_read_as_the_same_upload(body: dict[str, Any]) -> None:
    assert read_upload(**body) == read_upload(**BODY)


@pytest.mark.parametrize(
    "text",
    ["+/+//w==", "-_-__w==", "-_-__w", "data:image/png;base64,%2B%2F%2b%2f%2Fw%3D%3d", "data:;base64,-_-__w"],
)
def test_base64_may_be_url_safe_unpadded_or_percent_encoded_in_a_data_url(text: str) -> None:
    assert read_upload(user_id="alice", image_data=text).file == bytes([0xFB, 0xFF, 0xBF, 0xFF])


@given(st.binary(min_size=1), st.booleans(), st.booleans())
def test_every_form_of_base64_is_read_as_the_same_bytes(content: bytes, url_safe: bool, padded: bool) -> None:
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(content).decode()
    assert fields.file({"image_data": text if padded else text.rstrip("=")}) == content


@pytest.mark.parametrize(
    "tags", [["Sea", "sky"], '["Sea", "sky"]', "Sea, sky", "Sea,,sky,", [" Sea ", "sky", "SEA", ""]]
)
def test_tags_are_read_from_a_list_a_json_array_or_comma_separated_text(tags: object) -> None:
    assert read_upload(**BODY, tags=tags).tags == ("Sea", "sky")


def test_only_tags_may_be_repeated_in_a_form() -> None:
    assert fields.tags("tags", ("Sea,sky", '["sand, wet"]', "SKY"), 9) == {
        "sea": "Sea",
        "sky": "sky",
        "sand, wet": "sand, wet",
    }
    with pytest.raises(BadInput, match="title is given more than once"):
        fields.text({"title": ("a", "b")}, "title", 9)


@pytest.mark.parametrize(
    ("path", "name"),
    [("C:\\photos\\a.png", "a.png"), ("/etc/a b.png", "a b.png"), ("a\r\nb\0.png", "ab.png"), ("..", "..")],
)
def test_a_filename_is_the_last_part_of_a_path(path: str, name: str) -> None:
    assert fields.filename(path) == name


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
        ({"tags": "[1"}, BadInput, "tags looks like a JSON array but is not valid JSON."),
        ({"tags": ["x" * 65]}, BadInput, "tags has a tag of more than 64 characters"),
        ({"tags": ["\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 9]}, BadInput, "tags has a tag of more than 64"),
        ({"tags": ["a" + "\u0300\u0316" * 20_000]}, BadInput, "tags has a tag of more than 64 characters"),
        ({"tags": "," * 50_001}, BadInput, "tags has more than 50000 characters, which is the limit"),
        ({"tags": ["a"] * 25_001}, BadInput, "tags has more than 50000 characters, which is the limit"),
        ({"tags": [["a"]] * 10_000}, BadInput, "tags must be a list of strings."),
        ({"tags": f"[{'[],' * 16_700}"}, BadInput, "tags has more than 50000 characters, which is the limit"),
        ({"title": ["a"] * 100_000}, TooLarge, "The body has more than 100000 commas and opening brackets"),
        ({"title": [[]] * 50_000}, TooLarge, "The body has more than 100000 commas and opening brackets"),
        ({"title": "a" + "\u0300\u0316" * 16}, BadInput, "title has more than 30 combining marks on one letter."),
        ({"tags": ["a\x1fb\x00"]}, BadInput, "tags has a tag with a control character."),
        ({"tags": [str(i) for i in range(31)]}, BadInput, "tags has more than 30 tags"),
        ({"visibility": "friends"}, BadInput, "visibility must be public or private."),
        ({"visibility": "all"}, BadInput, "visibility must be public or private."),
        ({"image_data": None}, BadInput, "The image is missing: send it as image_data in JSON or as file in a form."),
        ({"image_data": ""}, BadInput, "The image is missing: send it as image_data in JSON or as file in a form."),
        ({"image_data": 0}, BadInput, "image_data must be a string."),
        ({"image_data": 7}, BadInput, "image_data must be a string."),
        ({"image_data": "data:image/png;base64,"}, BadInput, "image_data is empty."),
        ({"image_data": "not base64!"}, BadInput, "image_data is not valid base64."),
        ({"image_data": "QUJDR"}, BadInput, "image_data is not valid base64."),
        ({"image_data": "QUJD==="}, BadInput, "image_data is not valid base64."),
        ({"image_data": "QU=JD"}, BadInput, "image_data is not valid base64."),
        ({"image_data": "data:image/png,%89PNG"}, BadInput, "image_data is a data: URL without base64; it must begin"),
        ({"image_data": "data:image/png;base64"}, BadInput, "image_data is a data: URL without base64; it must begin"),
        ({"image_data": "data:image/png;base64,QUJD%2"}, BadInput, "image_data is not valid base64."),
        ({"image_data": "Zürich=="}, BadInput, "image_data is not valid base64."),
        ({"image_data": "A" * 4_700_000}, TooLarge, "The image has more than 3400000 bytes"),
        (
            {"image_data": base64.b64encode(b"x" * 3_400_001).decode()},
            TooLarge,
            "The image has more than 3400000 bytes",
        ),
    ],
)
def test_an_invalid_field_is_rejected_with_its_name(
    change: dict[str, Any], error: type[ApiError], sentence: str
) -> None:
    with pytest.raises(error) as raised:
        read_upload(**{**BODY, **change})
    assert raised.value.message.startswith(sentence)


@pytest.mark.parametrize(
    ("body", "content_type", "error", "sentence"),
    [
        (b"{", "application/json", BadInput, "The body is not valid JSON."),
        (b"", "application/json", BadInput, "The body is not valid JSON."),
        (b'{"title": "\\ud800"}', "application/json", BadInput, "The body is not valid JSON."),
        (b"[]", "application/json; charset=utf-8", BadInput, "The body must be a JSON object."),
        (
            b"user_id=a",
            "application/x-www-form-urlencoded",
            Unsupported,
            "The body must be application/json, multipart/form-data, or the file itself with its type, such as ",
        ),
    ],
)
def test_a_body_that_is_not_a_json_object_is_rejected(
    body: bytes, content_type: str, error: type[ApiError], sentence: str
) -> None:
    with pytest.raises(error) as raised:
        readers.upload(request(body=body, headers={"content-type": content_type}))
    assert raised.value.message.startswith(sentence)


def read_file(query: dict[str, list[str]] | None = None, content: bytes = BYTES, **headers: Any) -> UploadRequest:
    sent = {"content-type": "image/jpeg", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return readers.upload(request(body=content, headers=sent, query=query))


WHOLE_FILE = UploadRequest(
    file=BYTES,
    user_id="alice",
    title="Café",
    description="50% off",
    tags=("Sea", "still life"),
    filename="a b.jpg",
    visibility=Visibility.PRIVATE,
    idempotency_key=None,
)


def test_a_body_that_is_a_file_has_its_metadata_in_headers() -> None:
    headers: Any = {"X_Title": "Caf%C3%A9", "X_Description": "50% off", "x_tags": "Sea, still%20life"}
    more: Any = {"X_FILENAME": "a%20b.jpg", "X_Visibility": "private", "X_User_Id": "alice"}
    assert read_file(**headers, **more) == WHOLE_FILE
    assert read_file(**{**headers, "X_Title": "Café"}, **more) == WHOLE_FILE


def test_a_body_that_is_a_file_has_its_metadata_in_the_query_string() -> None:
    query = {"title": ["Café"], "description": ["50% off"], "tags[]": ["Sea", "still life"], "userId": ["alice"]}
    more = {"filename": ["a b.jpg"], "visibility": ["private"]}
    assert read_file({**query, **more}) == WHOLE_FILE
    assert read_file({**query, **more}, X_Title="Dunes", X_User_Id="bob") == WHOLE_FILE


def test_a_body_of_any_type_of_image_or_of_bytes_is_a_file() -> None:
    for content_type in ("image/png", "IMAGE/x-unknown; a=b", "application/octet-stream"):
        assert read_file(content_type=content_type, X_User_Id="alice").file == BYTES


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({}, BadInput, "user_id is missing."),
        ({"content": b"", "X_User_Id": "a"}, BadInput, "file is empty."),
        ({"content": b"x" * 4_500_001, "X_User_Id": "a"}, TooLarge, "The image has more than 4500000 bytes, which is"),
        ({"X_Title": "%ff"}, BadInput, "X-Title is not percent-encoded UTF-8."),
        ({"query": {"title": ["a", "b"], "user_id": ["a"]}}, BadInput, "title is given more than once."),
        ({"X_User_Id": "a", "content_encoding": "gzip"}, Unsupported, "The body has the Content-Encoding 'gzip'; send"),
    ],
)
def test_a_file_with_an_invalid_field_is_rejected(
    arguments: dict[str, Any], error: type[ApiError], sentence: str
) -> None:
    with pytest.raises(error) as raised:
        read_file(**arguments)
    assert raised.value.message.startswith(sentence)


def test_metadata_beside_a_json_body_is_rejected_instead_of_lost() -> None:
    body = json.dumps(BODY).encode()
    assert readers.upload(request(body=body, query={"user_id": ["bob"], "_": ["1"]})).user_id == "alice"
    with pytest.raises(BadInput, match=r"^title is in the query string; send it in the body, beside the image."):
        readers.upload(request(body=body, query={"title": ["Dunes"]}))


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\xef\xbb\xbf%s", "application/json"),
        (b"%s", "application/json; charset=utf-8"),
        (b"%s", 'Application/JSON;Charset="UTF-8"'),
    ],
)
def test_json_may_have_a_byte_order_mark_and_a_declared_charset(body: bytes, content_type: str) -> None:
    content = body % json.dumps({**BODY, "title": "Café"}, ensure_ascii=False).encode()
    assert readers.upload(request(body=content, headers={"content-type": content_type})).title == "Café"


def test_json_in_another_declared_charset_is_read() -> None:
    for charset in ("iso-8859-1", "utf-16"):
        content = json.dumps({**BODY, "title": "Café"}, ensure_ascii=False).encode(charset)
        headers = {"content-type": f"application/json; charset={charset}"}
        assert readers.upload(request(body=content, headers=headers)).title == "Café"


@pytest.mark.parametrize(
    ("body", "options", "sentence"),
    [
        ("{}".encode("utf-16"), "", "The body is JSON in UTF-16 or UTF-32; send it in UTF-8 (RFC 8259 section 8.1)."),
        ("{}".encode("utf-16-be"), "", "The body is JSON in UTF-16 or UTF-32; send it in UTF-8"),
        ("{}".encode("utf-32-le"), "", "The body is JSON in UTF-16 or UTF-32; send it in UTF-8"),
        (
            b"{}",
            "; charset=klingon",
            "The body is in the charset 'klingon', which is not known here; send it in UTF-8.",
        ),
        (b"{}", "; charset=rot13", "The body is in the charset 'rot13', which is not known here; send it in UTF-8."),
        (b"\xff", "; charset=utf-8", "The body is not text in UTF-8."),
    ],
)
def test_json_in_an_unknown_or_wrong_charset_is_rejected(body: bytes, options: str, sentence: str) -> None:
    with pytest.raises(BadInput) as raised:
        readers.upload(request(body=body, headers={"content-type": f"application/json{options}"}))
    assert raised.value.message.startswith(sentence)


def test_a_compressed_body_is_rejected_with_its_coding() -> None:
    for coding, status in (("gzip", 415), ("Br", 415), ("identity", 200)):
        sent = request(body=json.dumps(BODY).encode(), headers={"content-encoding": coding})
        if status == 200:
            assert readers.upload(sent).file == BYTES
        else:
            with pytest.raises(Unsupported, match=f"Content-Encoding '{coding.lower()}'; send it without"):
                readers.upload(sent)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
field_names = st.sampled_from(sorted({name.partition(".")[0] for names in fields.SPELLINGS.values() for name in names}))


@given(st.dictionaries(field_names, json_values))
def test_fields_with_any_values_are_read_or_rejected(body: dict[str, Any]) -> None:
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
    assert not any(terms.fold(tag).startswith("\x1f") for tag in tags)


def test_a_query_without_parameters_has_no_filters() -> None:
    assert read_query() == Query(limit=100)


def test_a_range_of_time_taken_is_in_the_order_of_time_taken_unless_the_query_says_otherwise() -> None:
    taken = read_query(takenFrom=["1950-05-01"], taken_to=["1950-05-01"])
    day = 86_400_000
    assert taken == Query(limit=100, taken_since=-7_185 * day, taken_before=-7_184 * day, order=Order(by=Time.TAKEN))
    assert read_query(takenTo=["2026-01-01"]).order == Order(by=Time.TAKEN)
    assert read_query(takenFrom=["2026-01-01"], sort=["created_at"]).order == Order()
    assert read_query(sort=["takenAt"], order=["asc"]) == Query(limit=100, order=Order(True, Time.TAKEN))
    assert read_query(takenFrom=["0001-01-01"]).taken_since == ids.START


def test_the_words_of_a_search_are_read_with_and_without_their_accents() -> None:
    words = read_query(q=["Café, cafe SEA_side!", "sea"]).words
    assert [(word.text, word.tag) for word in words] == [
        ("cafe", "café"),
        ("cafe", "cafe"),
        ("sea", "sea"),
        ("side", "side"),
    ]
    [long] = read_query(q=["X" * 40]).words
    assert (long.text, long.tag) == ("x" * 32, "x" * 40)


def test_a_query_with_all_parameters_is_read() -> None:
    query = read_query(
        userId=["alice"],
        tag=["Sea", "sky,SEA"],
        tags=['["sand, wet"]'],
        any_tag=["Dawn,dusk"],
        contentType=["image/JPEG; q=1"],
        checksum=["AB" * 32],
        include=["url, thumbnail", "variants"],
        explain=["true"],
        title=["Café at the SEA, sea"],
        description=["noon"],
        filename=["IMG_0001.jpg"],
        visibility=["private"],
        dateFrom=["2026-01-31"],
        dateTo=["2026-01-31"],
        sort=["updatedAt"],
        order=["ASC"],
        limit=["7"],
        nextToken=["abc"],
    )
    assert query == Query(
        user_id="alice",
        tags=("sand, wet", "sea", "sky"),
        any_tags=("dawn", "dusk"),
        content_type="image/jpeg",
        checksum="ab" * 32,
        include=frozenset({Include.URL, Include.THUMBNAIL, Include.VARIANTS}),
        explain=True,
        title=("cafe", "at", "the", "sea"),
        description=("noon",),
        filename=("img", "0001", "jpg"),
        visibility=Visibility.PRIVATE,
        since=1_769_817_600_000,
        before=1_769_904_000_000,
        order=Order(oldest_first=True, by=Time.UPDATED),
        limit=7,
        cursor="abc",
    )


@pytest.mark.parametrize(
    ("text", "since", "before"),
    [
        ("1970-01-02", 86_400_000, 2 * 86_400_000),
        ("1970-01-01T00:00:01Z", 1_000, 1_001),
        ("1970-01-01T00:00:01.2345678Z", 1_234, 1_235),
        ("1970-01-01T01:00:00+01:00", 0, 1),
        ("1970-01-01T01:00:00 01:00", 0, 1),
        ("1970-01-01 00:00:01", 1_000, 1_001),
        ("1970-01-01T00:01", 60_000, 60_001),
        ("1970-01-01t00:00:01z", 1_000, 1_001),
        ("1969-12-31T23:59:59Z", 0, 0),
    ],
)
def test_a_date_includes_its_whole_day_and_a_time_its_millisecond(text: str, since: int, before: int) -> None:
    assert read_query(date_from=[text]).since == since
    if before:
        assert read_query(date_to=[text]).before == before


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2026-02-30",
        "2026-1-1",
        "20260101",
        "2026-01-01T25:00",
        "0001-01-01T00:00:00+23:59",
        "2026-01-01Tx",
        "٢٠٢٦-01-01",
    ],
)
def test_an_invalid_date_is_rejected(text: str) -> None:
    for name in ("dateFrom", "dateTo"):
        with pytest.raises(BadInput, match=f"^{name} must be a date such as 2026-01-31 or a time such as"):
            read_query(**{name: [text]})


def test_date_to_is_limited_to_the_times_of_ids() -> None:
    assert read_query(dateTo=["9999-12-31"]).before == ids.END - 1
    assert read_query(dateTo=["1969-12-31"]).before == 1


def test_brackets_after_the_name_of_a_parameter_are_ignored() -> None:
    assert read_query(**{"tag[]": ["Sea"], "tags[0]": ["sky"], "tags[1]": ["sun"]}).tags == ("sea", "sky", "sun")
    assert read_query(**{"user_id[]": ["alice"]}).user_id == "alice"


def test_a_list_of_images_of_any_visibility_has_no_filter_by_visibility() -> None:
    assert read_query(visibility=["all"]) == read_query()


def check(route: str, **query: list[str]) -> None:
    method, path = route.split(" ")
    readers.check_parameters(
        Request(
            {
                "requestContext": {"httpMethod": method, "resourcePath": path},
                "headers": {},
                "pathParameters": {},
                "stageVariables": {},
                "multiValueQueryStringParameters": query,
                "body": b"",
            }
        )
    )


@pytest.mark.parametrize(
    ("route", "name", "sentence"),
    [
        ("GET /images", "userid", "'userid' is not a query parameter of this route. Did you mean userId? It accepts"),
        ("GET /images", "Limit", "'Limit' is not a query parameter of this route. Did you mean limit? It accepts"),
        ("GET /images", "any_tags[]", "'any_tags' is not a query parameter of this route. Did you mean any_tag?"),
        (
            "GET /images",
            "owner",
            "'owner' is not a query parameter of this route. Did you mean order? It accepts user_id",
        ),
        ("GET /images", "xyz", "'xyz' is not a query parameter of this route. It accepts user_id, tag, any_tag, q, "),
        (
            "GET /images",
            "metadata.title",
            "'metadata.title' is not a query parameter of this route. It accepts",
        ),
        ("GET /images", "", "'' is not a query parameter of this route. It accepts user_id, tag, "),
        ("GET /images", "x" * 9_000, "'" + "x" * 100 + "' is not a query parameter of this route. It accepts"),
        ("GET /images/count", "page", "'page' is not a query parameter of this route."),
        ("GET /items/{item_id}", "limit", "'limit' is not a query parameter of this route. It accepts user_id."),
    ],
)
def test_an_unknown_parameter_is_rejected_with_the_nearest_known_one(route: str, name: str, sentence: str) -> None:
    with pytest.raises(BadInput) as raised:
        check(route, **{name: [""]})
    assert raised.value.message.startswith(sentence)


@pytest.mark.parametrize(
    ("route", "names"),
    [
        ("GET /images", "title description limit"),  # contract A
        ("GET /images", "user_id tag limit last_evaluated_key"),  # B
        ("GET /images", "user_id tag limit next_token"),  # D
        ("GET /images", "userId tags filename visibility dateFrom dateTo sort order limit nextToken"),  # E
        ("GET /images/count", "userId tags sort order limit include explain"),
        ("GET /images/{image_id}", "download"),
        ("GET /images/{image_id}/download", "type userId"),
        ("DELETE /images/{image_id}", "user_id user userId _"),
        ("GET /health", "x utm_source"),
        ("GET /", "x"),
    ],
)
def test_the_parameters_of_every_contract_are_known(route: str, names: str) -> None:
    check(route, **{name: ["x"] for name in names.split()})


def test_the_id_of_a_request_is_short_and_without_spaces() -> None:
    def read(given: str) -> str | None:
        return readers.request_id(request(headers={"X-Request-Id": given}).headers)

    assert [read(given) for given in ("Ab.c_1:2-3", "x" * 128)] == ["Ab.c_1:2-3", "x" * 128]
    assert [read(given) for given in ("", "a b", "x" * 129, "a\n", "é")] == [None] * 5
    assert readers.request_id({}) is None


def test_tags_with_escapes_have_room_in_a_request() -> None:
    tags = [f"{n:02}" + chr(0x1F30A) * 62 for n in range(30)]  # json.dumps writes 12 characters for each wave
    assert read_upload(**BODY, tags=json.dumps(tags)).tags == tuple(tags)


def test_an_empty_parameter_is_treated_as_absent() -> None:
    """A browser sends a form's empty fields."""
    names = [name for spellings in fields.SPELLINGS.values() for name in spellings]
    assert read_query(**{name: [""] for name in names}) == read_query()
    assert read_query(tag=["", "sea"], tags=[""], limit=["", "7"]) == read_query(tag=["sea"], limit=["7"])


QUERY_NAMES = ("user_id", "tag", "any_tag", "title", "description", "filename", "visibility", "content_type", "sort")


@pytest.mark.parametrize("name", [*QUERY_NAMES, "checksum", "dateFrom", "dateTo", "order", "limit", "include"])
def test_a_blank_parameter_does_not_make_a_list_longer_than_asked(name: str) -> None:
    for blank in (" ", "\t", "\u3000"):
        with pytest.raises(BadInput, match="is blank; give it a value, or leave it out"):
            read_query(**{name: [blank]})


@pytest.mark.parametrize("name", ["tag", "any_tag"])
@pytest.mark.parametrize("value", [",", ",,,", " , ", "[]", '["", " "]'])
def test_a_filter_by_tags_names_a_tag(name: str, value: str) -> None:
    with pytest.raises(BadInput, match=f"^{name} names no tag; name one, or leave {name} out.$"):
        read_query(**{name: [value]})
    assert read_query(**{name: [value, "sea"]}) == read_query(**{name: ["sea"]})


def test_every_repetition_of_a_text_filter_counts() -> None:
    assert read_query(title=["Sunset beach", "dawn", "DAWN"]).title == ("sunset", "beach", "dawn")
    words = " ".join(chr(ord("a") + n) for n in range(12))
    assert read_query(title=[words, "z"]).title == (*words.split(), "z")
    with pytest.raises(BadInput, match="title has more than 256 characters"):
        read_query(title=["x" * 128, "y" * 128])
    with pytest.raises(BadInput, match="title must have at least one letter or digit"):
        read_query(title=["sunset", "..."])


SINGLE_VALUES = {
    "user_id": ("alice", "bob"),
    "visibility": ("public", "private"),
    "content_type": ("image/png", "image/gif"),
    "checksum": ("0" * 64, "1" * 64),
    "date_from": ("2026-01-01", "2026-01-02"),
    "date_to": ("2026-01-01", "2026-01-02"),
    "sort": ("created_at", "updated_at"),
    "order": ("asc", "desc"),
    "limit": ("1", "2"),
    "last_evaluated_key": ("abc", "xyz"),
    "explain": ("true", "false"),
}


@pytest.mark.parametrize("name", SINGLE_VALUES)
def test_a_parameter_with_one_value_may_be_repeated_but_not_contradicted(name: str) -> None:
    one, other = SINGLE_VALUES[name]
    assert read_query(**{name: [one, one]}) == read_query(**{name: [one]})
    for spelling in fields.SPELLINGS[name]:
        if "." not in spelling:
            query = {name: [one, other]} if spelling == name else {name: [one], spelling: [other]}
            with pytest.raises(BadInput, match=f"^{name} is given more than once, with different values; give it"):
                read_query(**query)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"limit": ["0"]}, "limit must be a whole number from 1 to 1000 (MAX_PAGE_SIZE)."),
        ({"limit": ["1001"]}, "limit must be a whole number from 1 to 1000 (MAX_PAGE_SIZE)."),
        ({"limit": ["1" * 5000]}, "limit must be a whole number from 1 to 1000 (MAX_PAGE_SIZE)."),
        ({"limit": ["ten"]}, "limit must be a whole number from 1 to 1000 (MAX_PAGE_SIZE)."),
        ({"limit": ["²"]}, "limit must be a whole number from 1 to 1000 (MAX_PAGE_SIZE)."),
        ({"user_id": ["a/b"]}, "user_id must not have slashes"),
        ({"user_id": ["a" * 129]}, "user_id has more than 128 characters"),
        ({"tag": [",".join(map(str, range(11)))]}, "tag has more than 10 tags, which is the limit"),
        ({"tag": [str(n) for n in range(11)]}, "tag has more than 10 tags, which is the limit"),
        ({"title": ["x" * 257]}, "title has more than 256 characters"),
        ({"filename": ["..."]}, "filename must have at least one letter or digit."),
        ({"visibility": ["friends"]}, "visibility must be public or private."),
        (
            {"sort": ["filename"]},
            "sort must be created_at, updated_at or taken_at (or createdAt, updatedAt or takenAt).",
        ),
        ({"dateFrom": ["2026-01-02"], "dateTo": ["2026-01-01"]}, "dateFrom must not be later than dateTo."),
        ({"takenFrom": ["1950-01-02"], "takenTo": ["1950-01-01"]}, "takenFrom must not be later than takenTo."),
        ({"takenFrom": ["yesterday"]}, "takenFrom must be a date such as 2026-01-31 or a time such as"),
        ({"q": ["..."]}, "q must have at least one letter or digit."),
        ({"q": ["x" * 200, "x" * 56]}, "q has more than 256 characters, which is the limit (MAX_QUERY_CHARS)."),
        ({"q": ["a b c d e", "e f g h i"]}, "q has more than 8 words, which is the limit (MAX_QUERY_WORDS)."),
        ({"q": ["a" + chr(0x301) * 31]}, "q has more than 30 combining marks on one letter."),
        ({"sort": ["title"]}, "sort must be created_at, updated_at or taken_at (or createdAt, updatedAt or takenAt)."),
        ({"any_tag": [",".join(map(str, range(11)))]}, "any_tag has more than 10 tags, which is the limit"),
        ({"content_type": ["text/html"]}, "content_type must be one of image/jpeg, "),
        ({"title": ["a" + chr(0x301) * 31]}, "title has more than 30 combining marks on one letter."),
        ({"checksum": ["abc"]}, "checksum must be a SHA-256: 64 hexadecimal digits."),
        (
            {"include": ["thumbnails"]},
            "include must be one or more of url, thumbnail, variants, analysis, separated by commas.",
        ),
        (
            {"include": ["url,"]},
            "include must be one or more of url, thumbnail, variants, analysis, separated by commas.",
        ),
        ({"explain": ["maybe"]}, "explain must be true or false."),
        ({"order": ["up"]}, "order must be asc or desc."),
    ],
)
def test_an_invalid_parameter_is_rejected_with_its_name(query: dict[str, list[str]], sentence: str) -> None:
    with pytest.raises(BadInput) as raised:
        read_query(**query)
    assert raised.value.message.startswith(sentence)


def json_request(body: Any) -> Request:
    return request(body=json.dumps(body).encode(), headers={"content-type": "application/json"})


@pytest.mark.parametrize("document", [{}, {"a": None}, {"user_id": 7, "Version": [], "b": {"id": "inside"}}])
def test_an_item_is_any_json_object(document: dict[str, Any]) -> None:
    assert readers.item(json_request(document)) == document


@pytest.mark.parametrize("name", ITEM_NAMES)
def test_an_item_may_not_contain_fields_of_the_service(name: str) -> None:
    with pytest.raises(BadInput, match=f"^{name} is set by the service"):
        readers.item(json_request({name: None}))
    assert readers.item_fields(json_request({"a": None, name: 1})) == {"a": None}
    with pytest.raises(BadInput, match="no field to set"):
        readers.item_fields(json_request({name: 1}))


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = {"a": value, "b": []} if level % 2 else [0, value]
    return value


@pytest.mark.parametrize("read", [readers.item, readers.item_fields])
def test_an_item_may_be_nested_up_to_100_levels(read: Any) -> None:
    assert read(json_request({"a": nested(99)})) == {"a": nested(99)}
    with pytest.raises(BadInput, match="nested more than 100 levels deep"):
        read(json_request({"a": nested(100)}))


def test_a_query_of_items_has_a_limit_and_a_cursor() -> None:
    assert readers.item_query(request()) == ItemQuery(limit=100, cursor=None)
    assert readers.item_query(request(query={"limit": ["7"], "nextToken": ["abc"]})) == ItemQuery(7, "abc")
    with pytest.raises(BadInput, match="limit must be a whole number"):
        readers.item_query(request(query={"limit": ["0"]}))


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
def test_if_match_is_read_as_versions_and_ignores_other_etags(header: str, versions: set[int] | None) -> None:
    assert readers.if_match(request(headers={"If-Match": header})) == versions
    assert readers.if_match(request()) is None


@pytest.mark.parametrize("header", ["3", '"3', '"3""4"', '"3" "4"', "'3'", 'w/"3"', '*, "3"', '"a b"'])
def test_an_if_match_that_is_not_a_list_of_etags_is_rejected(header: str) -> None:
    with pytest.raises(BadInput, match="If-Match"):
        readers.if_match(request(headers={"If-Match": header}))


def test_the_parameter_download_is_true_or_false() -> None:
    assert [
        readers.as_attachment(request(query={"download": [text]})) for text in ("true", "TRUE", "1", "false", "")
    ] == [
        True,
        True,
        True,
        False,
        False,
    ]
    with pytest.raises(BadInput, match="download must be true or false"):
        readers.as_attachment(request(query={"download": ["maybe"]}))


def test_the_details_of_a_view_are_read() -> None:
    def read(*names: str) -> frozenset[Detail]:
        return readers.details(request(query={"include": list(names)}))

    both = {Detail.EXIF, Detail.LOCATION}
    assert [read(), read(""), read("exif"), read("exif, location"), read("location", "exif")] == [
        set(),
        set(),
        {Detail.EXIF},
        both,
        both,
    ]
    for wrong in ("url", "exif,", "EXIF"):
        with pytest.raises(BadInput, match="include must be exif or location, or both, separated by a comma"):
            read(wrong)


def test_the_type_of_a_download_is_read() -> None:
    def read(*types: str) -> DownloadType:
        return readers.download_type(request(query={"type": list(types)}))

    assert [read(), read("redirect"), read("BINARY"), read("base64")] == [
        DownloadType.LINK,
        DownloadType.REDIRECT,
        DownloadType.BINARY,
        DownloadType.BASE64,
    ]
    with pytest.raises(BadInput, match="type must be redirect, binary or base64"):
        read("file")


IMPORTED = {
    "image_id": "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",  # of 2022-02-22T19:22:22Z
    "version": 3,
    "updated_at": "2024-05-01T12:30:00.1234+02:00",
    "user_id": "alice",
    "title": "Dunes",
    "tags": ["Sea", "SEA"],
    "filename": "dunes.png",
    "visibility": "private",
    "content_type": "image/png",
    "size": 5,
    "checksum": "AB" * 32,
}


def read_import(**changed: object) -> ImportRequest:
    body = {name: value for name, value in {**IMPORTED, **changed}.items() if value is not None}
    return readers.import_image(request(body=json.dumps(body).encode()), "bob")


def test_an_import_has_the_identity_of_an_image() -> None:
    whole = ImportRequest(
        image_id="017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
        version=3,
        updated_at="2024-05-01T10:30:00.123Z",
        user_id="alice",
        title="Dunes",
        description="",
        tags=("Sea",),
        filename="dunes.png",
        visibility=Visibility.PRIVATE,
        content_type="image/png",
        size=5,
        checksum="ab" * 32,
    )
    assert read_import() == whole
    assert read_import(user_id=None).user_id == "bob"


@pytest.mark.parametrize("version", [None, 1])
@pytest.mark.parametrize("updated_at", [None, "", "2022-02-22T19:22:22Z", "2022-02-22T20:22:22.000+01:00"])
def test_the_first_version_of_an_import_was_changed_when_it_was_created(
    version: int | None, updated_at: str | None
) -> None:
    first = read_import(version=version, updated_at=updated_at)
    assert (first.version, first.updated_at) == (1, "2022-02-22T19:22:22.000Z")


def test_an_import_may_have_changed_at_any_time_since_its_creation() -> None:
    new_id, now = ids.new_id(), ids.now()
    assert read_import(updated_at="2022-02-22T19:22:22Z").updated_at == "2022-02-22T19:22:22.000Z"
    assert read_import(image_id=new_id, updated_at=now).updated_at == now
    assert read_import(version=fields.MAX_VERSION).version == 10**15


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"checksum": None}, "checksum is missing; an import needs the SHA-256 of the file."),
        ({"checksum": "ab"}, "checksum must be a SHA-256: 64 hexadecimal digits."),
        ({"image_id": None}, "image_id must be a UUIDv7 in lower case, as an export has it."),
        ({"image_id": "017F22E2-79B0-7CC3-98C4-DC0C0C07398F"}, "image_id must be a UUIDv7 in lower case, as an"),
        ({"image_id": "017f22e2-79b0-4cc3-98c4-dc0c0c07398f"}, "image_id must be a UUIDv7 in lower case, as an"),
        ({"image_id": 7}, "image_id must be a string."),
        ({"image_id": "ffffffff-ffff-7fff-bfff-ffffffffffff"}, "image_id has a time in the future."),
        ({"image_id": "0fffffff-ffff-7fff-bfff-ffffffffffff"}, "image_id has a time in the future."),
        ({"version": 0}, "version must be a whole number from 1 to 1000000000000000."),
        ({"version": 10**15 + 1}, "version must be a whole number from 1 to 1000000000000000."),
        ({"version": "3"}, "version must be a whole number from 1 to 1000000000000000."),
        ({"version": True}, "version must be a whole number from 1 to 1000000000000000."),
        ({"version": 1.5}, "version must be a whole number from 1 to 1000000000000000."),
        ({"updated_at": None}, "updated_at is missing; an image whose version is above 1 was changed at some time."),
        ({"updated_at": "soon"}, "updated_at must be a date such as 2026-01-31 or a time such as"),
        ({"updated_at": 7}, "updated_at must be a string."),
        (
            {"updated_at": "2022-02-22T19:22:21.999Z"},
            "updated_at must not be before 2022-02-22T19:22:22.000Z, the time of image_id, nor in the future.",
        ),
        ({"updated_at": "9999-12-31T23:59:59Z"}, "updated_at must not be before 2022-02-22T19:22:22.000Z, the time"),
        (
            {"version": 1},
            "updated_at must be 2022-02-22T19:22:22.000Z, the time of image_id, or be absent, because version is 1.",
        ),
        ({"user_id": "a/b"}, "user_id must not have slashes"),
        ({"size": 0}, "size must be the size of the file in bytes"),
    ],
)
def test_an_import_that_cannot_be_of_an_image_is_refused(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_import(**changed)
    assert refused.value.message[: len(sentence)] == sentence


def read_patch(body: object) -> UpdateRequest:
    return readers.update(request(body=json.dumps(body).encode()))


def test_an_update_has_only_the_given_fields() -> None:
    assert read_patch({"title": ""}) == UpdateRequest(title="", description=None, tags=None, visibility=None)
    whole = {"title": "T", "description": "D", "tags": "Sea, sky, SEA", "visibility": "private"}
    assert read_patch(whole) == UpdateRequest(
        title="T", description="D", tags=("Sea", "sky"), visibility=Visibility.PRIVATE
    )
    assert read_patch({"tags": []}).tags == ()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "The body has no field to update; send at least one of title, description, tags and visibility."),
        ({"title": "T", "checksum": "0"}, "checksum can't be updated; title, description, tags and visibility can."),
        ({"user_id": "bob"}, "user_id can't be updated;"),
        ({"s3_key": "bob/x"}, "s3_key can't be updated;"),
        ({"state": "ready"}, "state can't be updated;"),
        ({"x" * 1000: 1}, "x" * 100 + " can't be updated;"),
        ({"title": None}, "title is null; leave it out to keep it as it is."),
        ({"title": 7}, "title must be a string."),
        ({"tags": 7}, "tags must be a list of strings."),
        ({"visibility": ""}, "visibility must be public or private."),
        ([], "The body must be a JSON object."),
    ],
)
def test_an_invalid_update_is_rejected_with_the_name_of_its_field(body: object, sentence: str) -> None:
    with pytest.raises(BadInput) as raised:
        read_patch(body)
    assert raised.value.message.startswith(sentence)


@pytest.mark.parametrize(
    ("header", "versions"),
    [
        (None, None),
        ("*", None),
        ('"3"', {3}),
        (' "3" , "4"', {3, 4}),
        ('W/"3"', set()),
        ('W/"3", "4"', {4}),
        ('"abc"', set()),
        ('""', set()),
        ('"03"', set()),
        ('"' + "9" * 5000 + '"', set()),
    ],
)
def test_if_match_is_read_as_versions(header: str | None, versions: set[int] | None) -> None:
    if_match = readers.if_match(request(headers={"If-Match": header} if header else {}))
    assert if_match == versions


@pytest.mark.parametrize("header", ["3", '"3', '"3" "4"', '"3",', "w/3", '"a"b"'])
def test_a_malformed_if_match_is_rejected(header: str) -> None:
    with pytest.raises(BadInput, match="If-Match must be an ETag in quotes"):
        readers.if_match(request(headers={"If-Match": header}))


def test_an_idempotency_key_is_printable_and_short() -> None:
    def read(key: str) -> str | None:
        return readers.upload(request(body=json.dumps(BODY).encode(), headers={"Idempotency-Key": key})).idempotency_key

    assert (read(" a key "), read("x" * 255), read(" ")) == ("a key", "x" * 255, None)
    for key in ("x" * 256, "é", "a\tb"):
        with pytest.raises(BadInput, match="Idempotency-Key must be at most 255 printable ASCII characters"):
            read(key)


def test_the_caller_is_read_from_the_query_or_a_header() -> None:
    assert readers.named_user(request(query={"userId": ["alice"]}, headers={"X-User-Id": " bob "})) == "bob"
    assert readers.named_user(request(query={"userId": [" alice "]})) == "alice"
    assert readers.named_user(request(headers={"X-User-Id": "bob"})) == "bob"
    assert readers.named_user(request()) is None


def test_a_header_in_utf_8_is_read_whatever_the_gateway_took_it_for() -> None:
    for user in ("Söhne", "名前"):
        assert readers.named_user(request(headers={"X-User-Id": user})) == user
        assert readers.named_user(request(headers={"X-User-Id": user.encode().decode("latin-1")})) == user


def test_only_a_bearer_token_is_read() -> None:
    assert readers.bearer(request(headers={"Authorization": "bearer  abc "})) == "abc"
    assert readers.bearer(request(headers={"Authorization": "Basic abc"})) is None
    assert readers.bearer(request()) is None


def test_a_render_request_is_read_with_its_defaults() -> None:
    assert readers.render_request(request(headers={"accept": "image/webp"})) == RenderRequest(
        width=None, height=None, fit=Fit.CONTAIN, format=Format.AUTO, preferences=preferences("image/webp")
    )
    query = {"w": ["320"], "h": ["200"], "fit": ["COVER"], "format": ["Jpeg"]}
    assert readers.render_request(request(query=query)) == RenderRequest(
        width=320, height=200, fit=Fit.COVER, format=Format.JPEG, preferences=preferences("*/*")
    )


@pytest.mark.parametrize("query", [{"w": ["0"]}, {"h": ["10001"]}, {"fit": ["fill"]}, {"format": ["image/webp"]}])
def test_an_invalid_render_request_is_rejected(query: dict[str, list[str]]) -> None:
    with pytest.raises(BadInput):
        readers.render_request(request(query=query))


def test_a_query_of_similar_images_is_read_with_its_defaults() -> None:
    assert readers.similar_query(request()) == SimilarQuery(bits=3, limit=20)
    query = {"distance": ["0"], "limit": ["100"], "include": ["analysis"]}
    assert readers.similar_query(request(query=query)) == SimilarQuery(0, 100, frozenset({Include.ANALYSIS}))


@pytest.mark.parametrize("query", [{"distance": ["4"]}, {"limit": ["101"]}, {"limit": ["0"]}, {"include": ["x"]}])
def test_an_invalid_query_of_similar_images_is_rejected(query: dict[str, list[str]]) -> None:
    with pytest.raises(BadInput):
        readers.similar_query(request(query=query))
