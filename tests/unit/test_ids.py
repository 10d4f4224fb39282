from datetime import UTC, datetime, timedelta

from chalicelib import ids


def test_ids_of_one_process_are_in_order_of_their_making() -> None:
    made = [ids.new_id() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_an_id_knows_when_it_was_made() -> None:
    made = datetime.fromisoformat(ids.created_at(ids.new_id()))
    assert abs(datetime.now(UTC) - made) < timedelta(seconds=5)


def test_an_id_made_at_a_known_time() -> None:
    # The example of RFC 9562, appendix A.6.
    assert ids.created_at("017f22e2-79b0-7cc3-98c4-dc0c0c07398f") == "2022-02-22T19:22:22.000Z"


def test_only_the_canonical_form_is_an_id() -> None:
    assert ids.is_id("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")
    for other in ("", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F", "017f22e279b07cc398c4dc0c0c07398f", "../../x", "1\n"):
        assert not ids.is_id(other)
