"""Settings: every environment variable the service knows but its secrets, read once and validated.

`Settings` is the one list of them; docs/settings.md is generated from it and from secrets.Secrets.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Any

# The forms of text settings. Each is a name for error messages, and a pattern that the whole value matches.

# S3 User Guide, "Bucket naming rules"; DynamoDB Developer Guide, "Naming rules".
_BUCKET = ("a bucket name", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_TABLE = ("a table name", r"[A-Za-z0-9_.-]{3,255}")
_URL = ("an http or https URL", r"https?://[^\s?#]+")
# Origins in the form of RFC 6454 section 6.2: in lower case, without the default port of the scheme. Browsers send only
# this form, so an origin in another form would never match.
_DEFAULT_PORT = r"http://\S+:80( |$)|https://\S+:443( |$)"
_ORIGIN = rf"(?!{_DEFAULT_PORT})[a-z][a-z0-9+.-]*://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[1-9]\d{{0,4}})?"
_ORIGINS = (
    "`*`, or origins as browsers send them (scheme, host in lower case, port unless it is the scheme's default), "
    "for example `https://photos.example.org http://localhost:5173`",
    rf"\*|{_ORIGIN}( +{_ORIGIN})*",
)
_PLAIN_ORIGINS = (
    "http or https origins in lower case, for example `https://photos.auth.eu-central-1.amazoncognito.com`",
    rf"(?=https?:){_ORIGIN}( +(?=https?:){_ORIGIN})*",
)
# SSM User Guide, "Requirements and constraints for parameter names": a path of at most 15 levels.
_PARAMETER = ("the path of an SSM parameter, for example `/images-api/prod/secrets`", r"(/[A-Za-z0-9_.-]+){1,15}")
_SHARDS = (
    "lists, each with a day and a number of partitions, for example `everything 2030-01-01 4; tag:sea 2030-01-01 8`",
    r"((everything|(owner|tag|content_type|title|description|filename):\S[^;]*)"
    r" \d{4}-\d\d-\d\d [1-9]\d{0,2}(;\s*|$))*",
)
_REGION = ("a region", r"[a-z0-9-]+")
# CloudWatch User Guide, "Namespaces"; CloudWatch API Reference, PutMetricData, "Namespace".
_NAMESPACE = (
    "a CloudWatch namespace that does not begin with AWS/ or :",
    r"(?!AWS/|:)[A-Za-z0-9._/#: -]{1,255}",
)
_WIDTHS = ("one to eight widths in pixels, for example `320 640 1280`", r"[1-9]\d{0,3}( +[1-9]\d{0,3}){0,7}")
_FORMATS = (
    "one or more of webp, avif and jpeg, for example `webp avif`",
    r"(?!.*\b(\w+)\b.*\b\1\b)(webp|avif|jpeg)( +(webp|avif|jpeg))*",
)

# Page sizes of the services whose contracts these are, if not 100 (CONTRACT).
_PAGE_SIZES = {"a": 10, "d": 20, "e": 10}


class WrongSetting(Exception):
    """A setting cannot be used. The message is one line that names the variable and says what is required."""


def setting(
    default: str | int,
    meaning: str,
    *env: str,
    unit: str = "",
    low: int = 1,
    high: int = 2**63 - 1,
    choices: tuple[str, ...] = (),
    form: tuple[str, str] = ("one line of text", ".*"),
) -> Any:
    """Return a field of Settings. Its value is read from the first of the variables in `env` that is set.

    A number is in `unit`, from `low` to `high`. A text is one of `choices` if there are any, else it has a `form`: a
    name for error messages, and a pattern that the whole text matches.
    """
    return field(
        default=default,
        metadata={
            "meaning": meaning,
            "env": env,
            "unit": unit,
            "low": low,
            "high": high,
            "choices": choices,
            "form": form,
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the service reads from its environment. The defaults are for a service on one machine."""

    s3_bucket_name: str = setting("images-originals", "Bucket for originals.", "S3_BUCKET_NAME", form=_BUCKET)
    derived_bucket_name: str = setting(
        "images-derived",
        "Bucket for variants, the smaller pictures made from originals.",
        "DERIVED_BUCKET_NAME",
        form=_BUCKET,
    )
    staged_bucket_name: str = setting(
        "images-staged",
        "Bucket that receives direct uploads until they are checked.",
        "STAGED_BUCKET_NAME",
        form=_BUCKET,
    )
    images_table_name: str = setting(
        "images", "Table of image records.", "IMAGES_TABLE_NAME", "DYNAMODB_TABLE_NAME", form=_TABLE
    )
    image_tags_table_name: str = setting(
        "image_tags", "Table of the index rows that lists read.", "IMAGE_TAGS_TABLE_NAME", form=_TABLE
    )
    tag_counts_table_name: str = setting("tag_counts", "Table of tag counts.", "TAG_COUNTS_TABLE_NAME", form=_TABLE)
    items_table_name: str = setting("items", "Table of items.", "ITEMS_TABLE_NAME", form=_TABLE)
    idempotency_keys_table_name: str = setting(
        "idempotency_keys", "Table of idempotency keys.", "IDEMPOTENCY_KEYS_TABLE_NAME", form=_TABLE
    )
    dead_letter_queue_name: str = setting(
        "images-dead-letters",
        "Queue for events that failed on every attempt (dead letters).",
        "DEAD_LETTER_QUEUE_NAME",
        form=("a queue name", r"[A-Za-z0-9_-]{1,80}"),
    )
    aws_region: str = setting(
        "us-east-1", "Region of the buckets and tables.", "AWS_REGION", "AWS_DEFAULT_REGION", form=_REGION
    )
    s3_public_endpoint_url: str = setting(
        "",
        "Address at which clients reach S3. Presigned URLs are signed for it. Empty: the AWS endpoint of the region.",
        "S3_PUBLIC_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL",
        form=_URL,
    )
    presigned_url_expiration: int = setting(
        3600,
        "How long a presigned URL is valid, at most 7 days (Signature Version 4). On Lambda, it also expires with "
        "the credentials of the function's role.",
        "PRESIGNED_URL_EXPIRATION",
        unit="seconds",
        high=604_800,
    )
    secrets_parameter: str = setting(
        "",
        "On Lambda: name of the SSM parameter that has the secrets (docs/deploy.md). Empty: they are variables of the "
        "environment.",
        "SECRETS_PARAMETER",
        form=_PARAMETER,
    )
    auth: str = setting(
        "",
        "How the caller is identified: `open` (the request names the caller, unverified) or `jwt` (a bearer token). "
        "Empty: `jwt` on Lambda, `open` elsewhere.",
        "AUTH",
        choices=("", "open", "jwt"),
    )
    originals: str = setting(
        "",
        "Who gets the originals of images, which can carry the place where a picture was taken: `everyone` who sees an "
        "image, or its `owner`; others then get the largest variant. Empty: `owner` with `AUTH=jwt`, `everyone` with "
        "`AUTH=open`.",
        "ORIGINALS",
        choices=("", "everyone", "owner"),
    )
    imports: str = setting(
        "",
        "Who may import images under ids of their own choice (`POST /images/import`): `nobody`, or `owners` of the "
        "images, which is meant for the time of a move ([backup](backup.md)). Empty: `nobody` with `AUTH=jwt`, "
        "`owners` with `AUTH=open`.",
        "IMPORTS",
        choices=("", "nobody", "owners"),
    )
    jwt_issuer: str = setting("", "OIDC issuer whose tokens are accepted. Requires `JWT_JWKS_URL`.", "JWT_ISSUER")
    jwt_jwks_url: str = setting("", "URL of the issuer's public keys (JWKS).", "JWT_JWKS_URL", form=_URL)
    jwt_audience: str = setting("", "Audience that a token must name. Empty: not checked.", "JWT_AUDIENCE")
    oidc_client_id: str = setting(
        "",
        "Client ID of the gallery at `JWT_ISSUER`: users of the gallery sign in there. Empty: they paste a token.",
        "OIDC_CLIENT_ID",
        form=("a client ID without spaces", r"[!-~]+"),
    )
    oidc_token: str = setting(
        "id",
        "Which token of the issuer the gallery sends: `id` (its audience is the client ID) or `access`, for issuers "
        "whose access tokens are JWTs with `sub`.",
        "OIDC_TOKEN",
        choices=("id", "access"),
    )
    sign_in_origins: str = setting(
        "",
        "Further origins that the gallery may contact to sign in, if the issuer's token endpoint is not at the origin "
        "of `JWT_ISSUER`, for example `https://photos.auth.eu-central-1.amazoncognito.com`.",
        "SIGN_IN_ORIGINS",
        form=_PLAIN_ORIGINS,
    )
    max_image_bytes: int = setting(
        3_400_000,
        "Largest image in a JSON body. The body contains base64, and API Gateway encodes it in base64 again: this is "
        "the most that fits into Lambda's 6 MB.",
        "MAX_IMAGE_BYTES",
        unit="bytes",
    )
    max_form_image_bytes: int = setting(
        4_500_000,
        "Largest image in a form. API Gateway encodes the form in base64: this is the most that fits into Lambda's 6 "
        "MB.",
        "MAX_FORM_IMAGE_BYTES",
        unit="bytes",
    )
    max_download_bytes: int = setting(
        4_500_000,
        "Largest image that a download returns in its own body. A larger one is a redirect to S3 (`type=binary`) or "
        "an error 413 (`type=base64`).",
        "MAX_DOWNLOAD_BYTES",
        unit="bytes",
    )
    max_direct_upload_bytes: int = setting(
        100_000_000,
        "Largest direct upload. S3 accepts 5 GB in one POST. Processing needs the file in Lambda's /tmp, which has "
        "512 MB by default.",
        "MAX_DIRECT_UPLOAD_BYTES",
        unit="bytes",
        high=5_000_000_000,
    )
    multipart_threshold_bytes: int = setting(
        50_000_000,
        "Direct uploads larger than this are sent in parts, so that they can be resumed.",
        "MULTIPART_THRESHOLD_BYTES",
        unit="bytes",
    )
    part_bytes: int = setting(
        10_000_000,
        "Size of each part except the last. S3 requires at least 5 MB and lists at most 1,000 parts at once.",
        "PART_BYTES",
        unit="bytes",
        low=5_242_880,
    )
    direct_upload_seconds: int = setting(
        3_600,
        "How long the form or the part URLs of a direct upload are valid. On Lambda, they also expire with the "
        "credentials of the function's role.",
        "DIRECT_UPLOAD_SECONDS",
        unit="seconds",
        high=604_800,
    )
    abandoned_upload_seconds: int = setting(
        86_400,
        "Age at which the schedule deletes a direct upload whose file never came or was rejected.",
        "ABANDONED_UPLOAD_SECONDS",
        unit="seconds",
        low=0,
    )
    failed_upload_seconds: int = setting(
        1_209_600,
        "Age at which the schedule deletes a direct upload whose processing failed. Default: 14 days, as long as SQS "
        "keeps a dead letter.",
        "FAILED_UPLOAD_SECONDS",
        unit="seconds",
        low=0,
    )
    processing_attempts: int = setting(
        3,
        "Attempts to process an image before its state becomes `failed`. Lambda makes 3 attempts for each event.",
        "PROCESSING_ATTEMPTS",
        unit="attempts",
    )
    max_json_values: int = setting(
        100_000,
        "Maximum number of commas and opening brackets in a JSON body, about one for each value. An item of 100,000 "
        "bytes has at most half as many values.",
        "MAX_JSON_VALUES",
        unit="values",
    )
    max_invocation_chars: int = setting(
        10_240,
        "Maximum length of the headers, of the query and of the path parameters in a direct invocation, each as JSON. "
        "API Gateway has this limit for the headers of a request.",
        "MAX_INVOCATION_CHARS",
        unit="characters",
    )
    max_form_parts: int = setting(64, "Maximum number of parts in a form.", "MAX_FORM_PARTS", unit="parts")
    max_part_headers: int = setting(
        8, "Maximum number of headers in a part of a form.", "MAX_PART_HEADERS", unit="headers"
    )
    max_part_header_bytes: int = setting(
        4_096, "Maximum length of a header in a part of a form.", "MAX_PART_HEADER_BYTES", unit="bytes", low=256
    )
    max_idempotency_key_chars: int = setting(
        255, "Maximum length of an idempotency key.", "MAX_IDEMPOTENCY_KEY_CHARS", unit="characters", high=1_000
    )
    idempotency_seconds: int = setting(
        86_400, "How long an idempotency key is kept.", "IDEMPOTENCY_SECONDS", unit="seconds"
    )
    max_pixels: int = setting(100_000_000, "Maximum width x height of an image.", "MAX_PIXELS", unit="pixels")
    max_side_px: int = setting(
        65_535,
        "Maximum width or height of an image. Decoders need memory and time for each row.",
        "MAX_SIDE_PX",
        unit="pixels",
    )
    max_header_parts: int = setting(
        1_000,
        "Maximum number of parts in a header: segments of a JPEG, chunks of a PNG or WebP, extensions of a GIF, "
        "entries and values of a TIFF, boxes of an AVIF or HEIC. Parts that frames and pixels need are not counted.",
        "MAX_HEADER_PARTS",
        unit="parts",
    )
    max_tiff_blocks: int = setting(
        100_000, "Maximum number of strips or tiles of a TIFF's page.", "MAX_TIFF_BLOCKS", unit="strips or tiles"
    )
    max_frames: int = setting(
        1_000, "Maximum number of frames of an animation, or of pages of a TIFF.", "MAX_FRAMES", unit="frames"
    )
    variant_widths: str = setting(
        "320 640 1280 1920",
        "Widths of the variants in pixels, ascending. No variant is wider than its image. An image that is more than "
        "25 % wider than the widest that fits also gets a variant of its own width, up to the last of these.",
        "VARIANT_WIDTHS",
        form=_WIDTHS,
    )
    variant_formats: str = setting(
        "webp", "Formats of each variant: any of `webp avif jpeg`.", "VARIANT_FORMATS", form=_FORMATS
    )
    jpeg_variant_width_px: int = setting(
        1_280,
        "Each image also gets one JPEG, for clients that accept nothing else. It is as wide as the widest variant of "
        "at most this width or, if all are wider, as the narrowest. 0: none. It has no effect if `VARIANT_FORMATS` has "
        "`jpeg`.",
        "JPEG_VARIANT_WIDTH_PX",
        unit="pixels",
        low=0,
        high=9_999,
    )
    variant_quality: int = setting(
        80, "Encoding quality of the variants, on the scale of each format.", "VARIANT_QUALITY", unit="of 100", high=100
    )
    thumbnail_width_px: int = setting(
        320,
        "Width of the thumbnails in lists (`include=thumbnail`). A thumbnail is the narrowest variant that is at least "
        "this wide, or else the widest.",
        "THUMBNAIL_WIDTH_PX",
        unit="pixels",
    )
    max_render_px: int = setting(10_000, "Largest `w` or `h` that `/render` accepts.", "MAX_RENDER_PX", unit="pixels")
    max_render_wait_seconds: int = setting(
        10,
        "Longest `wait` of `/render`: how long a request may wait for the variants of an image. On Lambda, waiting "
        "costs as much as computing.",
        "MAX_RENDER_WAIT_SECONDS",
        unit="seconds",
        low=0,
        high=25,
    )
    render_signature_seconds: int = setting(
        3_600,
        "How long `/render` shows a private image by the signature that a view of it has. A redirect that follows is "
        "valid for `PRESIGNED_URL_EXPIRATION` more.",
        "RENDER_SIGNATURE_SECONDS",
        unit="seconds",
        high=604_800,
    )
    max_decoded_bytes: int = setting(
        800_000_000,
        "Memory that decoding an image may take, as estimated from its header. The default fits a function of 1,024 "
        "MB.",
        "MAX_DECODED_BYTES",
        unit="bytes",
    )
    max_user_id_chars: int = setting(
        128, "Maximum length of a `user_id`.", "MAX_USER_ID_CHARS", unit="characters", high=200
    )
    max_title_chars: int = setting(256, "Maximum length of a title.", "MAX_TITLE_CHARS", unit="characters", high=10_000)
    max_description_chars: int = setting(
        5_000, "Maximum length of a description.", "MAX_DESCRIPTION_CHARS", unit="characters", high=50_000
    )
    max_filename_chars: int = setting(
        255, "Maximum length of a filename.", "MAX_FILENAME_CHARS", unit="characters", high=1_000
    )
    max_tags: int = setting(
        30,
        "Maximum number of tags of an image. An update is one DynamoDB transaction, which has at most 100 writes.",
        "MAX_TAGS",
        unit="tags",
        high=41,
    )
    max_tag_chars: int = setting(64, "Maximum length of a tag.", "MAX_TAG_CHARS", unit="characters", high=200)
    max_tag_list_chars: int = setting(
        50_000,
        "Maximum length of all tags in a request, separated by commas. Empty and repeated tags count.",
        "MAX_TAG_LIST_CHARS",
        unit="characters",
    )
    max_query_tags: int = setting(
        10, "Maximum number of tags in a list's filter.", "MAX_QUERY_TAGS", unit="tags", high=50
    )
    max_query_chars: int = setting(
        256, "Maximum length of a free-text search (`q`).", "MAX_QUERY_CHARS", unit="characters", high=10_000
    )
    max_query_words: int = setting(
        8, "Maximum number of different words in a free-text search (`q`).", "MAX_QUERY_WORDS", unit="words", high=50
    )
    max_title_words: int = setting(
        12, "How many different words of a title are indexed.", "MAX_TITLE_WORDS", unit="words", low=0, high=41
    )
    max_description_words: int = setting(
        12,
        "How many different words of a description are indexed.",
        "MAX_DESCRIPTION_WORDS",
        unit="words",
        low=0,
        high=41,
    )
    max_filename_words: int = setting(
        6, "How many different words of a filename are indexed.", "MAX_FILENAME_WORDS", unit="words", low=0, high=41
    )
    max_word_chars: int = setting(
        32,
        "How many leading characters of a word are indexed and compared.",
        "MAX_WORD_CHARS",
        unit="characters",
        low=4,
        high=100,
    )
    max_prefix_words: int = setting(
        12,
        "How many indexed words that begin with a filter's word may be merged into a page. If there are more, "
        "another list is read and filtered.",
        "MAX_PREFIX_WORDS",
        unit="words",
    )
    shards: str = setting(
        "",
        "Busy lists to spread over several partitions, each with the day it starts, in the future, and the number of "
        "partitions: `everything 2030-01-01 4; tag:sea 2030-01-01 8`.",
        "SHARDS",
        form=_SHARDS,
    )
    max_item_bytes: int = setting(
        100_000,
        "Largest item, as JSON. DynamoDB allows 400 KB with the owner and all other attributes.",
        "MAX_ITEM_BYTES",
        unit="bytes",
        high=400_000,
    )
    max_item_depth: int = setting(
        100, "Deepest nesting of an item. The JSON encoder allows 254.", "MAX_ITEM_DEPTH", unit="levels", high=250
    )
    default_page_size: int = setting(
        100,
        "Page size of a list without a `limit`. Default: 100; with `CONTRACT=a` or `e` 10, with `d` 20.",
        "DEFAULT_PAGE_SIZE",
        unit="entries",
        high=1_000,
    )
    max_page_size: int = setting(1_000, "Largest `limit` of a list.", "MAX_PAGE_SIZE", unit="entries", high=1_000)
    max_page_bytes: int = setting(
        6_000_000, "Largest page, as a string in Lambda's response of 6 MB.", "MAX_PAGE_BYTES", unit="bytes"
    )
    max_page_reads: int = setting(
        22,
        "DynamoDB reads that one page may cost. A page that reaches this ends early, with a cursor. With `SHARDS`, at "
        "least twice the highest number of partitions, and 6.",
        "MAX_PAGE_READS",
        unit="calls",
        low=6,
    )
    max_page_read_units: int = setting(
        500, "Read units that one page may cost, with the same effect.", "MAX_PAGE_READ_UNITS", unit="read units"
    )
    max_page_milliseconds: int = setting(
        3_000,
        "Time that reading one page may take, with the same effect.",
        "MAX_PAGE_MILLISECONDS",
        unit="milliseconds",
    )
    max_count: int = setting(
        1_000,
        "Highest exact count. If there are more images, the response has `at_least`.",
        "MAX_COUNT",
        unit="images",
    )
    cursor_seconds: int = setting(
        86_400, "How long a list cursor is valid.", "CURSOR_SECONDS", unit="seconds", high=2**31
    )
    contract: str = setting(
        "b",
        "Whose answers the routes give that several contracts share; see [contracts](contracts.md). `b` is the "
        "service's own.",
        "CONTRACT",
        choices=("a", "b", "c", "d", "e"),
    )
    explain: str = setting(
        "off",
        "Whether a list request may ask how its page was read (`explain=true`).",
        "EXPLAIN",
        choices=("off", "on"),
    )
    api_timeout_seconds: int = setting(
        30,
        "Longest API request. An object older than this that has no record is deleted.",
        "API_TIMEOUT_SECONDS",
        unit="seconds",
    )
    sweep_after_seconds: int = setting(
        3_600,
        "Age at which the schedule finishes an interrupted deletion, interrupted processing, or a direct upload whose "
        "file has arrived but was not processed.",
        "SWEEP_AFTER_SECONDS",
        unit="seconds",
        low=0,
    )
    cors_origins: str = setting(
        "",
        "Origins whose scripts may call the service from a browser, for example `https://photos.example.org "
        "http://localhost:5173`, or `*` for all. Empty: none.",
        "CORS_ORIGINS",
        form=_ORIGINS,
    )
    cors_max_age_seconds: int = setting(
        7_200,
        "How long a browser may cache a preflight response. Chrome caches it for at most 2 hours, Firefox for 24.",
        "CORS_MAX_AGE_SECONDS",
        unit="seconds",
        low=0,
        high=86_400,
    )
    log_level: str = setting(
        "INFO", "Least severe level that is logged.", "LOG_LEVEL", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )
    log_format: str = setting(
        "",
        "How the log is written: `json`, one object per line, with metrics; or `text`, short lines for a terminal, "
        "without metrics. Empty: `json` on Lambda, else `text`.",
        "LOG_FORMAT",
        choices=("", "json", "text"),
    )
    metrics_namespace: str = setting(
        "",
        "Namespace of the metrics that CloudWatch extracts from the log, for example `images-api/prod`. Empty: no "
        "metrics.",
        "METRICS_NAMESPACE",
        form=_NAMESPACE,
    )

    @property
    def presigned_endpoint_url(self) -> str:
        """The address of S3 in presigned URLs: scheme and host. URLs are path-style, so any bucket name works."""
        domain = "amazonaws.com.cn" if self.aws_region.startswith("cn-") else "amazonaws.com"
        return self.s3_public_endpoint_url.rstrip("/") or f"https://s3.{self.aws_region}.{domain}"

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of CORS_ORIGINS."""
        return tuple(self.cors_origins.split())

    @property
    def spread(self) -> Mapping[str, tuple[tuple[int, int], ...]]:
        """The lists of SHARDS by name: start times in milliseconds since the epoch, and partitions from then on."""
        return _spread(self.shards)

    @property
    def variant_widths_px(self) -> tuple[int, ...]:
        """The widths of VARIANT_WIDTHS, ascending."""
        return tuple(map(int, self.variant_widths.split()))

    @property
    def variant_types(self) -> tuple[str, ...]:
        """The content types of VARIANT_FORMATS, sorted."""
        return tuple(sorted(f"image/{name}" for name in self.variant_formats.split()))


@cache
def settings() -> Settings:
    """Return the settings of this process. The environment is read once.

    Raises WrongSetting: see read.
    """
    return read(os.environ)


def read(environment: Mapping[str, str]) -> Settings:
    """Return the settings in an environment. An empty variable counts as not set.

    Raises WrongSetting: a value can't be used. The message names the variable, its value and what is required.
    """
    values = values_of(Settings, environment)
    on_lambda = is_on_lambda(environment)
    values["auth"] = values.get("auth") or ("jwt" if on_lambda else "open")
    values["originals"] = values.get("originals") or ("owner" if values["auth"] == "jwt" else "everyone")
    values["imports"] = values.get("imports") or ("nobody" if values["auth"] == "jwt" else "owners")
    if page_size := _PAGE_SIZES.get(values.get("contract", "")):
        values.setdefault("default_page_size", page_size)
    values["log_format"] = values.get("log_format") or ("json" if on_lambda else "text")
    parsed = Settings(**values)
    _check(parsed)
    if on_lambda and parsed.metrics_namespace and parsed.log_format != "json":
        raise WrongSetting("METRICS_NAMESPACE needs LOG_FORMAT=json: CloudWatch reads metrics from JSON lines only.")
    return parsed


def values_of(kind: type, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the values that an environment has for the fields of a class. An empty variable counts as not set.

    Raises WrongSetting: a value can't be used.
    """
    values: dict[str, Any] = {}
    for spec in fields(kind):
        for name in spec.metadata["env"]:
            if text := environment.get(name, "").strip():
                values[spec.name] = _parse(spec, name, text)
                break
    return values


