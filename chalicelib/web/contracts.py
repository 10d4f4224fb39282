"""The answers that depend on the setting CONTRACT: whose keys, spelling and statuses the shared routes answer with.

Five image services have published an HTTP contract, called A to E; docs/contracts.md compares their answers. B is the
service's own. Under B, the default, a route that belongs to another contract alone answers with that contract's keys
beside its own. Under each other contract, the routes of that contract answer exactly as its service did, so that its
clients change their base URL and nothing else. Readers and use cases are the same under every contract.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlencode

from chalicelib.config import settings
from chalicelib.images.model import Detail, Download, DownloadType, Unready, View
from chalicelib.items.model import Item
from chalicelib.lists.model import Page
from chalicelib.model import Image, Visibility
from chalicelib.web import answers, caching, shapes
from chalicelib.web.answers import Shape
from chalicelib.web.fields import SPELLINGS

Answer = tuple[Any, caching.Headers, int]  # the body, the headers and the status of a response

_NO_CONTENT: Answer = ("", {}, 204)


class B:
    """The answers of contract B, and of every route whose contract is not that of the stage."""

    # The filter `visibility` of a list query that has none: the images that the caller may see, or public ones only.
    default_visibility: str = "all"
    # Whether the lists and views have the keys that the gallery reads.
    has_gallery: bool = True

    def error(self, sentence: str) -> Shape:
        """Return the body of an error."""
        return {"error": sentence, "message": sentence}

    def uploaded(self, image: Image) -> Answer:
        """Answer `POST /images`, which B and D share."""
        return self._uploaded(image)

    def uploaded_in_either_form(self, image: Image) -> Answer:
        """Answer `POST /images/upload` (E)."""
        shape, headers, status = self._uploaded(image)
        return {**shapes.e_uploaded(image), **shape}, headers, status

    def uploaded_by_verb(self, image: Image, *, as_form: bool) -> Answer:
        """Answer `POST /upload`, which A, C and E share: with the keys of all three."""
        shape, headers, _ = self._uploaded(image)
        shape = {**shapes.e_file(image), **shapes.a_uploaded(image), **shape, **shapes.c_uploaded(image)}
        return shape, headers, 200 if as_form else 201

    def listed(self, page: Page) -> Answer:
        """Answer `GET /images`, which A, B, D and E share."""
        shape = answers.page("images", _entries(page, answers.metadata), page.cursor)
        return {**shape, **_explained(page)}, _list_headers(page), 200

    def viewed(self, view: View) -> Answer:
        """Answer `GET /images/{image_id}`, which B, D and E share."""
        return answers.viewed(view), {**caching.validators(view.image), **caching.NO_STORE}, 200

    def linked(self, view: View) -> Answer:
        """Answer `GET /image/{image_id}` (A)."""
        return {**_linked(view), **shapes.a_linked(view)}, {**caching.validators(view.image), **caching.NO_STORE}, 200

    def updated(self, image: Image) -> Answer:
        """Answer `PUT /images/{image_id}` (E)."""
        metadata = answers.metadata(image)
        shape = {"message": "Image updated successfully", "image_id": image.image_id, "metadata": metadata}
        return shape, caching.etag(image), 200

    def deleted(self, image: Image) -> Answer:
        """Answer `DELETE /images/{image_id}`, which B, D and E share."""
        return answers.deleted(image), {}, 200

    def downloaded(self, download: Download | Unready) -> Answer:
        """Answer `GET /images/{image_id}/download`: with a URL in JSON (D), or by a redirect, bytes or base64 (E)."""
        import pybase64

        if isinstance(download, Unready):
            return answers.unready(download)
        view, image = download.view, download.view.image
        match download.how:
            case DownloadType.REDIRECT:
                return _linked(view), {"Location": view.presigned_url or "", **caching.NO_STORE}, 302
            case DownloadType.BINARY:
                # The content type was detected from the bytes.
                disposition = view.picture.disposition or "attachment"
                headers = {"Content-Type": view.content_type, "Content-Disposition": disposition}
                return download.content, {**headers, **caching.NO_STORE}, 200
            case DownloadType.BASE64:
                content = pybase64.b64encode(download.content).decode()
                shape = {"image_id": image.image_id, "content": content, "metadata": answers.metadata(image)}
                return shape, caching.NO_STORE, 200
            case _:
                return self._download_link(view), caching.NO_STORE, 200

    def item(self, item: Item, status: int = 200) -> Answer:
        """Answer a request for one item (E)."""
        return answers.item(item), {**caching.validators(item), **caching.revalidated(Visibility.PUBLIC)}, status

    def deleted_item(self, item_id: str) -> Answer:
        """Answer `DELETE /items/{item_id}` (E)."""
        return answers.deleted_item(item_id), {}, 200

    def _uploaded(self, image: Image) -> Answer:
        shape = {"message": shapes.UPLOADED, "image_id": image.image_id, "metadata": answers.metadata(image)}
        return shape, caching.etag(image), 201

    def _download_link(self, view: View) -> Shape:
        return {**_linked(view), "url": view.presigned_url}


class A(B):
    """The answers of contract A."""

    def error(self, sentence: str) -> Shape:
        """Return the body of an error."""
        return {"message": sentence}

    def uploaded_by_verb(self, image: Image, *, as_form: bool) -> Answer:
        """Answer `POST /upload`."""
        return shapes.a_uploaded(image), caching.etag(image), 200 if as_form else 201

    def listed(self, page: Page) -> Answer:
        """Answer `GET /images`."""
        shape, headers, status = super().listed(page)
        return {"message": "Images retrieved successfully", **shape}, headers, status

    def linked(self, view: View) -> Answer:
        """Answer `GET /image/{image_id}`."""
        _, headers, status = super().linked(view)
        return shapes.a_linked(view), headers, status


class C(B):
    """The answers of contract C. Its other routes belong to it alone, and answer the same in every stage."""

    def uploaded_by_verb(self, image: Image, *, as_form: bool) -> Answer:
        """Answer `POST /upload`."""
        return shapes.c_uploaded(image), caching.etag(image), 200


class D(B):
    """The answers of contract D: flat records."""

    has_gallery = False

    def error(self, sentence: str) -> Shape:
        """Return the body of an error."""
        return {"error": sentence}

    def uploaded(self, image: Image) -> Answer:
        """Answer `POST /images`."""
        return shapes.d_record(image), caching.etag(image), 201

    def listed(self, page: Page) -> Answer:
        """Answer `GET /images`."""
        entries = _entries(page, shapes.d_record)
        return {"items": entries, "next_token": page.cursor, **_explained(page)}, _list_headers(page), 200

    def viewed(self, view: View) -> Answer:
        """Answer `GET /images/{image_id}`."""
        headers = {**caching.validators(view.image), **caching.revalidated(view.image.visibility)}
        return shapes.d_record(view.image), headers, 200

    def deleted(self, image: Image) -> Answer:
        """Answer `DELETE /images/{image_id}`."""
        return _NO_CONTENT

    def _download_link(self, view: View) -> Shape:
        return {"url": view.presigned_url}


class E(B):
    """The answers of contract E: flat records in camelCase."""

    has_gallery = False
    default_visibility = "public"

    def error(self, sentence: str) -> Shape:
        """Return the body of an error."""
        return {"error": sentence}

    def uploaded_in_either_form(self, image: Image) -> Answer:
        """Answer `POST /images/upload`."""
        return shapes.e_uploaded(image), caching.etag(image), 200

    def uploaded_by_verb(self, image: Image, *, as_form: bool) -> Answer:
        """Answer `POST /upload`, E's older upload."""
        return shapes.e_file(image), caching.etag(image), 200

    def listed(self, page: Page) -> Answer:
        """Answer `GET /images`."""
        entries = _entries(page, shapes.e_record)
        more = {} if page.cursor is None else {"nextToken": page.cursor}
        return {"images": entries, "count": len(entries), **more, **_explained(page)}, _list_headers(page), 200

    def viewed(self, view: View) -> Answer:
        """Answer `GET /images/{image_id}`."""
        headers = {**caching.validators(view.image), **caching.revalidated(view.image.visibility)}
        return shapes.e_record(view.image), headers, 200

    def updated(self, image: Image) -> Answer:
        """Answer `PUT /images/{image_id}`."""
        return shapes.e_record(image), caching.etag(image), 200

    def deleted(self, image: Image) -> Answer:
        """Answer `DELETE /images/{image_id}`."""
        return _NO_CONTENT

    def item(self, item: Item, status: int = 200) -> Answer:
        """Answer a request for one item."""
        _, headers, _ = super().item(item)
        times = {"createdAt": item.created_at, "updatedAt": item.updated_at}
        return {"id": item.item_id, **item.document, **times}, headers, status

    def deleted_item(self, item_id: str) -> Answer:
        """Answer `DELETE /items/{item_id}`."""
        return _NO_CONTENT


