"""Limits of AWS, each with the page that states it. Those that AWS raises on request are defaults.

They were checked in November 2026 in copies of these pages, which can be older than the pages.
"""

from dataclasses import dataclass

_DYNAMODB = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide"
_LAMBDA = "https://docs.aws.amazon.com/lambda/latest/dg"
_API_GATEWAY = "https://docs.aws.amazon.com/apigateway/latest/developerguide"
_S3 = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html"
_BLOG = "https://aws.amazon.com/blogs/database"


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit of AWS."""

    value: float
    unit: str  # what the value counts, in a sentence after it
    page: str
    grows: str  # whether AWS raises it, and how
    is_quoted: bool = False  # whether only a quotation of the page was found


PARTITION_WRITES = Quota(1_000, "write units/s of a partition", f"{_DYNAMODB}/bp-partition-key-design.html", "no")
PARTITION_READS = Quota(3_000, "read units/s of a partition", f"{_DYNAMODB}/bp-partition-key-design.html", "no")
PARTITION_GB = Quota(
    10,
    "GB in a partition, which is then split",
    f"{_BLOG}/part-3-scaling-dynamodb-how-partitions-hot-keys-and-split-for-heat-impact-performance/",
    "not needed",
)
TRANSACTION_UNITS = Quota(
    2, "write units for each KB of an item in a transaction", f"{_DYNAMODB}/transaction-apis.html", "no"
)
TABLE_UNITS = Quota(
    40_000, "read and as many write units/s of a table", f"{_DYNAMODB}/ServiceQuotas.html", "on request"
)
NEW_TABLE_WRITES = Quota(
    4_000,
    "write units/s of a new table, 12,000 read units/s",
    f"{_DYNAMODB}/on-demand-capacity-mode.html",
    "warm throughput",
)
ITEM_OVERHEAD = Quota(
    100, "bytes of storage for each item, beside it", f"{_DYNAMODB}/CapacityUnitCalculations.html", "no"
)
CONCURRENCY = Quota(1_000, "concurrent executions of an account", f"{_LAMBDA}/gettingstarted-limits.html", "on request")
REQUESTS_OF_AN_EXECUTION = Quota(
    10,
    "synchronous requests/s for each concurrent execution of the quota",
    f"{_LAMBDA}/gettingstarted-limits.html",
    "with the quota",
)
NEW_EXECUTIONS = Quota(1_000, "new executions of a function in 10 s", f"{_LAMBDA}/scaling-behavior.html", "no")
API_REQUESTS = Quota(
    10_000, "requests/s of an account and region, and a burst", f"{_API_GATEWAY}/limits.html", "on request"
)
API_BODY_MB = Quota(
    10, "MB of a body, and 29 s", f"{_API_GATEWAY}/api-gateway-execution-service-limits-table.html", "time, on request"
)
S3_WRITES = Quota(
    3_500,
    "PUT, COPY, POST or DELETE/s of a partitioned prefix",
    _S3,
    "by itself, gradually",
)
S3_READS = Quota(
    5_500,
    "GET or HEAD/s of a partitioned prefix",
    _S3,
    "by itself, gradually",
)
SSM_READS = Quota(
    40,
    "GetParameter/s of an account and region",
    "https://docs.aws.amazon.com/general/latest/gr/ssm.html",
    "`high-throughput-enabled`",
    is_quoted=True,
)
CDN_REQUESTS = Quota(
    250_000,
    "requests/s of a distribution, and 150 Gbit/s",
    "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html",
    "on request",
)

ALL = (
    PARTITION_WRITES,
    PARTITION_READS,
    PARTITION_GB,
    TRANSACTION_UNITS,
    TABLE_UNITS,
    NEW_TABLE_WRITES,
    ITEM_OVERHEAD,
    CONCURRENCY,
    REQUESTS_OF_AN_EXECUTION,
    NEW_EXECUTIONS,
    API_REQUESTS,
    API_BODY_MB,
    S3_WRITES,
    S3_READS,
    SSM_READS,
    CDN_REQUESTS,
)