def is_on_lambda(environment: Mapping[str, str]) -> bool:
    """Whether this is the environment of a Lambda function."""
    return "AWS_LAMBDA_FUNCTION_NAME" in environment


def _check(parsed: Settings) -> None:
    """Check the rules between settings, and the order within lists.

    Raises WrongSetting.
    """
    if parsed.metrics_namespace and parsed.log_level not in ("DEBUG", "INFO"):
        raise WrongSetting("METRICS_NAMESPACE requires LOG_LEVEL=INFO or DEBUG: the lines with the metrics are INFO.")
    try:
        _spread(parsed.shards)
    except ValueError:
        raise WrongSetting(
            f"SHARDS must have valid days, in ascending order for each list, not {parsed.shards!r}."
        ) from None
    shards = max((count for steps in parsed.spread.values() for _, count in steps), default=0)
    if shards and parsed.max_page_reads < 2 * shards + 6:
        # A list by time taken reads each partition and the one from before, of public and of private images. Four reads
        # are kept for what follows: see lists/plan.
        raise WrongSetting(f"MAX_PAGE_READS must be at least {2 * shards + 6}, because SHARDS has {shards} partitions.")
    if list(parsed.variant_widths_px) != sorted(set(parsed.variant_widths_px)):
        raise WrongSetting(f"VARIANT_WIDTHS must be in ascending order, not {parsed.variant_widths!r}.")
    if parsed.oidc_client_id:
        _check_sign_in(parsed)
    if parsed.default_page_size > parsed.max_page_size:
        raise WrongSetting("DEFAULT_PAGE_SIZE must not be larger than MAX_PAGE_SIZE.")