_CONTRACTS = {"a": A(), "b": B(), "c": C(), "d": D(), "e": E()}


def contract() -> B:
    """Return the contract of this stage."""
    return named(settings().contract)


def named(name: str) -> B:
    """Return a contract by its value of CONTRACT."""
    return _CONTRACTS[name]


def with_details(answer: Answer, image: Image, wanted: Collection[Detail]) -> Answer:
    """Return the answer to a view with what EXIF says, under every contract. Nobody may keep one with a location."""
    body, headers, status = answer
    unkept = caching.NO_STORE if Detail.LOCATION in wanted else {}
    return {**body, **answers.details(image, wanted)}, {**headers, **unkept}, status


# Routes that belong to contract C alone


def c_listed(page: Page, query: Mapping[str, list[str]]) -> Answer:
    """Answer `GET /list`: an array, and a Link to the next page, relative to the list's own URL (RFC 8288 section 3).

    `query` has the parameters of the request, which the link repeats.
    """
    entries, headers = _entries(page, shapes.c_record, "url"), _list_headers(page)
    if page.cursor is None:
        return entries, headers, 200
    filters = {name: values for name, values in query.items() if name not in SPELLINGS["last_evaluated_key"]}
    query_string = urlencode({**filters, "last_evaluated_key": page.cursor}, doseq=True)
    return entries, {**headers, "Link": f'<?{query_string}>; rel="next"'}, 200


