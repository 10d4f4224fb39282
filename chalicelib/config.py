"""Settings: every environment variable the service knows, read once and validated.

`Settings` is the one list of them; docs/settings.md is generated from it.
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
_CDN_URL = ("an https URL without a path", r"https://[^\s?#/]+/?")
_KEY_PAIR_ID = ("the ID of a CloudFront public key", r"[A-Z0-9]+")
_LINES = ("text", r"[\s\S]*")
_PRIVATE_KEY = re.compile(r"-----BEGIN (RSA )?PRIVATE KEY-----\s[\s\S]+\s-----END (RSA )?PRIVATE KEY-----")
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


class WrongSetting(SystemExit):
    """A setting that can't be used: ends the process with one line on stderr and exit status 1."""


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

    s3_bucket_name: str = setting("images-originals", "bucket of the originals", "S3_BUCKET_NAME", form=_BUCKET)
    derived_bucket_name: str = setting(
        "images-derived", "bucket of the derived images", "DERIVED_BUCKET_NAME", form=_BUCKET
    )
    staged_bucket_name: str = setting(
        "images-staged", "bucket that direct uploads go to, until they are checked", "STAGED_BUCKET_NAME", form=_BUCKET
    )
    images_table_name: str = setting(
        "images", "table of the records", "IMAGES_TABLE_NAME", "DYNAMODB_TABLE_NAME", form=_TABLE
    )
    image_tags_table_name: str = setting("image_tags", "table of the terms", "IMAGE_TAGS_TABLE_NAME", form=_TABLE)
    tag_counts_table_name: str = setting(
        "tag_counts", "table of the tags' counts", "TAG_COUNTS_TABLE_NAME", form=_TABLE
    )
    items_table_name: str = setting("items", "table of the generic items", "ITEMS_TABLE_NAME", form=_TABLE)
    idempotency_keys_table_name: str = setting(
        "idempotency_keys", "table of the idempotency keys", "IDEMPOTENCY_KEYS_TABLE_NAME", form=_TABLE
    )
    dead_letter_queue_name: str = setting(
        "images-dead-letters",
        "queue of the events whose processing failed again and again",
        "DEAD_LETTER_QUEUE_NAME",
        form=("a queue name", r"[A-Za-z0-9_-]{1,80}"),
    )
    aws_region: str = setting(
        "us-east-1", "region of buckets and tables", "AWS_REGION", "AWS_DEFAULT_REGION", form=_REGION
    )
    s3_public_endpoint_url: str = setting(
        "",
        "what clients reach S3 by; presigned URLs are signed for it. Empty: Amazon's, in the region",
        "S3_PUBLIC_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ENDPOINT_URL",
        form=_URL,
    )
    presigned_url_expiration: int = setting(
        3600,
        "how long a presigned URL opens (SigV4: at most 7 days); on Lambda no longer than the role's session",
        "PRESIGNED_URL_EXPIRATION",
        unit="seconds",
        high=604_800,
    )
    cdn_url: str = setting(
        "",
        "CloudFront in front of originals and derived images (docs/operations.md): what opens them is signed for it, "
        "with the two below",
        "CDN_URL",
        form=_CDN_URL,
    )
    cdn_key_pair_id: str = setting(
        "", "which of the distribution's public keys verifies that", "CDN_KEY_PAIR_ID", form=_KEY_PAIR_ID
    )
    cdn_private_key: str = setting("", "the private key of it, RSA in PEM", "CDN_PRIVATE_KEY", form=_LINES)
    auth: str = setting(
        "",
        "who the caller is: `open` (whom the request names) or `jwt`. Empty: `jwt` on Lambda, else `open`",
        "AUTH",
        choices=("", "open", "jwt"),
    )
    jwt_issuer: str = setting(
        "", "OIDC issuer whose tokens are accepted; its keys come from `JWT_JWKS_URL`", "JWT_ISSUER"
    )
    jwt_jwks_url: str = setting("", "the issuer's JWKS", "JWT_JWKS_URL", form=_URL)
    jwt_audience: str = setting("", "audience that a token must name; empty: not checked", "JWT_AUDIENCE")
    jwt_secret: str = setting("", "shared secret of HS256 tokens, in place of an issuer", "JWT_SECRET")
    cursor_secret: str = setting(
        "",
        "key that encrypts list cursors; empty: derived from the table's name, which shows accidents but no forger",
        "CURSOR_SECRET",
    )
    max_image_bytes: int = setting(
        3_400_000,
        "largest image in JSON; as base64, as base64 again, this is what Lambda's 6 MB holds",
        "MAX_IMAGE_BYTES",
        unit="bytes",
    )
    max_form_image_bytes: int = setting(
        4_500_000,
        "largest image in a form; as base64 this is what Lambda's 6 MB holds",
        "MAX_FORM_IMAGE_BYTES",
        unit="bytes",
    )
    max_download_bytes: int = setting(
        4_500_000,
        "largest image that a download answers itself, in 6 MB as base64; a larger one is redirected to",
        "MAX_DOWNLOAD_BYTES",
        unit="bytes",
    )
    max_direct_upload_bytes: int = setting(
        100_000_000,
        "largest direct upload (S3: 5 GB by one POST; it is processed in Lambda's /tmp, which has 512 MB by default)",
        "MAX_DIRECT_UPLOAD_BYTES",
        unit="bytes",
        high=5_000_000_000,
    )
    multipart_threshold_bytes: int = setting(
        50_000_000,
        "direct uploads larger than this go up in parts, so that they can be resumed",
        "MULTIPART_THRESHOLD_BYTES",
        unit="bytes",
    )
    part_bytes: int = setting(
        10_000_000,
        "size of the parts, but for the last one (S3: at least 5 MB; at most 1,000 parts are listed at once)",
        "PART_BYTES",
        unit="bytes",
        low=5_242_880,
    )
    direct_upload_seconds: int = setting(
        3_600,
        "how long the form or the URLs of a direct upload open; on Lambda no longer than the role's session",
        "DIRECT_UPLOAD_SECONDS",
        unit="seconds",
        high=604_800,
    )
    abandoned_upload_seconds: int = setting(
        86_400,
        "after which a direct upload that did not come is given up, and one that was rejected forgotten",
        "ABANDONED_UPLOAD_SECONDS",
        unit="seconds",
        low=0,
    )
    failed_upload_seconds: int = setting(
        1_209_600,
        "after which a direct upload whose processing failed is forgotten (SQS: dead letters are kept for 14 days)",
        "FAILED_UPLOAD_SECONDS",
        unit="seconds",
        low=0,
    )
    processing_attempts: int = setting(
        3,
        "attempts to process an image before its record says that it failed; Lambda makes so many for an event",
        "PROCESSING_ATTEMPTS",
        unit="attempts",
    )
    max_form_parts: int = setting(64, "most parts of a form", "MAX_FORM_PARTS", unit="parts")
    max_part_headers: int = setting(8, "most headers of a form's part", "MAX_PART_HEADERS", unit="headers")
    max_part_header_bytes: int = setting(
        4_096, "longest header of a form's part", "MAX_PART_HEADER_BYTES", unit="bytes", low=256
    )
    max_idempotency_key_chars: int = setting(
        255, "longest idempotency key", "MAX_IDEMPOTENCY_KEY_CHARS", unit="characters", high=1_000
    )
    idempotency_seconds: int = setting(
        86_400, "how long an idempotency key is kept", "IDEMPOTENCY_SECONDS", unit="seconds"
    )
    max_pixels: int = setting(100_000_000, "largest width x height of an image", "MAX_PIXELS", unit="pixels")
    max_side_px: int = setting(
        65_535,
        "longest side of an image; each row takes memory and time of its own",
        "MAX_SIDE_PX",
        unit="pixels",
    )
    max_header_parts: int = setting(
        1_000, "most segments of a JPEG's header, or entries of a TIFF's", "MAX_HEADER_PARTS", unit="parts"
    )
    max_frames: int = setting(1_000, "most frames of an animation or pages of a TIFF", "MAX_FRAMES", unit="frames")
    variant_widths: str = setting(
        "320 640 1280 1920",
        "widths in pixels that smaller pictures are made in, ascending; none is wider than its image, which is made in "
        "its own width where that is far from these",
        "VARIANT_WIDTHS",
        form=_WIDTHS,
    )
    variant_formats: str = setting(
        "webp", "formats that each of them is made in: any of `webp avif jpeg`", "VARIANT_FORMATS", form=_FORMATS
    )
    variant_quality: int = setting(
        80, "their quality, on the scale of each format", "VARIANT_QUALITY", unit="of 100", high=100
    )
    max_render_px: int = setting(
        10_000, "largest width or height that an image is asked to be shown in", "MAX_RENDER_PX", unit="pixels"
    )
    max_decoded_bytes: int = setting(
        800_000_000,
        "memory that a picture may take to be decoded, as estimated by its header; fits a function of 1,024 MB",
        "MAX_DECODED_BYTES",
        unit="bytes",
    )
    max_user_id_chars: int = setting(128, "longest user_id", "MAX_USER_ID_CHARS", unit="characters", high=200)
    max_title_chars: int = setting(256, "longest title", "MAX_TITLE_CHARS", unit="characters", high=10_000)
    max_description_chars: int = setting(
        5_000, "longest description", "MAX_DESCRIPTION_CHARS", unit="characters", high=50_000
    )
    max_filename_chars: int = setting(255, "longest filename", "MAX_FILENAME_CHARS", unit="characters", high=1_000)
    max_tags: int = setting(
        30, "most tags of an image (DynamoDB: 100 writes in an update's transaction)", "MAX_TAGS", unit="tags", high=41
    )
    max_tag_chars: int = setting(64, "longest tag", "MAX_TAG_CHARS", unit="characters", high=200)
    max_query_tags: int = setting(10, "most tags that a list asks for", "MAX_QUERY_TAGS", unit="tags", high=50)
    max_title_words: int = setting(
        12, "different words of a title that it is found by", "MAX_TITLE_WORDS", unit="words", low=0, high=41
    )
    max_description_words: int = setting(
        12,
        "as of a title, of a description",
        "MAX_DESCRIPTION_WORDS",
        unit="words",
        low=0,
        high=41,
    )
    max_filename_words: int = setting(
        6, "as of a title, of a filename", "MAX_FILENAME_WORDS", unit="words", low=0, high=41
    )
    max_word_chars: int = setting(
        32, "characters of a word that tell it from others", "MAX_WORD_CHARS", unit="characters", low=4, high=100
    )
    max_prefix_words: int = setting(
        12,
        "most words beginning with a filter's that a list is read along; of more, another list is",
        "MAX_PREFIX_WORDS",
        unit="words",
    )
    shards: str = setting(
        "",
        "lists that are spread over several partitions, from a day on that is still to come: "
        "`everything 2030-01-01 4; tag:sea 2030-01-01 8`",
        "SHARDS",
        form=_SHARDS,
    )
    max_item_bytes: int = setting(
        100_000,
        "largest generic item, as JSON (DynamoDB: 400 KB with the owner and the rest)",
        "MAX_ITEM_BYTES",
        unit="bytes",
        high=400_000,
    )
    max_item_depth: int = setting(
        100, "deepest nesting of a generic item (the encoder of JSON: 254)", "MAX_ITEM_DEPTH", unit="levels", high=250
    )
    default_page_size: int = setting(
        100, "images or items in a page where the request has no limit", "DEFAULT_PAGE_SIZE", unit="entries", high=1_000
    )
    max_page_size: int = setting(1_000, "largest limit of a list", "MAX_PAGE_SIZE", unit="entries", high=1_000)
    max_page_bytes: int = setting(
        6_000_000, "longest page, as a string within Lambda's answer of 6 MB", "MAX_PAGE_BYTES", unit="bytes"
    )
    max_page_reads: int = setting(
        20, "reads that one page may cost; then it is shorter, with a cursor", "MAX_PAGE_READS", unit="calls"
    )
    max_page_read_units: int = setting(
        500, "read units that one page may cost, likewise", "MAX_PAGE_READ_UNITS", unit="read units"
    )
    max_page_milliseconds: int = setting(
        3_000, "time that one page may be read for, likewise", "MAX_PAGE_MILLISECONDS", unit="milliseconds"
    )
    max_count: int = setting(
        1_000,
        "images that a count goes up to; behind that it says `at_least`",
        "MAX_COUNT",
        unit="images",
    )
    cursor_seconds: int = setting(
        86_400, "how long a list can be gone on with", "CURSOR_SECONDS", unit="seconds", high=2**31
    )
    explain: str = setting(
        "off", "whether a list may be asked how it was read (`explain=true`)", "EXPLAIN", choices=("off", "on")
    )
    api_timeout_seconds: int = setting(
        30,
        "the API's longest request: an object without a record is left over once it is older",
        "API_TIMEOUT_SECONDS",
        unit="seconds",
    )
    sweep_after_seconds: int = setting(
        3_600,
        "how long a deletion or the processing of an image may be half done before the schedule finishes it",
        "SWEEP_AFTER_SECONDS",
        unit="seconds",
        low=0,
    )
    cors_origins: str = setting(
        "",
        "origins whose scripts may use the service from a browser, as `https://photos.example.org http://localhost:5173`"
        ", or `*` for all; empty: none",
        "CORS_ORIGINS",
        form=_ORIGINS,
    )
    cors_max_age_seconds: int = setting(
        7_200,
        "how long a browser may remember what they may send (Chrome: at most 2 hours, Firefox: 24)",
        "CORS_MAX_AGE_SECONDS",
        unit="seconds",
        low=0,
        high=86_400,
    )
    log_level: str = setting(
        "INFO", "least severe message that is logged", "LOG_LEVEL", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )
    metrics_namespace: str = setting(
        "",
        "namespace of the metrics that CloudWatch takes from the log, as `images-api/prod`; empty: none",
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

    @property
    def cursor_key(self) -> bytes:
        """The key that encrypts cursors."""
        return (self.cursor_secret or f"cursors of {self.images_table_name}").encode()


@cache
def settings() -> Settings:
    """Return the settings of this process. The environment is read once.

    Raises WrongSetting: see read.
    """
    return read(os.environ)


def read(environment: Mapping[str, str]) -> Settings:
    """Return the settings in an environment. An empty variable counts as not set.

    Raises WrongSetting: a value can't be used. The message names the variable, its value unless it is a secret, and
    what is required.
    """
    values: dict[str, Any] = {}
    for spec in fields(Settings):
        for name in spec.metadata["env"]:
            if text := environment.get(name, "").strip():
                values[spec.name] = _parse(spec, name, text)
                break
    if not values.get("auth"):
        values["auth"] = "jwt" if "AWS_LAMBDA_FUNCTION_NAME" in environment else "open"
    parsed = Settings(**values)
    _check(parsed)
    return parsed


def _check(parsed: Settings) -> None:
    """Check the rules between settings, and the order within lists.

    Raises WrongSetting.
    """
    if parsed.auth == "jwt" and not (parsed.jwt_secret or (parsed.jwt_issuer and parsed.jwt_jwks_url)):
        raise WrongSetting("AUTH=jwt requires JWT_SECRET, or JWT_ISSUER and JWT_JWKS_URL.")
    if parsed.jwt_secret and len(parsed.jwt_secret.encode()) < 32:
        raise WrongSetting("JWT_SECRET must have at least 32 bytes (RFC 7518 section 3.2).")
    if parsed.metrics_namespace and parsed.log_level not in ("DEBUG", "INFO"):
        raise WrongSetting("METRICS_NAMESPACE requires LOG_LEVEL=INFO or DEBUG: the lines with the metrics are INFO.")
    _check_cdn(parsed)
    try:
        _spread(parsed.shards)
    except ValueError:
        raise WrongSetting(
            f"SHARDS must have valid days, in ascending order for each list, not {parsed.shards!r}."
        ) from None
    if list(parsed.variant_widths_px) != sorted(set(parsed.variant_widths_px)):
        raise WrongSetting(f"VARIANT_WIDTHS must be in ascending order, not {parsed.variant_widths!r}.")
    if parsed.default_page_size > parsed.max_page_size:
        raise WrongSetting("DEFAULT_PAGE_SIZE must not be larger than MAX_PAGE_SIZE.")


def _check_cdn(parsed: Settings) -> None:
    values = (parsed.cdn_url, parsed.cdn_key_pair_id, parsed.cdn_private_key)
    if any(values) and not all(values):
        raise WrongSetting("CDN_URL, CDN_KEY_PAIR_ID and CDN_PRIVATE_KEY must be set together.")
    if parsed.cdn_private_key and not _PRIVATE_KEY.fullmatch(parsed.cdn_private_key):
        raise WrongSetting("CDN_PRIVATE_KEY must be an RSA private key in PEM format.")


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
