"""Create the buckets and tables that `resources.yaml` declares, on any endpoint with the API of S3 and DynamoDB.

The rest of the file applies only to AWS and LocalStack, where CloudFormation creates it:
- policies of the buckets and the queue: they require TLS, which a loopback endpoint does not have;
- versions of objects: tests look at the objects of a bucket to see whether anything is left over;
- point-in-time recovery: DynamoDB Local has no backups;
- logs, alarms and the dashboard: there is no CloudWatch;
- deletion policies: there is no CloudFormation stack;
- AWS Backup: it is off by default.
dev/pump.py creates the dead-letter queue.
"""

from typing import TYPE_CHECKING, Any

from chalicelib.config import Settings
from project import CannotRun
from project.resources import cors_rules, declarations

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

_NOT_SET_BUCKET = {"BucketName", "VersioningConfiguration"}
_NOT_CREATE_TABLE = {"PointInTimeRecoverySpecification", "TimeToLiveSpecification"}


def create(s3: "S3Client", dynamodb: "DynamoDBClient", settings: Settings) -> None:
    """Create the buckets and tables that do not exist yet.

    Raises CannotRun: a table or an index has other keys than declared.
    """
    create_buckets(s3, settings)
    create_tables(dynamodb, settings)


def create_buckets(s3: "S3Client", settings: Settings) -> None:
    """Create the buckets that do not exist yet, and apply the declared settings to all of them."""
    existing = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for declared in declarations("AWS::S3::Bucket", settings):
        bucket = declared["BucketName"]
        if bucket not in existing:
            _create_bucket(s3, bucket)
        for name, value in declared.items():
            if name not in _NOT_SET_BUCKET:
                _set_bucket(s3, bucket, name, value)


def create_tables(dynamodb: "DynamoDBClient", settings: Settings) -> None:
    """Create the tables and indexes that do not exist yet.

    Raises CannotRun: a table or an index has other keys than declared.
    """
    for declared in declarations("AWS::DynamoDB::Table", settings):
        time_to_live = declared.get("TimeToLiveSpecification")
        arguments = {name: value for name, value in declared.items() if name not in _NOT_CREATE_TABLE}
        try:
            dynamodb.create_table(**arguments)
            changes = True
        except dynamodb.exceptions.ResourceInUseException:
            changes = _match_table(dynamodb, arguments)
        table = arguments["TableName"]
        if changes:  # the waiter describes the table, for which DynamoDB Local counts its items
            dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        if time_to_live and not _expires(dynamodb, table):
            dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification=time_to_live)


def _create_bucket(s3: "S3Client", bucket: str) -> None:
    region: Any = s3.meta.region_name
    if region == "us-east-1":  # the default, which S3 does not accept as a LocationConstraint
        s3.create_bucket(Bucket=bucket)
    else:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})


def _set_bucket(s3: "S3Client", bucket: str, name: str, value: Any) -> None:
    """Apply one property of a bucket. The S3 API spells some properties differently from CloudFormation."""
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
        case "CorsConfiguration":
            rules = cors_rules({name: value})
            s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})
        case "LifecycleConfiguration":
            rules = [_lifecycle_rule(rule) for rule in value["Rules"]]
            s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
        case _:
            raise CannotRun(f"resources.yaml declares {name} of a bucket, which dev/provision.py cannot apply.")


def _lifecycle_rule(declared: dict[str, Any]) -> dict[str, Any]:
    rule: dict[str, Any] = {"Filter": {"Prefix": ""}}
    for name, value in declared.items():
        match name:
            case "Id":
                rule["ID"] = value
            case "ExpirationInDays":
                rule["Expiration"] = {"Days": value}
            case "ExpiredObjectDeleteMarker":
                rule["Expiration"] = {"ExpiredObjectDeleteMarker": value}
            case _:
                rule[name] = value
    return rule


def _match_table(dynamodb: "DynamoDBClient", declared: dict[str, Any]) -> bool:
    """Create the indexes that a table lacks, and return whether there are any. Raises CannotRun: see create_tables."""
    table = declared["TableName"]
    found = dynamodb.describe_table(TableName=table)["Table"]
    indexes = {index["IndexName"]: index for index in found.get("GlobalSecondaryIndexes", [])}
    _match_keys(f"table {table}", declared, found, declared, found)
    changes = False
    for index in declared.get("GlobalSecondaryIndexes", []):
        name = index["IndexName"]
        if name in indexes:
            _match_keys(f"index {name} of table {table}", index, indexes[name], declared, found)
        else:
            changes = True
            dynamodb.update_table(
                TableName=table,
                AttributeDefinitions=declared["AttributeDefinitions"],
                GlobalSecondaryIndexUpdates=[{"Create": index}],
            )
            if found.get("ItemCount"):
                print(
                    f"The table {table} has the new index {name}. Run `make reindex` once, so that lists that read it "
                    "have the images from before.",
                    flush=True,
                )
    return changes


def _match_keys(what: str, declared: Any, found: Any, declared_table: Any, found_table: Any) -> None:
    wanted, existing = _keys(declared, declared_table), _keys(found, found_table)
    if wanted != existing:
        raise CannotRun(f"The {what} has the keys {existing}, but resources.yaml declares {wanted}; use other data.")


def _keys(part: Any, table: Any) -> str:
    """Return the keys of a table or index in their order, with types: `user_id (S), created_at (S)`."""
    types = {attribute["AttributeName"]: attribute["AttributeType"] for attribute in table["AttributeDefinitions"]}
    names = [key["AttributeName"] for key in part["KeySchema"]]
    return ", ".join(f"{name} ({types[name]})" for name in names)


def _expires(dynamodb: "DynamoDBClient", table: str) -> bool:
    status = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"].get("TimeToLiveStatus")
    return status in ("ENABLED", "ENABLING")
