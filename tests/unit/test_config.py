import pytest

from chalicelib.config import Settings, WrongSetting, read


def test_users_sign_in_at_an_issuer_with_the_token_that_the_service_accepts() -> None:
    issuer = {"AUTH": "jwt", "JWT_ISSUER": "https://login.example.org", "OIDC_CLIENT_ID": "gallery"}
    assert read({**issuer, "JWT_AUDIENCE": "gallery"}).oidc_token == "id"
    assert read({**issuer, "OIDC_TOKEN": "access", "JWT_AUDIENCE": "images"}).oidc_token == "access"
    origins = "https://a.org http://localhost:8080"
    assert read({"SIGN_IN_ORIGINS": origins}).sign_in_origins == origins


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read({}) == Settings(auth="open", originals="everyone", imports="owners", log_format="text")


def test_an_empty_variable_is_ignored_and_its_second_name_is_read() -> None:
    settings = read({"IMAGES_TABLE_NAME": " ", "DYNAMODB_TABLE_NAME": "mine", "MAX_PIXELS": ""})
    assert settings == Settings(
        auth="open", originals="everyone", imports="owners", log_format="text", images_table_name="mine"
    )


def test_shards_are_read_as_days_and_numbers_of_partitions() -> None:
    shards = "everything 1970-01-02 4; tag:a b 1970-01-03 8; everything 1970-01-04 16;"
    day = 86_400_000
    assert read({"SHARDS": shards, "MAX_PAGE_READS": "38"}).spread == {
        "everything": ((day, 4), (3 * day, 16)),
        "tag:a b": ((2 * day, 8),),
    }
    with pytest.raises(WrongSetting, match="MAX_PAGE_READS must be at least 38, because SHARDS has 16 partitions"):
        read({"SHARDS": shards, "MAX_PAGE_READS": "37"})


def test_callers_are_verified_on_lambda_unless_auth_is_open() -> None:
    on_lambda = {"AWS_LAMBDA_FUNCTION_NAME": "images-api-prod"}
    assert read(on_lambda).auth == "jwt"
    assert read({**on_lambda, "AUTH": "open"}).auth == "open"


def test_originals_are_for_owners_if_callers_are_verified() -> None:
    assert read({}).originals == read({"AUTH": "open"}).originals == "everyone"
    assert read({"AUTH": "jwt"}).originals == read({"AWS_LAMBDA_FUNCTION_NAME": "images-api-prod"}).originals == "owner"
    assert read({"AUTH": "jwt", "ORIGINALS": "everyone"}).originals == "everyone"
    assert read({"ORIGINALS": "owner"}).originals == "owner"


def test_nobody_imports_if_callers_are_verified_unless_the_operator_allows_it() -> None:
    assert read({}).imports == read({"AUTH": "open"}).imports == "owners"
    assert read({"AUTH": "jwt"}).imports == read({"AWS_LAMBDA_FUNCTION_NAME": "images-api-prod"}).imports == "nobody"
    assert read({"AUTH": "jwt", "IMPORTS": "owners"}).imports == "owners"
    assert read({"IMPORTS": "nobody"}).imports == "nobody"


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "https://photos.example.org",
        "https://photos.example.org  http://localhost:5173",
        "http://[::1]:8080",
        "https://localhost:80 http://a:443 http://a:8080",
        "chrome-extension://abcdefghijklmnop",
    ],
)
def test_valid_origins_are_accepted(text: str) -> None:
    assert read({"CORS_ORIGINS": f" {text} "}).origins == tuple(text.split())


