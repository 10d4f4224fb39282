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
from tests.openapi import DOCUMENT, Json, operations, parameters, resolved

SCHEMAS: Json = DOCUMENT["components"]["schemas"]
VERBS = "(get|check|list|count|view|upload|update|delete|download|render|create|start|resume|complete|cancel|import)"
UNSUPPORTED = {"anyOf", "oneOf", "allOf", "not", "if", "const", "patternProperties", "prefixItems"}
EXAMPLE = {"example", "examples"}
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


# Not of the API: what a browser shows to a person.
PAGES = {"/docs", "/assets/{release}/{name}"}


def test_the_document_describes_exactly_the_routes_of_the_app() -> None:
    routes = {
        (method, path)
        for path, methods in app.routes.items()
        for method, route in methods.items()
        if route.view_name not in ("unknown_path", "wrong_method", "options")
        and path not in PAGES
        and method != "HEAD"  # as GET: generators would make a second method of each operation
    }
    assert {(method, path) for method, path, _ in operations()} == routes


def test_the_document_is_valid_openapi_3_1() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()
    for _, schema in inner(SCHEMAS, ("schemas",)):
        if "$ref" in schema:
            assert resolved(schema)
    for name, schema in SCHEMAS.items():
        assert jsonschema_rs.meta.is_valid(schema), name


def test_every_operation_is_a_good_method_of_a_generated_client() -> None:
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    assert {tag for _, _, operation in operations() for tag in operation["tags"]} == tags
    for _, _, operation in operations():
        assert re.fullmatch(VERBS + r"(_[a-z]+)+", operation["operationId"])
        assert len(operation["tags"]) == 1, operation["operationId"]  # each tag is a class with the operation
        assert operation["summary"], operation["operationId"]
        assert operation["description"], operation["operationId"]


def test_every_operation_has_one_form_of_request() -> None:
    # Some generators see only the first form, or write code that does not compile.
    for _, _, operation in operations():
        if "requestBody" in operation:
            assert len(resolved(operation["requestBody"])["content"]) == 1, operation["operationId"]


def test_every_operation_has_an_example_of_its_request_and_of_its_answer() -> None:
    for method, path, operation in operations():
        body = resolved(operation["requestBody"])["content"] if "requestBody" in operation else {}
        assert all(EXAMPLE & content.keys() for content in body.values()), (method, path)
        required = [each for each in parameters(path, operation) if each.get("required")]
        assert all("example" in each for each in required), (method, path)
        assert any("example" in each for each in parameters(path, operation)) or not parameters(path, operation)
        for status, answer in operation["responses"].items():
            content = resolved(answer)["content"]["application/json"]
            assert EXAMPLE & content.keys(), (method, path, status)


def test_every_answer_is_a_component_with_the_id_of_the_request() -> None:
    for method, path, operation in operations():
        for status, answer in operation["responses"].items():
            assert answer.keys() == {"$ref"}, (method, path, status)
            assert "X-Request-Id" in resolved(answer)["headers"], (method, path, status)


def test_schemas_use_only_what_every_generator_supports() -> None:
    for path, schema in inner(SCHEMAS):
        keywords = set() if path[-1:] in (("properties",), ("additionalProperties",)) else schema.keys()
        assert not keywords & UNSUPPORTED, path
    for name, schema in SCHEMAS.items():
        for path, value in inner(schema.get("properties", {})):
            assert "properties" not in value or path[-1:] == ("properties",), (name, path)  # objects have names


def test_no_schema_or_operation_has_two_names_of_one_field() -> None:
    # user_id and userId are the same name in a client that has its own spelling.
    listed = [(name, list(schema.get("properties", ()))) for name, schema in SCHEMAS.items()]
    for _, path, operation in operations():
        listed.append((path, [each["name"] for each in parameters(path, operation) if each["in"] == "query"]))
    for where, names in listed:
        folded = [name.replace("_", "").lower() for name in names]
        assert len(folded) == len(set(folded)), where


def test_every_path_parameter_is_described_once() -> None:
    for method, path, operation in operations():
        names = [(each["in"], each["name"]) for each in parameters(path, operation)]
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


