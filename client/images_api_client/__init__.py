"""A client of the image service images-api: `Client` has one method for each operation.

The package speaks HTTP only, and knows nothing of the service's own code.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from images_api_client.errors import (
    BadAddress,
    BadCredentials,
    BadRequest,
    ClientClosed,
    Conflict,
    ConnectionFailed,
    DamagedDownload,
    DamagedUpload,
    FileChanged,
    Forbidden,
    Gone,
    ImagesError,
    ImportsRefused,
    InUse,
    JournalUnusable,
    NoExport,
    NoPicture,
    NotFound,
    OtherContent,
    PreconditionFailed,
    Rejected,
    ServiceError,
    Stopped,
    TooLarge,
    TooManyRequests,
    Unaccepted,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    UnsupportedType,
    UserRequired,
)
from images_api_client.model import Analysis, Count, Image, Link, Similar, SimilarImages, State, TagCount, Visibility

if TYPE_CHECKING:
    from images_api_client.archive.report import ArchiveOutcome, ArchiveStatus, ExportReport, ImportReport
    from images_api_client.client import Client, Filters
    from images_api_client.credentials import Token
    from images_api_client.downloads.folder import DownloadOutcome, DownloadStatus
    from images_api_client.folders.model import UploadOutcome, UploadProgress, UploadStatus
    from images_api_client.runs.progress import TransferProgress
    from images_api_client.transport import Timeouts

__version__ = "0.1.0"

# Imported when they are used, because they take longer to import than the help and the completion of the command line.
_LATE = {
    "ArchiveOutcome": "archive.report",
    "ArchiveStatus": "archive.report",
    "Client": "client",
    "DownloadOutcome": "downloads.folder",
    "DownloadStatus": "downloads.folder",
    "ExportReport": "archive.report",
    "Filters": "client",
    "ImportReport": "archive.report",
    "Timeouts": "transport",
    "Token": "credentials",
    "TransferProgress": "runs.progress",
    "UploadOutcome": "folders.model",
    "UploadProgress": "folders.model",
    "UploadStatus": "folders.model",
}

__all__ = [
    "Analysis",
    "ArchiveOutcome",
    "ArchiveStatus",
    "BadAddress",
    "BadCredentials",
    "BadRequest",
    "Client",
    "ClientClosed",
    "Conflict",
    "ConnectionFailed",
    "Count",
    "DamagedDownload",
    "DamagedUpload",
    "DownloadOutcome",
    "DownloadStatus",
    "ExportReport",
    "FileChanged",
    "Filters",
    "Forbidden",
    "Gone",
    "Image",
    "ImagesError",
    "ImportReport",
    "ImportsRefused",
    "InUse",
    "JournalUnusable",
    "Link",
    "NoExport",
    "NoPicture",
    "NotFound",
    "OtherContent",
    "PreconditionFailed",
    "Rejected",
    "ServiceError",
    "Similar",
    "SimilarImages",
    "State",
    "Stopped",
    "TagCount",
    "Timeouts",
    "Token",
    "TooLarge",
    "TooManyRequests",
    "TransferProgress",
    "Unaccepted",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "UnsupportedType",
    "UploadOutcome",
    "UploadProgress",
    "UploadStatus",
    "UserRequired",
    "Visibility",
]


def __getattr__(name: str) -> Any:
    """Return one of the names that are imported late (PEP 562)."""
    if name in _LATE:
        return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