# Not `*`, and not origins in the form that browsers send.
INVALID_ORIGINS = [
    *("photos.example.org", "https://", "https://a/", "https://a/b", "https://me@a", "https://a?b", "https://a:0"),
    *(
        "https://A",
        "HTTPS://a",
        "https://a:443",
        "http://a:80 http://b",
        "null",
        "* https://a",
        "https://*.example.org",
    ),
    *("https://a, https://b", "https://é.example"),
]


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {"PRESIGNED_URL_EXPIRATION": "1h"},
            "PRESIGNED_URL_EXPIRATION must be a whole number of seconds from 1 to 604800, not '1h'.",
        ),
        ({"PRESIGNED_URL_EXPIRATION": "604801"}, "PRESIGNED_URL_EXPIRATION must be a whole number of seconds from 1"),
        ({"MAX_TAGS": "-1"}, "MAX_TAGS must be a whole number of tags from 1 to 41, not '-1'."),
        (
            {"SHARDS": "everything 2030-01-01"},
            "SHARDS must be lists, each with a day and a number of partitions, for example",
        ),
        (
            {"SHARDS": "all 2030-01-01 4"},
            "SHARDS must be lists, each with a day and a number of partitions, for example",
        ),
        (
            {"SHARDS": "everything 2030-01-01 0"},
            "SHARDS must be lists, each with a day and a number of partitions, for example",
        ),
        ({"SHARDS": "everything 2030-02-30 4"}, "SHARDS must have valid days, in ascending order for each list, not"),
        (
            {"SHARDS": "tag:sea 2030-02-02 4; tag:sea 2030-02-02 8"},
            "SHARDS must have valid days, in ascending order for each list, not",
        ),
        ({"DEFAULT_PAGE_SIZE": "9", "MAX_PAGE_SIZE": "8"}, "DEFAULT_PAGE_SIZE must not be larger than MAX_PAGE_SIZE."),
        ({"VARIANT_WIDTHS": "640 320"}, "VARIANT_WIDTHS must be in ascending order, not '640 320'."),
        (
            {"VARIANT_WIDTHS": "0"},
            "VARIANT_WIDTHS must be one to eight widths in pixels, for example `320 640 1280`, not '0'.",
        ),
        (
            {"VARIANT_FORMATS": "webp gif"},
            "VARIANT_FORMATS must be one or more of webp, avif and jpeg, for example `webp avif`, not",
        ),
        (
            {"VARIANT_FORMATS": "webp webp"},
            "VARIANT_FORMATS must be one or more of webp, avif and jpeg, for example `webp avif`, not",
        ),
        *[
            ({"CORS_ORIGINS": origins}, "CORS_ORIGINS must be `*`, or origins as browsers send them (")
            for origins in INVALID_ORIGINS
        ],
        ({"AUTH": "none"}, "AUTH must be one of open, jwt, not 'none'."),
        ({"S3_PUBLIC_ENDPOINT_URL": "localhost:9000"}, "S3_PUBLIC_ENDPOINT_URL must be an http or https URL"),
        ({"AWS_REGION": "eu central"}, "AWS_REGION must be a region, not 'eu central'."),
        ({"S3_BUCKET_NAME": "My_Bucket"}, "S3_BUCKET_NAME must be a bucket name, not 'My_Bucket'."),
        ({"IMAGES_TABLE_NAME": "t"}, "IMAGES_TABLE_NAME must be a table name, not 't'."),
        ({"MAX_PIXELS": "9" * 5000}, "MAX_PIXELS must be a whole number of pixels from 1"),
        *(
            (
                {"METRICS_NAMESPACE": name},
                "METRICS_NAMESPACE must be a CloudWatch namespace that does not begin with AWS/ or :, not",
            )
            for name in ("AWS/Lambda", "a" * 256, ":a", "a?b", "ä")
        ),
        ({"OIDC_CLIENT_ID": "my gallery"}, "OIDC_CLIENT_ID must be a client ID without spaces"),
        (
            {"OIDC_CLIENT_ID": "gallery", "AUTH": "jwt"},
            "OIDC_CLIENT_ID requires AUTH=jwt, and a URL in JWT_ISSUER: users sign in there.",
        ),
        (
            {"OIDC_CLIENT_ID": "gallery", "AUTH": "open", "JWT_ISSUER": "https://login.example.org"},
            "OIDC_CLIENT_ID requires AUTH=jwt, and a URL in JWT_ISSUER: users sign in there.",
        ),
        (
            {
                "OIDC_CLIENT_ID": "gallery",
                "AUTH": "jwt",
                "JWT_ISSUER": "https://login.example.org",
                "JWT_AUDIENCE": "images",
            },
            "OIDC_CLIENT_ID requires the same value in JWT_AUDIENCE",
        ),
        ({"SIGN_IN_ORIGINS": "*"}, "SIGN_IN_ORIGINS must be http or https origins in lower case"),
        ({"SIGN_IN_ORIGINS": "https://a.org/token"}, "SIGN_IN_ORIGINS must be http or https origins in lower case"),
        (
            {"METRICS_NAMESPACE": "a", "LOG_LEVEL": "WARNING"},
            "METRICS_NAMESPACE requires LOG_LEVEL=INFO or DEBUG: the lines",
        ),
        ({"SECRETS_PARAMETER": "secrets"}, "SECRETS_PARAMETER must be the path of an SSM parameter, for example"),
        ({"MAX_PAGE_SIZE": "50"}, "DEFAULT_PAGE_SIZE must not be larger than MAX_PAGE_SIZE."),
    ],
)
def test_the_message_about_an_invalid_value_is_one_line_and_names_the_variable(
    environment: dict[str, str], sentence: str
) -> None:
    with pytest.raises(WrongSetting, match=r"^[^\n]+$") as raised:
        read(environment)
    assert str(raised.value).startswith(sentence)


def test_a_namespace_that_cloudwatch_accepts_is_accepted() -> None:
    for name in ("images-api/prod", "a" * 255, "A b_c.d#e:f"):
        assert read({"METRICS_NAMESPACE": name}).metrics_namespace == name


def test_the_default_log_format_is_json_on_lambda_and_text_elsewhere() -> None:
    on_lambda = {"AWS_LAMBDA_FUNCTION_NAME": "images-api-prod"}
    assert (read({}).log_format, read(on_lambda).log_format) == ("text", "json")
    assert read({"LOG_FORMAT": "json"}).log_format == "json"
    assert read(on_lambda | {"LOG_FORMAT": "text"}).log_format == "text"


def test_metrics_on_lambda_require_logs_in_json() -> None:
    metrics = {"METRICS_NAMESPACE": "images-api/prod", "LOG_FORMAT": "text"}
    assert read(metrics).log_format == "text"
    with pytest.raises(WrongSetting, match="METRICS_NAMESPACE needs LOG_FORMAT=json"):
        read({**metrics, "AWS_LAMBDA_FUNCTION_NAME": "images-api-prod"})


def test_presigned_urls_use_the_public_endpoint_or_the_endpoint_of_the_region() -> None:
    localstack = {"AWS_ENDPOINT_URL": "http://localstack:4566"}
    assert read({}).presigned_endpoint_url == "https://s3.us-east-1.amazonaws.com"
    assert read({"AWS_REGION": "cn-north-1"}).presigned_endpoint_url == "https://s3.cn-north-1.amazonaws.com.cn"
    assert read({"AWS_REGION": "eu-west-1"}).presigned_endpoint_url == "https://s3.eu-west-1.amazonaws.com"
    assert read(localstack).presigned_endpoint_url == "http://localstack:4566"
    public = {**localstack, "S3_PUBLIC_ENDPOINT_URL": "http://localhost:4566/"}
    assert read(public).presigned_endpoint_url == "http://localhost:4566"
