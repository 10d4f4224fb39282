"""A client of the image service images-api: `Client` has one method for each operation.

The package speaks HTTP only, and knows nothing of the service's own code.
"""

from images_api_client.client import Client
from images_api_client.errors import (
    BadRequest,
    Conflict,
    ConnectionFailed,
    DamagedDownload,
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
    Unauthorized,
    Unavailable,
    UnsupportedType,
)
from images_api_client.model import Analysis, Count, Image, Link, Similar, SimilarImages, State, TagCount, Visibility

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "BadRequest",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Count",
    "DamagedDownload",
    "FileChanged",
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
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "UnsupportedType",
    "Visibility",
]
