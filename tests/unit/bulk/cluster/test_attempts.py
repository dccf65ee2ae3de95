"""The picture that ends its process again and again is found, and no other."""

from topfive.bulk.cluster.attempts import MOST_ENDS, Attempts


def end_at(attempts: Attempts, place: int) -> None:
    """Begin a shard and end at a picture of it."""
    attempts.begin(7)
    attempts.reach(7, place)


def test_a_first_attempt_is_not_watched() -> None:
    """What goes well costs nothing."""
    attempts = Attempts()
    assert not attempts.begin(7).is_watched
    attempts.finish(7)
    assert not attempts.begin(7).is_watched


def test_a_picture_that_ends_its_process_is_left_out() -> None:
    """After so many ends at one picture that is left out, and only that."""
    attempts = Attempts()
    attempts.begin(7)
    for _ in range(MOST_ENDS):
        assert attempts.count_left_out() == 0
        end_at(attempts, 3)
    again = attempts.begin(7)
    assert again.is_watched
    assert again.left_out == {3}
    assert attempts.count_left_out() == 1


def test_ends_at_different_pictures_are_chance() -> None:
    """Whoever kills processes at random makes no picture a bad one."""
    attempts = Attempts()
    for place in range(20):
        end_at(attempts, place)
    assert attempts.begin(7).left_out == set()


def test_shards_do_not_get_into_each_others_way() -> None:
    """What ended in one shard says nothing of another."""
    attempts = Attempts()
    for _ in range(MOST_ENDS + 1):
        end_at(attempts, 3)
    assert not attempts.begin(8).is_watched