def _check_sign_in(parsed: Settings) -> None:
    """Check the settings of signing in at an issuer. Raises WrongSetting."""
    if parsed.auth != "jwt" or not re.fullmatch(_URL[1], parsed.jwt_issuer):
        raise WrongSetting("OIDC_CLIENT_ID requires AUTH=jwt, and a URL in JWT_ISSUER: users sign in there.")
    if parsed.oidc_token == "id" and parsed.jwt_audience != parsed.oidc_client_id:  # noqa: S105 (no password)
        raise WrongSetting(
            "OIDC_CLIENT_ID requires the same value in JWT_AUDIENCE, because the audience of an ID token is the "
            "client. If the gallery shall send access tokens, set OIDC_TOKEN=access."
        )


@cache
def _spread(shards: str) -> Mapping[str, tuple[tuple[int, int], ...]]:
    """Parse SHARDS; see Settings.spread.

    Raises ValueError: a day does not exist, or the days of a list do not ascend.
    """
    spread: dict[str, tuple[tuple[int, int], ...]] = {}
    for entry in filter(None, map(str.strip, shards.split(";"))):
        name, day, count = entry.rsplit(" ", 2)
        since = int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()) * 1000
        before = spread.get(name, ())
        if before and before[-1][0] >= since:
            raise ValueError(entry)
        spread[name] = (*before, (since, int(count)))
    return spread


def _parse(spec: Field[Any], name: str, text: str) -> str | int:
    rule = spec.metadata
    if isinstance(spec.default, int):
        if not (re.fullmatch("[0-9]{1,19}", text) and rule["low"] <= int(text) <= rule["high"]):
            form = f"a whole number of {rule['unit']} from {rule['low']} to {rule['high']}"
            raise WrongSetting(f"{name} must be {form}, not {text!r}.")
        return int(text)
    if rule["choices"] and text not in rule["choices"]:
        raise WrongSetting(f"{name} must be one of {', '.join(filter(None, rule['choices']))}, not {text!r}.")
    form, pattern = rule["form"]
    if not re.fullmatch(pattern, text):
        raise WrongSetting(f"{name} must be {form}, not {text!r}.")
    return text
