"""A client of the image service images-api: `Client` has one method for each operation.

The package speaks HTTP only, and knows nothing of the service's own code.
"""

from images_api_client.client import Client, Filters
from images_api_client.credentials import Token
from images_api_client.errors import (
    BadAddress,
    BadRequest,
    BadToken,
    ClientClosed,
    Conflict,
    ConnectionFailed,
    DamagedDownload,
    DamagedUpload,
    FileChanged,
    Forbidden,
    Gone,
    ImagesError,
    NotFound,
    PreconditionFailed,
    Rejected,
    ServiceError,
    TooLarge,
    TooManyRequests,
    Unaccepted,
    Unauthorized,
    Unavailable,
    UnexpectedAnswer,
    UnsupportedType,
)
from images_api_client.model import Analysis, Count, Image, Link, Similar, SimilarImages, State, TagCount, Visibility
from images_api_client.transport import Timeouts

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "BadAddress",
    "BadRequest",
    "BadToken",
    "Client",
    "ClientClosed",
    "Conflict",
    "ConnectionFailed",
    "Count",
    "DamagedDownload",
    "DamagedUpload",
    "FileChanged",
    "Filters",
    "Forbidden",
    "Gone",
    "Image",
    "ImagesError",
    "Link",
    "NotFound",
    "PreconditionFailed",
    "Rejected",
    "ServiceError",
    "Similar",
    "SimilarImages",
    "State",
    "TagCount",
    "Timeouts",
    "Token",
    "TooLarge",
    "TooManyRequests",
    "Unaccepted",
    "Unauthorized",
    "Unavailable",
    "UnexpectedAnswer",
    "UnsupportedType",
    "Visibility",
]
