"""How the two engines are started: ministack for S3 and SQS, DynamoDB Local for DynamoDB.

DynamoDB Local can't be bound to one address. Whoever reaches its port still sees nothing without the data folder's
access key id: it keeps a database for each, and that id is random. A presigned URL shows it: give those only to people
you would let into the machine.
"""

import sys

from dev.folder import Folder
from dev.install import Installed
from dev.processes import Program
from project import PROJECT


def ministack(installed: Installed, folder: Folder, host: str, port: int, region: str) -> Program:
    """S3 and SQS, bound to `host`; what is acknowledged is on disk, queues and bucket settings after a clean stop."""
    return Program(
        name="ministack",
        # Without the service's own packages (-S), and without this folder's modules among its (-P).
        command=[sys.executable, "-S", "-P", str(PROJECT / "dev" / "gate.py")],
        port=port,
        folder=folder.s3_state,
        environment={
            "PYTHONPATH": str(installed.ministack),
            "SERVICES": "s3,sqs",
            "BIND_HOST": host,
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": region,
            # Every request must be signed with this key, as on AWS: gate.py sees to it, but for the forms of presigned
            # POSTs, which ministack checks when told to.
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": folder.access_key_id,
            "AWS_SECRET_ACCESS_KEY": folder.secret_access_key,
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(folder.s3),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(folder.s3_state),
            "TMPDIR": str(folder.s3_state),
            "LOG_LEVEL": "WARNING",
            # Listeners and a container daemon that S3 and SQS have no use for.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
        },
    )


def dynamodb_local(installed: Installed, folder: Folder, port: int, origin: str) -> Program:
    """DynamoDB on disk; browsers may call it from pages of `origin` only."""
    home = installed.dynamodb_local
    # C1 alone halves the time to start.
    java = [str(installed.java), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    jar = [f"-Djava.library.path={home / 'DynamoDBLocal_lib'}", "-jar", str(home / "DynamoDBLocal.jar")]
    options = ["-port", str(port), "-dbPath", str(folder.dynamodb), "-cors", origin, "-disableTelemetry"]
    return Program(name="DynamoDB Local", command=[*java, *jar, *options], port=port, folder=folder.dynamodb)
