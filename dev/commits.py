"""Make the app's calls to the emulators as safe as calls to AWS: no transaction is confirmed that is not on disk.

DynamoDB Local answers TransactWriteItems before SQLite commits. If the process is killed in between, or the disk is
full, the transaction is lost. So each transaction is proved: a different transaction is sent with the same
ClientRequestToken. DynamoDB Local stores the token in the transaction itself. If the first one is committed, the second
is refused with IdempotentParameterMismatchException. If not, its condition fails. In both cases it writes nothing. The
other calls that write are answered after their commit.
"""

from collections.abc import MutableMapping
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import Unavailable
from dev.disk import Disk

_COMMITTED = "IdempotentParameterMismatchException"
_LOST = "The database did not store the change, perhaps because the disk is full; free some space, then try again."
_TOKEN = "ClientRequestToken"  # noqa: S105


class Commits:
    """Handlers of a botocore session's events: they prove transactions, and report a full disk as such."""

    def __init__(self, prover: Any, table: str, disk: Disk) -> None:
        """`prover` is a DynamoDB client of another session. `table` has the key `image_id`."""
        self._prover, self._table, self._disk = prover, table, disk

    def register(self, events: Any) -> None:
        """Handle the events of a botocore session, before its clients are created."""
        events.register("before-parameter-build.dynamodb.TransactWriteItems", self._name)
        events.register("after-call.dynamodb.TransactWriteItems", self._prove)
        for service in ("dynamodb", "s3"):
            events.register(f"after-call.{service}", self._explain)

    def _name(self, params: dict[str, Any], context: MutableMapping[str, Any], **_: Any) -> None:
        context[_TOKEN] = params.setdefault(_TOKEN, str(uuid4()))

    def _prove(self, http_response: Any, context: MutableMapping[str, Any], **_: Any) -> None:
        """Raise Unavailable unless a transaction that was answered with success is committed."""
        if http_response.status_code >= 300:
            return
        never = {
            "TableName": self._table,
            "Key": {"image_id": {"S": "none"}},
            "ConditionExpression": "attribute_exists(image_id)",
        }
        try:
            self._prover.transact_write_items(
                TransactItems=[{"ConditionCheck": never}], ClientRequestToken=context[_TOKEN]
            )
            code = ""
        except ClientError as error:
            code = error.response["Error"]["Code"]
        except BotoCoreError as error:
            raise Unavailable("The store can't be reached; try again in a moment.") from error
        if code != _COMMITTED:
            raise Unavailable(self._disk.shortage or _LOST)

    def _explain(self, http_response: Any, **_: Any) -> None:
        """Raise Unavailable with the reason if a store failed because the disk is full."""
        if http_response.status_code >= 500 and (shortage := self._disk.shortage):
            raise Unavailable(shortage)
