"""What resources.yaml declares, with the names of a stage's settings."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from chalicelib.config import Settings
from project import PROJECT
from project.template import Template, parse

RESOURCES = PROJECT / "resources.yaml"


def declarations(kind: str, settings: Settings) -> list[dict[str, Any]]:
    """Return the properties of each resource of a CloudFormation type, with the settings' names for parameters."""
    resources = template().resources(kind, **names(settings))
    return [resource["Properties"] for resource in resources.values()]


def names(settings: Settings) -> dict[str, str]:
    """Return the values of the template's parameters that name a bucket, a table or a queue."""
    return {
        "OriginalsBucketName": settings.s3_bucket_name,
        "DerivedBucketName": settings.derived_bucket_name,
        "StagedBucketName": settings.staged_bucket_name,
        "ImagesTableName": settings.images_table_name,
        "ImageTagsTableName": settings.image_tags_table_name,
        "TagCountsTableName": settings.tag_counts_table_name,
        "ItemsTableName": settings.items_table_name,
        "IdempotencyKeysTableName": settings.idempotency_keys_table_name,
        "DeadLetterQueueName": settings.dead_letter_queue_name,
    }


def cors_rules(bucket: Mapping[str, Any]) -> list[Any]:
    """Return the CORS rules in the properties of a bucket, as the S3 API spells them."""
    rules = bucket.get("CorsConfiguration", {}).get("CorsRules", [])
    spellings = {"ExposedHeaders": "ExposeHeaders", "MaxAge": "MaxAgeSeconds"}
    return [{spellings.get(name, name): value for name, value in rule.items()} for rule in rules]


@cache
def template() -> Template:
    """Parse resources.yaml, once: parsing takes longer than creating the tables and buckets that it declares."""
    return parse(RESOURCES.read_text())
