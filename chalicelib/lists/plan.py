"""How a list query is read: which lists contain its whole answer, and which of them to read.

Each filter is a list: the images of an owner, with a tag, of a content type, with a checksum, with a word that begins
with a prefix, or with a word anywhere. One list is read, the driver (the driving index, in database terms). The other
filters are checked on its rows.

The functions make no calls. They depend on their arguments and on settings: on MAX_USER_ID_CHARS and MAX_PAGE_READS
here, and on those that index/terms reads.
"""

import math
import string
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from chalicelib.config import settings
from chalicelib.index import ranges, terms
from chalicelib.index.query import Order, Query, Time
from chalicelib.index.ranges import Index, Range
from chalicelib.index.terms import EVERYTHING, Kind, Term
from chalicelib.lists import entries
from chalicelib.model import Caller, Visibility

_MAX_LISTS = 4
_TOO_SHORT = frozenset(string.ascii_lowercase + string.digits)  # prefixes that begin too many words to be merged


@dataclass(frozen=True, slots=True)
class Prefix:
    """A prefix of words. Its list is the union of the lists of these words."""

    term: Term
    owner: str | None  # whose private images; None: public images

    @property
    def partition(self) -> str:
        """The partition that holds the rows of these words, except the shards of sharded words."""
        return self.term.partition(self.owner)

    @staticmethod
    def index(order: Order) -> Index:
        """Return the index in which the words are searched, so that the rows found are the first ones of the order."""
        return Index.TAKEN_TERMS if order.by is Time.TAKEN else Index.TERMS

    def sharded_words(self, sharded: Collection[str]) -> tuple[str, ...]:
        """Return the words with this prefix among the names of sharded terms (SHARDS)."""
        kind = f"{self.term.kind}:"
        words = [name.removeprefix(kind) for name in sharded if name.startswith(kind)]
        return tuple(word for word in words if word.startswith(self.term.value))


@dataclass(frozen=True, slots=True)
class List:
    """The images that match one filter: the union of key ranges and prefixes."""

    name: str
    ranges: tuple[Range, ...]
    prefixes: tuple[Prefix, ...] = ()
    parts: int = 1  # of the key ranges; one has usually most of the rows: public images, one of the fields of a search
    is_last_resort: bool = False  # whether it is read only if no other list can be


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a list was read from its beginning."""

    unread: str | None  # the position before which all rows are in memory; None: all rows are
    rows: int  # in memory


def lists(query: Query, caller: Caller) -> tuple[List, ...]:
    """Return the lists that each contain the whole answer, the most promising one first; none if the answer is empty.

    At most four. If none of them is sure to be read within the budget of a page, the list of everything follows as the
    last resort. A prefix may begin too many words, and a list may have too many key ranges.
    """
    scopes = scopes_of(query, caller)
    if not scopes:
        return ()
    if query.checksum is not None:
        return (_list(scopes, query, Term(Kind.CHECKSUM, query.checksum)),)
    lists = [_owner_list(query, caller, scopes)] if query.user_id is not None else []
    lists += [_list(scopes, query, Term(Kind.TAG, tag)) for tag in query.tags]
    if query.any_tags:
        lists.append(_list(scopes, query, *(Term(Kind.TAG, tag) for tag in query.any_tags)))
    prefixes = [term for term in terms.word_prefixes(query) if term.value not in _TOO_SHORT]
    prefixes.sort(key=lambda term: -len(term.value))  # longer prefixes are rarer
    lists += [List(term.name, (), tuple(Prefix(term, owner) for owner in scopes), len(scopes)) for term in prefixes]
    for word in sorted(query.words, key=lambda word: -len(word.text)):
        fields = terms.alternatives(word)
        parts = len(scopes) * len(fields)
        lists.append(replace(_list(scopes, query, *fields), name=f"q:{word.tag}", parts=parts))
    if query.content_type is not None:
        lists.append(_list(scopes, query, Term(Kind.CONTENT_TYPE, query.content_type)))
    if not lists:
        return (_list(scopes, query, EVERYTHING),)
    chosen = tuple(lists[:_MAX_LISTS])
    if not any(is_affordable(each, query, caller) for each in chosen):
        return (*chosen, replace(_list(scopes, query, EVERYTHING), is_last_resort=True))
    return chosen


def calls(key_ranges: Collection[Range]) -> int:
    """Return how many calls it takes to know the next image of a list: one for each range that can have it.

    Ranges of different periods do not count together: a range is read when the list reaches its period.
    """
    return max(
        (sum(other.since <= each.since < other.before for other in key_ranges) for each in key_ranges), default=0
    )


def is_affordable(candidate: List, query: Query, caller: Caller) -> bool:
    """Whether a page can always read the next image of a list. Of a prefix, only a search can tell."""
    left = settings().max_page_reads - reserved_reads(query, caller)
    return not candidate.prefixes and calls(candidate.ranges) <= left


def reserved_reads(query: Query, caller: Caller, *, can_move: bool = True) -> int:
    """Return how many reads of a page are kept for what follows the reads of lists.

    For records that do not fit their rows; for images that moved while the page was read, if they can (see can_move),
    and for their records, if the query needs the time taken; and for the records of the page's images, if the query
    asks for what only records have.
    """
    moved = 1 + query.needs_time_taken if can_move and query.order.by is not Time.UPDATED else 0
    return 1 + moved + entries.need_records(query, caller)


def can_move(candidates: Sequence[List], query: Query, caller: Caller) -> bool:
    """Whether an image can move from one key range to another while a list is read, so that no read finds it.

    This happens if its owner makes it public or private. In the order of updates, every update moves an image.
    """
    is_merged = any(each.prefixes or len(each.ranges) > 1 for each in candidates)
    return is_merged and len(scopes_of(query, caller)) > 1 and query.order.by is not Time.UPDATED


def scopes_of(query: Query, caller: Caller) -> tuple[str | None, ...]:
    """Return whose images can be in the answer: None for public images, the caller for the caller's private images."""
    private = caller.user_id is not None and query.user_id in (None, caller.user_id) and _can_own(caller.user_id)
    return (
        *([None] if query.visibility is not Visibility.PRIVATE else []),
        *([caller.user_id] if private and query.visibility is not Visibility.PUBLIC else []),
    )


