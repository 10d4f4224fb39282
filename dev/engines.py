"""The command lines of the two engines: ministack for S3 and SQS, DynamoDB Local for DynamoDB.

DynamoDB Local listens on all addresses; it has no option for this. It keeps a separate database for each access key id,
and does not check signatures. The database's id is random and in no URL, so a stranger who reaches the port sees no
data.
"""

import sys

from dev.disk import MEGABYTE, MIN_FREE_MB
from dev.folder import Folder
from dev.install import Installed
from dev.processes import Program
from project import PROJECT


def ministack(
    installed: Installed, folder: Folder, host: str, port: int, region: str, min_free_mb: int = MIN_FREE_MB
) -> Program:
    """Return the S3 and SQS emulator, which listens on `host` and keeps `min_free_mb` of the disk free.

    Every acknowledged object is on disk. Queues and bucket settings are written when the emulator is stopped.
    """
    return Program(
        name="ministack",
        # -S hides the service's own packages, and -P the modules in this folder.
        command=[sys.executable, "-S", "-P", str(PROJECT / "dev" / "gate.py")],
        port=port,
        folder=folder.s3_state,
        environment={
            "PYTHONPATH": str(installed.ministack),
            "SERVICES": "s3,sqs",
            "BIND_HOST": host,
            "GATEWAY_PORT": str(port),
            "MINISTACK_REGION": region,
            # Every request must be signed with this key, as on AWS. gate.py checks all signatures except those in the
            # forms of presigned POSTs, which ministack checks if AUTH is true.
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": folder.url_key_id,
            "PRIVATE_ACCESS_KEY_ID": folder.access_key_id,
            "AWS_SECRET_ACCESS_KEY": folder.secret_access_key,
            "MIN_FREE_BYTES": str(min_free_mb * MEGABYTE),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(folder.s3),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(folder.s3_state),
            "TMPDIR": str(folder.s3_state),
            "LOG_LEVEL": "WARNING",
            # Other services' listeners and the Docker daemon: S3 and SQS do not need them.
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
            "DOCKER_HOST": "unix:///nonexistent",
        },
    )


def dynamodb_local(installed: Installed, folder: Folder, port: int, origin: str) -> Program:
    """Return DynamoDB Local, with its data on disk. Only web pages of `origin` may call it."""
    home = installed.dynamodb_local
    # The first compiler alone: it halves the start-up time.
    java = [str(installed.java), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    jar = [f"-Djava.library.path={home / 'DynamoDBLocal_lib'}", "-jar", str(home / "DynamoDBLocal.jar")]
    options = ["-port", str(port), "-dbPath", str(folder.dynamodb), "-cors", origin, "-disableTelemetry"]
    return Program(name="DynamoDB Local", command=[*java, *jar, *options], port=port, folder=folder.dynamodb)