def c_viewed(view: View) -> Answer:
    """Answer `GET /view/{image_id}`."""
    return shapes.c_linked(view), {**caching.validators(view.image), **caching.NO_STORE}, 200


def c_deleted(image: Image) -> Answer:
    """Answer `DELETE /delete/{image_id}`."""
    return {"deleted": image.image_id, "key": shapes.c_key(image)}, {}, 200


# What several contracts have in common


def _linked(view: View) -> Shape:
    return {
        "image_id": view.image.image_id,
        "download_url": view.presigned_url,
        "expires_in": view.expires_in,
        "metadata": answers.metadata(view.image),
        **({} if view.presigned_url else {"state": view.image.state}),
    }


def _entries(page: Page, record: Callable[[Image], Shape], url_name: str = "presigned_url") -> list[Shape]:
    """Return the entries of a list: records, each with what the query asks for (`include`)."""
    return [{**record(entry.image), **answers.included(entry, page.include, url_name)} for entry in page.entries]


def _explained(page: Page) -> Shape:
    """Return what a query can ask for beside the entries: how long URLs are valid, and how the page was read."""
    return {**answers.expiry(page.include), **answers.explained(page.explanation)}


def _list_headers(page: Page) -> caching.Headers:
    if answers.has_urls(page.include):
        return caching.NO_STORE
    shown = {entry.image.visibility for entry in page.entries}
    return caching.revalidated(Visibility.PRIVATE if Visibility.PRIVATE in shown else Visibility.PUBLIC)