def rarest(reaches: Sequence[Reach], order: Order) -> int:
    """Return the index of the list with the fewest rows, as far as the first chunk of each list can show.

    All lists have the same order, and the same number of rows was read from each. So the list that reaches furthest has
    the fewest rows. Among lists that have ended, the rows are counted.
    """
    ended = [i for i, reach in enumerate(reaches) if reach.unread is None]
    if ended:
        return min(ended, key=lambda i: reaches[i].rows)
    furthest = ranges.last_of((reach.unread for reach in reaches if reach.unread is not None), order)
    return next(i for i, reach in enumerate(reaches) if reach.unread == furthest)


def next_rows(needed: int, checked: int, matched: int, limit: int) -> int:
    """Return how many rows to read next, if `needed` images are missing and `matched` of the rows `checked` matched.

    The rows suffice even if the rate of matches falls by two standard deviations. The estimate is poor if few rows
    matched, so the result is at most three times as many rows as were checked. It is at most `limit`.
    """
    if not matched:
        return min(max(2 * checked, needed), limit)
    likely = matched - 2 * math.sqrt(matched)
    rows = math.ceil(needed * checked / likely) if likely > 0 else limit
    return min(max(min(rows, 3 * checked), needed), limit)


def _can_own(user_id: str) -> bool:
    """Whether a user can own images: the user_id is a part of partition keys, which have a limit and are UTF-8."""
    return len(user_id) <= settings().max_user_id_chars and not any("\ud800" <= c <= "\udfff" for c in user_id)


def _list(scopes: Sequence[str | None], query: Query, *alternatives: Term) -> List:
    """Return the list of images that have at least one of the terms."""
    key_ranges = [
        key_range for term in alternatives for owner in scopes for key_range in terms.key_ranges(term, owner, query)
    ]
    return List(" or ".join(term.name for term in alternatives), tuple(key_ranges), parts=len(scopes))


def _owner_list(query: Query, caller: Caller, scopes: Sequence[str | None]) -> List:
    owner = query.user_id or ""
    name = Term(Kind.OWNER, owner).name
    if scopes == (owner,):
        return List(name, terms.key_ranges(EVERYTHING, owner, query))
    if scopes == (None,):
        return List(name, terms.key_ranges(Term(Kind.OWNER, owner), None, query))
    # Public and private images: the owner's index of the records has both.
    by_creation = Range(Index.OWNER, owner, None, query.since, query.before)
    if query.order.by is Time.CREATED:
        return List(name, (by_creation,))
    if query.order.by is Time.UPDATED:
        return List(name, (by_creation, Range(Index.CHANGED_OWNER, owner, None, query.since)))
    return List(name, (Range(Index.TAKEN_OWNER, owner, None, query.taken_since, query.taken_before),))
