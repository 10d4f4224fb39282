"""Each step from each state, and the consistency of the record, index rows and tag counts that steps write."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import ApiError, Conflict, NotFound, PreconditionFailed
from chalicelib.images import lifecycle
from chalicelib.images.lifecycle import ChecksumMismatch
from chalicelib.images.model import ImportRequest, UpdateRequest, UploadRequest
from chalicelib.model import Image, State, Visibility
from chalicelib.pictures.identify import Picture
from chalicelib.stores.dynamodb import MAX_WRITES, Write
from tests.unit.samples import ANALYSIS, IMAGE

AT = "2026-11-26T12:00:00.000Z"
PICTURE = Picture(content_type="image/png", width=40, height=30)
NO_CHANGES = UpdateRequest(title=None, description=None, tags=None, visibility=None)

# Every kind of image: a state, and whether the image is listed.
IMAGES = {
    name: replace(IMAGE, state=state, listed=listed)
    for name, state, listed in (
        ("awaiting", State.AWAITING_UPLOAD, False),
        ("processing, unlisted", State.PROCESSING, False),
        ("processing, listed", State.PROCESSING, True),
        ("ready", State.READY, True),
        ("failed, unlisted", State.FAILED, False),
        ("failed, listed", State.FAILED, True),
        ("rejected", State.REJECTED, False),
        ("deleting", State.DELETING, False),
        ("deleted", State.DELETED, False),
    )
}

STEPS: dict[str, Callable[[Image], Image]] = {
    "updated": lambda image: lifecycle.updated(image, NO_CHANGES, None, AT),
    "deleting": lambda image: lifecycle.deleting(image, None, AT),
    "discarded": lambda image: lifecycle.discarded(image, AT),
    "deleted": lifecycle.deleted,
    "claimed": lambda image: lifecycle.claimed(image, image.checksum),
    "processed": lambda image: lifecycle.processed(image, ANALYSIS),
    "shown": lambda image: lifecycle.shown(image, ANALYSIS),
    "kept": lambda image: lifecycle.kept(image, PICTURE, "Why."),
    "rejected": lambda image: lifecycle.rejected(image, "Why."),
    "counted": lifecycle.counted,
    "failed": lambda image: lifecycle.failed(image, "Why."),
    "failed_after": lambda image: lifecycle.failed_after(image, 0, "Why."),
}

# The result of each step: the kind of the image after the step ("changed": the same kind, with other fields), an error,
# or None if the image is unchanged.
_PROCESSING = ("claimed", "processed", "shown", "kept", "rejected", "counted", "failed", "failed_after")
_UNCHANGED = dict.fromkeys(_PROCESSING)
TABLE: dict[str, dict[str, str | type[Exception] | None]] = {
    "awaiting": {
        "updated": Conflict,
        "deleting": "deleting",
        "discarded": "deleting",
        "deleted": None,
        "claimed": "processing, unlisted",
        "processed": None,
        "shown": "ready",
        "kept": "failed, listed",
        "rejected": "rejected",
        "counted": "changed",
        "failed": "failed, unlisted",
        "failed_after": "failed, unlisted",
    },
    "processing, unlisted": {
        "updated": Conflict,
        "deleting": "deleting",
        "discarded": "deleting",
        "deleted": None,
        "claimed": None,
        "processed": None,
        "shown": "ready",
        "kept": "failed, listed",
        "rejected": "rejected",
        "counted": "changed",
        "failed": "failed, unlisted",
        "failed_after": "failed, unlisted",
    },
    "processing, listed": {
        "updated": "changed",
        "deleting": "deleting",
        "discarded": Conflict,
        "deleted": None,
        "claimed": None,
        "processed": "ready",
        "shown": None,
        "kept": None,
        "rejected": None,
        "counted": "changed",
        "failed": "failed, listed",
        "failed_after": "failed, listed",
    },
    "ready": {"updated": "changed", "deleting": "deleting", "discarded": Conflict, "deleted": None, **_UNCHANGED},
    "failed, unlisted": {
        "updated": Conflict,
        "deleting": "deleting",
        "discarded": "deleting",
        "deleted": None,
        "claimed": "processing, unlisted",
        "processed": None,
        "shown": "ready",
        "kept": "failed, listed",
        "rejected": "rejected",
        "counted": "changed",
        "failed": "changed",
        "failed_after": "changed",
    },
    "failed, listed": {
        "updated": "changed",
        "deleting": "deleting",
        "discarded": Conflict,
        "deleted": None,
        "claimed": None,
        "processed": "ready",
        "shown": None,
        "kept": None,
        "rejected": None,
        "counted": "changed",
        "failed": "changed",
        "failed_after": "changed",
    },
    "rejected": {
        "updated": Conflict,
        "deleting": "deleting",
        "discarded": "deleting",
        "deleted": None,
        **_UNCHANGED,
    },
    "deleting": {"updated": NotFound, "deleting": None, "discarded": NotFound, "deleted": "deleted", **_UNCHANGED},
    "deleted": {"updated": NotFound, "deleting": NotFound, "discarded": NotFound, "deleted": None, **_UNCHANGED},
}


def test_the_table_has_every_state_and_every_step() -> None:
    assert TABLE.keys() == IMAGES.keys()
    assert {image.state for image in IMAGES.values()} == set(State)
    assert all(row.keys() == STEPS.keys() for row in TABLE.values())


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_has_the_result_in_the_table(kind: str, step: str) -> None:
    image, expected = IMAGES[kind], TABLE[kind][step]
    if isinstance(expected, type):
        with pytest.raises(expected):
            STEPS[step](image)
        return
    after = STEPS[step](image)
    if expected is None:
        assert after == image
        return
    target = IMAGES[kind if expected == "changed" else expected]
    assert (after.state, after.listed) == (target.state, target.listed)
    assert after != image


def test_processing_does_not_bring_back_an_image_whose_record_is_deleted() -> None:
    for image in IMAGES.values():
        deleted = lifecycle.without_record(image)
        assert deleted.is_gone
        assert [step for step in _PROCESSING if STEPS[step](deleted) != deleted] == []


def test_a_claim_binds_an_upload_to_one_file() -> None:
    announced = replace(IMAGES["awaiting"], checksum="", upload_id="U", part_size=5)
    claimed = lifecycle.claimed(announced, "ab" * 32)
    assert claimed == replace(announced, state=State.PROCESSING, checksum="ab" * 32, upload_id="")
    assert lifecycle.claimed(claimed, "ab" * 32) == claimed
    with pytest.raises(ChecksumMismatch, match="cd"):
        lifecycle.claimed(claimed, "cd" * 32)


def test_a_change_requires_one_of_the_given_versions() -> None:
    image = replace(IMAGE, version=3)
    for if_match in (frozenset({2, 3}), None):
        assert lifecycle.updated(image, NO_CHANGES, if_match, AT).version == 4
        assert lifecycle.deleting(image, if_match, AT).version == 4
    with pytest.raises(PreconditionFailed):
        lifecycle.updated(image, NO_CHANGES, frozenset({2, 4}), AT)
    with pytest.raises(PreconditionFailed):
        lifecycle.deleting(image, frozenset({2, 4}), AT)


def test_an_image_fails_after_the_last_attempt() -> None:
    image = replace(IMAGES["processing, listed"], attempts=2)
    assert lifecycle.failed_after(image, 3, "Why.") == image
    assert lifecycle.failed_after(lifecycle.counted(image), 3, "Why.") == replace(
        image, attempts=3, state=State.FAILED, reason="Why."
    )


def test_an_import_has_the_time_of_its_import_until_it_is_listed() -> None:
    request = ImportRequest(
        user_id="alice",
        title="",
        description="",
        tags=(),
        filename="",
        visibility=Visibility.PUBLIC,
        content_type="image/png",
        size=5,
        checksum="ab" * 32,
        image_id=IMAGE.image_id,
        version=3,
        updated_at="2024-05-01T10:30:00.000Z",
    )
    image = lifecycle.imported(request, AT)
    for step in ("counted", "claimed", "rejected", "failed", "deleting"):
        assert STEPS[step](image).updated_at == AT
    claimed = STEPS["claimed"](image)
    shown, kept = STEPS["shown"](claimed), STEPS["kept"](claimed)
    for listed in (shown, kept):
        assert (listed.version, listed.updated_at, listed.imported_updated_at) == (3, request.updated_at, "")
    updated = lifecycle.updated(shown, NO_CHANGES, None, AT)
    assert (updated.version, updated.updated_at) == (4, AT)


updates = st.builds(
    UpdateRequest,
    title=st.none() | st.sampled_from(["Sea", "Sea and sky", ""]),
    description=st.none() | st.text(max_size=5),
    tags=st.none() | st.lists(st.sampled_from(["sea", "Sky", "sun"]), unique=True).map(tuple),
    visibility=st.none() | st.sampled_from(Visibility),
)
steps = st.one_of(
    updates.map(lambda request: lambda image: lifecycle.updated(image, request, None, AT)),
    st.sampled_from(list(STEPS.values())),
)


def test_each_step_that_knows_the_file_knows_when_the_picture_was_taken() -> None:
    taken = "1950-05-01T12:30:00+02:00"
    picture, analysis = replace(PICTURE, taken_at=taken), replace(ANALYSIS, taken_at=taken)
    upload = UploadRequest(
        user_id="alice",
        title="",
        description="",
        tags=(),
        filename="",
        visibility=Visibility.PUBLIC,
        file=b"",
        idempotency_key=None,
    )
    awaiting, processing = IMAGES["awaiting"], IMAGES["processing, listed"]
    for image in (
        lifecycle.uploaded(upload, IMAGE.image_id, picture, "ab" * 32),
        lifecycle.shown(awaiting, analysis),
        lifecycle.kept(awaiting, picture, "Why."),
        lifecycle.processed(processing, analysis),
    ):
        assert image.dated_at == image.taken_at == "1950-05-01T10:30:00.000Z"
    assert lifecycle.processed(processing, ANALYSIS).dated_at == IMAGE.created_at


@given(st.sampled_from(["awaiting", "processing, listed"]), st.lists(steps, max_size=8))
def test_any_steps_keep_index_rows_and_tag_counts_consistent(
    first: str, sequence: list[Callable[[Image], Image]]
) -> None:
    image = IMAGES[first]
    tables = Tables()
    tables.commit(lifecycle.writes(None, image))
    for step in sequence:
        try:
            after = step(image)
        except ApiError:
            continue
        tables.commit(lifecycle.writes(image, after))
        image = after
    expected = Tables()
    expected.commit(lifecycle.writes(None, image))
    assert tables == expected


class Tables:
    """The result of transactions: the record and the index rows by key, and the sums of the queued tag changes."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, ...], Any] = {}
        self.counts: dict[str, list[int]] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tables) and (self.items, self.counts) == (other.items, other.counts)

    __hash__ = None  # type: ignore[assignment]

    def commit(self, writes: list[Write]) -> None:
        """Apply a transaction."""
        assert len(writes) <= MAX_WRITES
        for write in writes:
            (action, request) = next(iter(write.items()))
            item = request["Item"] if action == "Put" else request["Key"]
            if "tallies" in item:
                self._count(item["tallies"]["M"])
            elif action == "Put":
                self.items[self._key(item)] = item
            else:
                del self.items[self._key(item)]

    def _count(self, tallies: dict[str, Any]) -> None:
        for tag, pair in tallies.items():
            added = [int(number["N"]) for number in pair["L"]]
            sums = [count + change for count, change in zip(self.counts.get(tag, [0, 0]), added, strict=True)]
            self.counts[tag] = sums
            if not any(sums):
                del self.counts[tag]

    @staticmethod
    def _key(item: dict[str, Any]) -> tuple[str, ...]:
        return tuple(item[name]["S"] for name in ("tag", "image_id") if name in item)
