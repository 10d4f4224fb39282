"""The use case of showing an image: where its best picture is, for a client and for the room that it has."""

from chalicelib.config import settings
from chalicelib.errors import NotFound, NotYet
from chalicelib.images import images, renditions
from chalicelib.model import Caller, RenderedView, RenderRequest, State
from chalicelib.stores import derived, originals


def render(caller: Caller, image_id: str, wanted: RenderRequest) -> RenderedView:
    """A presigned URL of an image's best picture: as many calls as to find it.

    It may be kept for half of the time that the URL opens, so that a kept one opens for the other half at least; not
    at all while there are no variants, which may come at any time.
    Raises NotFound: no such image for this caller, or it was rejected.
    Raises NotYet: it is awaited; or see renditions.best.
    """
    image = images.find(caller, image_id)
    if image.state in (State.AWAITING_UPLOAD, State.PROCESSING) and not image.listed:
        raise NotYet("The image isn't here yet; GET images/{image_id} says how far it is.")
    if not image.listed:
        raise NotFound(image_id)
    variant = renditions.best(image, wanted)
    expires_in = settings().presigned_url_expiration
    url = (
        derived.presigned_url(image, variant, expires_in)
        if variant
        else originals.presigned_url(image.s3_key, expires_in)
    )
    return RenderedView(image, variant, url, expires_in, max_age=expires_in // 2 if image.look else None)
