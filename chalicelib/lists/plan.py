"""How a list query is read: which lists hold its whole answer, and along which of them to go. Pure functions.

Every filter is a list of its own: of an owner, a tag, a content type, a checksum, or the words that begin with a text.
One of them is read, the driver, and its images are filtered by what its rows carry.
"""

import math
import string
from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.config import settings
from chalicelib.index import ranges, terms
from chalicelib.index.query import Order, Query
from chalicelib.index.ranges import Index, Range
from chalicelib.index.terms import EVERYTHING, Kind, Term
from chalicelib.model import Caller, Visibility

_MOST_LISTS = 4
_BEGINNING_OF_MANY = frozenset(string.ascii_lowercase + string.digits)  # words too many to be read along


@dataclass(frozen=True, slots=True)
class Prefix:
    """The beginning of a word, whose list is that of all words that begin so."""

    term: Term
    owner: str | None  # of private images; None: the public ones

    @property
    def partition(self) -> str:
        """Where the rows of these words lie; those of words that are spread (SHARDS) lie elsewhere too."""
        return self.term.partition(self.owner)

    def spread_words(self) -> tuple[str, ...]:
        """The words among them that are spread."""
        begun = f"{self.term.kind}:"
        names = [name.removeprefix(begun) for name in settings().spread if name.startswith(begun)]
        return tuple(word for word in names if word.startswith(self.term.value))


@dataclass(frozen=True, slots=True)
class List:
    """The images that have something: those of its ranges, and those of its prefixes."""

    name: str
    ranges: tuple[Range, ...]
    prefixes: tuple[Prefix, ...] = ()
    is_last_resort: bool = False  # for where no other can be read along


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a list has been read from the beginning."""

    unread: str | None  # the place up to which its rows are known; None: all are
    rows: int  # that are known


def lists(query: Query, caller: Caller) -> tuple[List, ...]:
    """The lists that each hold every image of the answer, the most promising first; none where it must be empty.

    At most four; and everything, where a list of words alone might be of too many words to be read along.
    """
    scopes = scopes_of(query, caller)
    if not scopes:
        return ()
    if query.checksum is not None:
        return (_list(scopes, query, Term(Kind.CHECKSUM, query.checksum)),)
    found = [_owner(query, caller, scopes)] if query.user_id is not None else []
    found += [_list(scopes, query, Term(Kind.TAG, tag)) for tag in query.tags]
    if query.any_tags:
        found.append(_list(scopes, query, *(Term(Kind.TAG, tag) for tag in query.any_tags)))
    wanted = [term for term in terms.wanted_words(query) if term.value not in _BEGINNING_OF_MANY]
    words = sorted(wanted, key=lambda term: -len(term.value))  # the longer, the rarer
    found += [List(term.name, (), tuple(Prefix(term, owner) for owner in scopes)) for term in words]
    if query.content_type is not None:
        found.append(_list(scopes, query, Term(Kind.CONTENT_TYPE, query.content_type)))
    lists = tuple(found[:_MOST_LISTS])
    if not lists:
        return (_list(scopes, query, EVERYTHING),)
    if all(each.prefixes for each in lists):
        return (*lists, replace(_list(scopes, query, EVERYTHING), is_last_resort=True))
    return lists


def scopes_of(query: Query, caller: Caller) -> tuple[str | None, ...]:
    """Whose private images can be in the answer; None: the public ones."""
    private = caller.user_id is not None and query.user_id in (None, caller.user_id) and _can_own(caller.user_id)
    return (
        *([None] if query.visibility is not Visibility.PRIVATE else []),
        *([caller.user_id] if private and query.visibility is not Visibility.PUBLIC else []),
    )


def rarest(first: Sequence[Reach], order: Order) -> int:
    """Which list is the shortest, judged by what is known of each after the same number of rows.

    All lists are in one order, so the one whose rows reach furthest is the sparsest; one that has ended is known whole.
    """
    ended = [i for i, reach in enumerate(first) if reach.unread is None]
    if ended:
        return min(ended, key=lambda i: first[i].rows)
    furthest = ranges.hindmost((reach.unread for reach in first if reach.unread is not None), order)
    return next(i for i, reach in enumerate(first) if reach.unread == furthest)


def next_rows(wanted: int, looked_at: int, matched: int, most: int) -> int:
    """How many rows to read on, where so many of those looked at have matched: enough for the rest of the page.

    That is, even where two standard deviations fewer match from here on. Few matches say little: no more than three
    times as many rows as were looked at.
    """
    if not matched:
        return min(max(2 * looked_at, wanted), most)
    likely = matched - 2 * math.sqrt(matched)
    rows = math.ceil(wanted * looked_at / likely) if likely > 0 else most
    return min(max(min(rows, 3 * looked_at), wanted), most)


def _can_own(user_id: str) -> bool:
    """Whether a caller's name can be that of an owner: it is a part of partition keys."""
    return len(user_id) <= settings().max_user_id_chars and not any("\ud800" <= c <= "\udfff" for c in user_id)


def _list(scopes: Sequence[str | None], query: Query, *alternatives: Term) -> List:
    found = [each for term in alternatives for owner in scopes for each in terms.key_ranges(term, owner, query)]
    return List(" or ".join(term.name for term in alternatives), tuple(found))


def _owner(query: Query, caller: Caller, scopes: Sequence[str | None]) -> List:
    owner = query.user_id or ""
    name = Term(Kind.OWNER, owner).name
    if scopes == (owner,):
        return List(name, terms.key_ranges(EVERYTHING, owner, query))
    if scopes == (None,):
        return List(name, terms.key_ranges(Term(Kind.OWNER, owner), None, query))
    # The records' own index has both.
    found = [Range(Index.OWNER, owner, None, query.since, query.before)]
    if query.order.by_update:
        found.append(Range(Index.CHANGED_OWNER, owner, None, query.since))
    return List(name, tuple(found))
