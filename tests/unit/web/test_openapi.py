"""Compares the OpenAPI document with the routes, settings and spellings that it describes, and with itself."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from typing import Any

import jsonschema_rs
import pytest
import schemathesis

from app import app
from chalicelib import config
from chalicelib.model import EXTENSIONS
from chalicelib.web import openapi, readers
from chalicelib.web.fields import SPELLINGS

Json = dict[str, Any]

DOCUMENT = openapi.document()
SCHEMAS: Json = DOCUMENT["components"]["schemas"]
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
FIGURE = r"([0-9,]+)(?: [a-z]+)? \(`(MAX_\w+)`\)"  # for example: 1,000 frames (`MAX_FRAMES`)


def inner(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Json]]:
    """Yield every object of a document with its path."""
    if isinstance(value, dict):
        yield path, value
        for name, each in value.items():
            yield from inner(each, (*path, str(name)))
    elif isinstance(value, list):
        for n, each in enumerate(value):
            yield from inner(each, (*path, str(n)))


def resolved(value: Json) -> Json:
    """Return an object of the document, or the object that it refers to."""
    while "$ref" in value:
        target: Any = DOCUMENT
        for step in value["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        value = target
    return value


def operations() -> Iterator[tuple[str, str, Json]]:
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS & item.keys():
            yield method.upper(), path, item[method]


def examples() -> Iterator[tuple[str, Json, Any]]:
    """Yield the path of each example, its schema, and the example."""
    for path, value in inner(DOCUMENT):
        if "examples" in path[:-1] or "example" in path[:-1]:
            continue
        where = "/".join(path)
        if "schema" in value and "example" in value:
            yield f"{where}/example", value["schema"], value["example"]
        elif "schema" in value and "examples" in value:
            for name, each in value["examples"].items():
                yield f"{where}/examples/{name}", value["schema"], resolved(each)["value"]
        elif isinstance(value.get("examples"), list):
            for n, each in enumerate(value["examples"]):
                yield f"{where}/examples/{n}", value, each


def validator(schema: Json) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**schema, "components": DOCUMENT["components"]}, validate_formats=True)


def test_the_document_describes_exactly_the_routes_of_the_app() -> None:
    routes = {
        (method, path, route.view_function.__name__)
        for path, methods in app.routes.items()
        for method, route in methods.items()
        if route.view_name not in ("unknown_path", "wrong_method", "options")
    }
    assert {(method, path, operation["operationId"]) for method, path, operation in operations()} == routes


def test_the_document_is_valid_openapi_3_1() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    for _, schema in inner(SCHEMAS, ("schemas",)):
        if "$ref" in schema:
            assert resolved(schema)
    for name, schema in SCHEMAS.items():
        assert jsonschema_rs.meta.is_valid(schema), name


def test_every_path_parameter_is_described_once() -> None:
    for method, path, operation in operations():
        parameters = [*DOCUMENT["paths"][path].get("parameters", ()), *operation.get("parameters", ())]
        names = [(each["in"], each["name"]) for each in map(resolved, parameters)]
        assert len(names) == len(set(names)), (method, path)
        assert {name for place, name in names if place == "path"} == set(re.findall(r"{(\w+)}", path))


EXAMPLES = list(examples())


def test_the_document_has_examples() -> None:
    # Without examples, the next test would check nothing.
    assert len(EXAMPLES) > 30


@pytest.mark.parametrize(("where", "schema", "example"), EXAMPLES, ids=[where for where, _, _ in EXAMPLES])
def test_every_example_matches_its_schema(where: str, schema: Json, example: Any) -> None:
    validator(schema).validate(example)


def test_every_limit_is_the_default_of_its_setting() -> None:
    defaults = asdict(config.Settings())
    checked = set()
    for path, value in inner(DOCUMENT):
        # Skips `examples` and properties named description.
        text = value["description"] if isinstance(value.get("description"), str) else ""
        in_text = [(int(figure.replace(",", "")), name) for figure, name in re.findall(FIGURE, " ".join(text.split()))]
        limited = {**value, **value.get("schema", {})}
        limits = [limited[keyword] for keyword in ("maxLength", "maxItems", "maximum") if keyword in limited]
        for limit, name in [*in_text, *product(limits, re.findall(r"`(MAX_\w+)`", text))]:
            assert limit == defaults[name.lower()], path
            checked.add(name)
    assert len(checked) > 10


def test_the_parameters_of_lists_are_exactly_the_spellings_of_their_fields() -> None:
    fields = {*SPELLINGS} - {
        "file",
        "tags",
        "size",
        "download",
        "type",
        "prefix",
        "w",
        "h",
        "fit",
        "format",
        "distance",
    }
    spellings = {spelling for field in fields for spelling in SPELLINGS[field] if "." not in spelling}
    pages = {*SPELLINGS["last_evaluated_key"], "limit", "sort", "order", "include", "explain"}
    for path, without in (("/images", set()), ("/list", {"explain"}), ("/images/count", pages)):
        parameters = map(resolved, DOCUMENT["paths"][path]["get"]["parameters"])
        assert {each["name"] for each in parameters if each["in"] == "query"} == spellings - without


def test_every_route_accepts_exactly_the_parameters_that_the_document_describes() -> None:
    for method, path, operation in operations():
        parameters = [*DOCUMENT["paths"][path].get("parameters", ()), *operation.get("parameters", ())]
        names = {each["name"] for each in map(resolved, parameters) if each["in"] == "query"} - {*SPELLINGS["user_id"]}
        known = readers._PARAMETERS.get(f"{method} {path}", ())
        if "requestBody" in operation:  # of an upload: a file's metadata is described as headers
            known = ()
        elif path == "/images/count":  # which also checks, and then ignores, the parameters of pages
            known = readers._FILTERS
        assert names == {name for field in known for name in SPELLINGS[field] if "." not in name}, (method, path)


def test_only_routes_without_a_caller_ignore_unknown_parameters() -> None:
    without = {f"{method} {path}" for method, path, _ in operations()} - readers._PARAMETERS.keys()
    assert without == {"GET /", "GET /health", "GET /openapi.json"}


def test_the_table_of_spellings_has_all_of_them_in_order_of_precedence() -> None:
    rows = [line for line in DOCUMENT["info"]["description"].splitlines() if line.startswith("| ")]
    in_table = [tuple(re.findall(r"`([a-zA-Z0-9_.]+)`", cell)) for row in rows for cell in row.split("|")[2].split(";")]
    single_spellings = {(field,) for field, spellings in SPELLINGS.items() if spellings == (field,)}
    assert set(in_table) - {()} == set(SPELLINGS.values()) - single_spellings


def test_every_spelling_of_an_upload_is_a_property() -> None:
    form, flat = (set(SCHEMAS[name]["properties"]) for name in ("FormUpload", "JsonUpload"))
    properties = SCHEMAS["JsonUploadE"]["properties"]
    nested = {f"{name}.{field}" for name, value in properties.items() for field in value["properties"]}
    for field in ("file", "user_id", "title", "description", "tags", "filename", "visibility"):
        assert set(SPELLINGS[field]) <= flat | nested
        assert field in form


def test_the_document_has_every_type_of_image() -> None:
    assert SCHEMAS["ContentType"]["enum"] == list(EXTENSIONS)
    encoding = DOCUMENT["paths"]["/upload"]["post"]["requestBody"]["content"]["multipart/form-data"]["encoding"]
    assert encoding["file"]["contentType"].split(", ") == list(EXTENSIONS)


def test_exactly_the_operations_with_a_caller_have_an_answer_401() -> None:
    for method, path, operation in operations():
        parameters = [*DOCUMENT["paths"][path].get("parameters", ()), *operation.get("parameters", ())]
        names_a_caller = "X-User-Id" in {resolved(each)["name"] for each in parameters}
        assert ("401" in operation["responses"]) is names_a_caller, (method, path)