def test_the_parameters_of_lists_are_exactly_the_canonical_names_of_their_fields() -> None:
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
        "wait",
        "signature",
        "distance",
        "image_id",
        "version",
        "updated_at",
    }
    names = {SPELLINGS[field][0] for field in fields}
    pages = {"last_evaluated_key", "limit", "sort", "order", "include", "explain"}
    for path, without in (("/images", set()), ("/list", {"explain"}), ("/images/count", pages)):
        listed = parameters(path, DOCUMENT["paths"][path]["get"])
        assert {each["name"] for each in listed if each["in"] == "query"} == names - without


def test_every_route_accepts_exactly_the_parameters_that_the_document_describes() -> None:
    for method, path, operation in operations():
        names = {each["name"] for each in parameters(path, operation) if each["in"] == "query"} - {"user_id"}
        known = readers._PARAMETERS.get(f"{method} {path}", ())
        if "requestBody" in operation:  # of an upload: the text describes the metadata of a file that is the body
            known = ()
        if path == "/images/count":  # the parameters of pages are accepted and have no effect
            known = tuple(field for field in known if field in readers._FILTERS)
        assert names == {SPELLINGS[field][0] for field in known}, (method, path)


def test_only_routes_without_a_caller_ignore_unknown_parameters() -> None:
    without = {f"{method} {path}" for method, path, _ in operations()} - readers._PARAMETERS.keys()
    assert without == {"GET /", "GET /health", "GET /openapi.json"}


def test_the_table_of_spellings_has_all_of_them_in_order_of_precedence() -> None:
    rows = [line for line in DOCUMENT["info"]["description"].splitlines() if line.startswith("| ")]
    in_table = [tuple(re.findall(r"`([a-zA-Z0-9_.]+)`", cell)) for row in rows for cell in row.split("|")[2].split(";")]
    single_spellings = {(field,) for field, spellings in SPELLINGS.items() if spellings == (field,)}
    assert set(in_table) - {()} == set(SPELLINGS.values()) - single_spellings


def test_the_properties_of_uploads_are_the_canonical_names_of_their_fields() -> None:
    fields = {"user_id", "title", "description", "tags", "filename", "visibility"}
    assert {*SCHEMAS["Upload"]["properties"]} == {SPELLINGS[field][0] for field in {*fields, "file"}}
    assert {*SCHEMAS["UploadForm"]["properties"]} == {*fields, "file"}
    assert {*SCHEMAS["FileForm"]["properties"]} == {*fields, "file", "user"} - {"user_id"}
    announced = {*fields, "content_type", "size", "checksum"}
    assert {*SCHEMAS["Announcement"]["properties"]} == announced
    assert {*SCHEMAS["ExportedImage"]["properties"]} == {*announced, "image_id", "version", "updated_at"}


def test_the_document_has_every_type_of_image() -> None:
    assert SCHEMAS["ContentType"]["enum"] == list(EXTENSIONS)
    for body in ("UploadForm", "FileForm"):
        encoding = DOCUMENT["components"]["requestBodies"][body]["content"]["multipart/form-data"]["encoding"]
        assert encoding["file"]["contentType"].split(", ") == list(EXTENSIONS)


def test_exactly_the_operations_with_a_caller_have_an_answer_401() -> None:
    for method, path, operation in operations():
        names_a_caller = "X-User-Id" in {each["name"] for each in parameters(path, operation)}
        assert ("401" in operation["responses"]) is names_a_caller, (method, path)


@pytest.mark.parametrize("contract", "abcde")
def test_the_document_of_every_contract_is_valid(contract: str) -> None:
    document = openapi.of_contract(contract)
    schemathesis.openapi.from_dict(document).validate()
    for path, value in inner(document):
        assert None not in value.values() or "example" in path or "examples" in path, path
        if "$ref" in value:
            target: Any = document
            for step in value["$ref"].removeprefix("#/").split("/"):
                target = target[step]


@pytest.mark.parametrize("contract", "acde")
def test_the_examples_of_every_contract_match_their_schemas(contract: str) -> None:
    document = openapi.of_contract(contract)
    for name, answer in document["components"]["responses"].items():
        content = answer.get("content", {}).get("application/json", {})
        examples = [content["example"]] if "example" in content else []
        examples += [each["value"] for each in content.get("examples", {}).values()]
        for example in examples:
            schema = {**content["schema"], "components": document["components"]}
            jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(example)
            properties = document["components"]["schemas"].get(content["schema"].get("$ref", "").rpartition("/")[2], {})
            if not properties.get("additionalProperties"):
                known = properties.get("properties", example)
                assert {*example} <= {*known} if isinstance(example, dict) else True, (contract, name)
