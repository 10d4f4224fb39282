"""Buckets and tables as `resources.yaml` declares them, on any endpoint that speaks S3's and DynamoDB's API.

Three things that it declares are left to AWS: bucket policies (they ask for TLS, and a loopback endpoint has none),
point-in-time recovery (DynamoDB Local has no backups) and deletion policies (of CloudFormation itself).
"""

from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from chalicelib.config import Settings
from dev import PROJECT, CannotRun

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_NOT_CREATE_TABLE = {"PointInTimeRecoverySpecification", "TimeToLiveSpecification"}


def create(s3: "S3Client", dynamodb: "DynamoDBClient", settings: Settings) -> None:
    """Make sure of all buckets and tables.

    Raises CannotRun: a table or an index exists with other keys.
    """
    create_buckets(s3, settings)
    create_tables(dynamodb, settings)


def create_buckets(s3: "S3Client", settings: Settings) -> None:
    """Make sure of all buckets; their settings become those declared."""
    existing = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for declared in declarations("AWS::S3::Bucket", settings):
        bucket = declared.pop("BucketName")
        if bucket not in existing:
            _create_bucket(s3, bucket)
        for name, value in declared.items():
            _set_bucket(s3, bucket, name, value)


def create_tables(dynamodb: "DynamoDBClient", settings: Settings) -> None:
    """Make sure of all tables and their indexes; an index that is new in the declaration is added.

    Raises CannotRun: a table or an index exists with other keys.
    """
    for declared in declarations("AWS::DynamoDB::Table", settings):
        time_to_live = declared.get("TimeToLiveSpecification")
        arguments = {name: value for name, value in declared.items() if name not in _NOT_CREATE_TABLE}
        try:
            dynamodb.create_table(**arguments)
        except dynamodb.exceptions.ResourceInUseException:
            _match_table(dynamodb, arguments)
        table = arguments["TableName"]
        dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        if time_to_live and not _expires(dynamodb, table):
            dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=time_to_live)


def declarations(kind: str, settings: Settings) -> list[dict[str, Any]]:
    """The properties of each resource of a CloudFormation type, with the settings' names in place of parameters."""
    return [deepcopy(resource["Properties"]) for resource in _resources(settings) if resource["Type"] == kind]


@cache
def _resources(settings: Settings) -> list[dict[str, Any]]:
    # Parsing YAML takes as long as making all that it declares.
    loader = _loader((PROJECT / "resources.yaml").read_text(), settings)
    try:
        return list(loader.get_single_data()["Resources"].values())
    finally:
        loader.dispose()


def _loader(text: str, settings: Settings) -> yaml.SafeLoader:
    names = {
        "OriginalsBucketName": settings.s3_bucket_name,
        "DerivedBucketName": settings.derived_bucket_name,
        "StagedBucketName": settings.staged_bucket_name,
        "ImagesTableName": settings.images_table_name,
        "ImageTagsTableName": settings.image_tags_table_name,
        "TagCountsTableName": settings.tag_counts_table_name,
        "ItemsTableName": settings.items_table_name,
        "IdempotencyKeysTableName": settings.idempotency_keys_table_name,
    }

    class Loader(yaml.SafeLoader):
        """Resolves references to parameters; the other tags stand only in what is left to AWS."""

    Loader.add_constructor("!Ref", lambda _, node: names.get(node.value, node.value))
    Loader.add_multi_constructor("!", lambda _, tag, node: f"!{tag} {node.value}")
    return Loader(text)


def _create_bucket(s3: "S3Client", bucket: str) -> None:
    region: Any = s3.meta.region_name
    if region == "us-east-1":  # which alone must not be named
        s3.create_bucket(Bucket=bucket)
    else:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})


def _set_bucket(s3: "S3Client", bucket: str, name: str, value: Any) -> None:
    """Apply one property; the S3 API spells some otherwise than CloudFormation."""
    rules: list[Any]
    match name:
        case "BucketEncryption":
            rules = [
                {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
                for rule in value["ServerSideEncryptionConfiguration"]
            ]
            s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})
        case "PublicAccessBlockConfiguration":
            s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=value)
        case "OwnershipControls":
            s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=value)
        case "LifecycleConfiguration":
            rules = [_lifecycle_rule(rule) for rule in value["Rules"]]
            s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
        case _:
            raise CannotRun(f"resources.yaml declares {name} of a bucket, which dev/provision.py doesn't know.")


def _lifecycle_rule(declared: dict[str, Any]) -> dict[str, Any]:
    rule = {("ID" if name == "Id" else name): value for name, value in declared.items()} | {"Filter": {"Prefix": ""}}
    days = rule.pop("ExpirationInDays", None)
    return rule if days is None else rule | {"Expiration": {"Days": days}}


def _match_table(dynamodb: "DynamoDBClient", declared: dict[str, Any]) -> None:
    table = declared["TableName"]
    found = dynamodb.describe_table(TableName=table)["Table"]
    indexes = {index["IndexName"]: index for index in found.get("GlobalSecondaryIndexes", [])}
    _match_keys(f"table {table}", declared, found, declared, found)
    for index in declared.get("GlobalSecondaryIndexes", []):
        name = index["IndexName"]
        if name in indexes:
            _match_keys(f"index {name} of table {table}", index, indexes[name], declared, found)
        else:
            dynamodb.update_table(
                TableName=table,
                AttributeDefinitions=declared["AttributeDefinitions"],
                GlobalSecondaryIndexUpdates=[{"Create": index}],
            )


def _match_keys(what: str, declared: Any, found: Any, declared_table: Any, found_table: Any) -> None:
    wanted, existing = _keys(declared, declared_table), _keys(found, found_table)
    if wanted != existing:
        raise CannotRun(f"The {what} has the keys {existing}, but resources.yaml declares {wanted}; use other data.")


def _keys(part: Any, table: Any) -> str:
    """The keys of a table or index in their order, with types: `user_id (S), created_at (S)`."""
    types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in table["AttributeDefinitions"]}
    names = [key["AttributeName"] for key in part["KeySchema"]]
    return ", ".join(f"{name} ({types[name]})" for name in names)


def _expires(dynamodb: "DynamoDBClient", table: str) -> bool:
    status = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"].get("TimeToLiveStatus")
    return status in ("ENABLED", "ENABLING")
