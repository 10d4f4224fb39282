import io
import os

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.pictures.parsers.pieces import Piece, joined

PARTS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted), min_size=1, max_size=6)
STEPS = st.lists(st.one_of(st.integers(0, 30), st.tuples(st.integers(-20, 40), st.sampled_from([0, 1, 2]))))


@given(PARTS, STEPS)
def test_pieces_are_read_like_one_file(parts: list[list[int]], steps: list[int | tuple[int, int]]) -> None:
    data = bytes(range(20))
    expected = io.BytesIO(b"".join(data[start:stop] for start, stop in parts))
    file = joined([Piece(data, start, stop) for start, stop in parts])
    for step in steps:
        if isinstance(step, int):
            assert file.read(step) == expected.read(step)
        else:
            offset, reference = step
            origin = {os.SEEK_SET: 0, os.SEEK_CUR: expected.tell(), os.SEEK_END: len(expected.getvalue())}[reference]
            position = max(0, origin + offset)
            assert file.seek(position) == expected.seek(position)
            assert file.tell() == expected.tell()
    assert file.seek(0, os.SEEK_END) == len(expected.getvalue())
    assert file.seek(0, os.SEEK_CUR) == len(expected.getvalue())
    assert file.read() == b""
