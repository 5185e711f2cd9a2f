from __future__ import annotations

from itertools import combinations, permutations

from hypothesis import given, settings
from hypothesis import strategies as st
from pegboard.testing.histories import RegisterCall, is_linearizable


def read(value, began, ended):
    """Return a read that answered *value*."""
    return RegisterCall(kind="read", value=value, began=began, ended=ended)


def write(value, began, ended=float("inf")):
    """Return a write."""
    return RegisterCall(kind="write", value=value, began=began, ended=ended)


def swap(expected, value, began, ended=float("inf"), *, swapped=True):
    """Return a swap of *expected* for *value*."""
    return RegisterCall(
        kind="swap",
        expected=expected,
        value=value,
        swapped=swapped,
        began=began,
        ended=ended,
    )


class TestPossibleHistories:
    def test_nothing_happened(self):
        """The empty history is fine."""
        assert is_linearizable([])

    def test_one_after_another(self):
        """Each read answers what was written last."""
        assert is_linearizable(
            [read(None, 0, 1), write("a", 2, 3), read("a", 4, 5), write("b", 6, 7)]
        )

    def test_reads_during_a_write_may_see_either(self):
        """A read that overlaps a write may answer the old or the new value."""
        assert is_linearizable([write("a", 0, 9), read(None, 1, 2), read("a", 3, 4)])

    def test_the_register_may_hold_something_at_first(self):
        """A history may begin with a value."""
        assert is_linearizable([read("a", 0, 1)], initial="a")

    def test_one_of_two_swaps_succeeds(self):
        """Whoever comes second is refused."""
        assert is_linearizable(
            [swap(None, "a", 0, 9), swap(None, "b", 0, 9, swapped=False)]
        )

    def test_unanswered_write_may_have_happened(self):
        """A killed writer may have written."""
        assert is_linearizable([write("a", 0), read("a", 5, 6)])

    def test_unanswered_write_may_not_have_happened(self):
        """A killed writer may not have written."""
        assert is_linearizable([write("a", 0), read(None, 5, 6)])

    def test_unanswered_write_may_happen_late(self):
        """What a killed writer asked for may come after others have looked."""
        assert is_linearizable([write("a", 0), read(None, 1, 2), read("a", 3, 4)])

    def test_unanswered_swap_may_have_failed(self):
        """A killed swap changes nothing if it finds something else."""
        assert is_linearizable([write("b", 0, 1), swap("a", "c", 2), read("b", 3, 4)])


class TestImpossibleHistories:
    def test_stale_read(self):
        """What was overwritten cannot be read later."""
        assert not is_linearizable(
            [write("a", 0, 1), write("b", 2, 3), read("a", 4, 5)]
        )

    def test_lost_write(self):
        """What was acknowledged cannot be gone."""
        assert not is_linearizable([write("a", 0, 1), read(None, 2, 3)])

    def test_value_out_of_nowhere(self):
        """What nobody wrote cannot be read."""
        assert not is_linearizable([write("a", 0, 9), read("b", 1, 2)])

    def test_value_before_its_write(self):
        """What is written later cannot be read before."""
        assert not is_linearizable([read("a", 0, 1), write("a", 2, 3)])

    def test_time_going_back(self):
        """Once a read has answered the new value, no later one answers the old."""
        assert not is_linearizable(
            [write("a", 0, 9), read("a", 1, 2), read(None, 3, 4)]
        )

    def test_two_winners(self):
        """Two swaps of the same value cannot both succeed."""
        assert not is_linearizable([swap(None, "a", 0, 9), swap(None, "b", 0, 9)])

    def test_no_winner(self):
        """A swap that meets no other must succeed."""
        assert not is_linearizable([swap(None, "a", 0, 1, swapped=False)])

    def test_unanswered_write_that_comes_and_goes(self):
        """A write happens once, also that of a killed writer."""
        assert not is_linearizable(
            [write("a", 0), read("a", 1, 2), read(None, 3, 4), read("a", 5, 6)]
        )

    def test_unanswered_write_before_it_began(self):
        """A killed writer has not written before it was asked to."""
        assert not is_linearizable([read("a", 0, 1), write("a", 2)])


VALUES = st.sampled_from([None, "a", "b"])


@st.composite
def histories(draw):
    """Return a short history, possible or not."""
    calls = []
    for _ in range(draw(st.integers(0, 5))):
        began = draw(st.integers(0, 9))
        ended = draw(st.one_of(st.just(float("inf")), st.integers(began + 1, 12)))
        kind = draw(st.sampled_from(["read", "write", "swap"]))
        calls.append(
            RegisterCall(
                kind=kind,
                began=began,
                ended=ended,
                expected=draw(VALUES),
                value=draw(VALUES),
                swapped=draw(st.booleans()),
            )
        )
    return calls


def exists_by_trying_all(calls):
    """Tell whether any order of any choice of the unanswered calls explains all."""
    answered = [call for call in calls if call.answered]
    unanswered = [call for call in calls if not call.answered]
    return any(
        explains(order)
        for count in range(len(unanswered) + 1)
        for chosen in combinations(unanswered, count)
        for order in permutations([*answered, *chosen])
    )


def explains(order):
    """Tell whether a register that is called in this *order* answers the same."""
    value = None
    for place, call in enumerate(order):
        if any(later.ended < call.began for later in order[place + 1 :]):
            return False
        if call.kind == "read" and call.answered and call.value != value:
            return False
        if call.kind == "swap":
            if call.answered and call.swapped != (value == call.expected):
                return False
            value = call.value if value == call.expected else value
        if call.kind == "write":
            value = call.value
    return True


@settings(derandomize=True, database=None, max_examples=1000, deadline=None)
@given(histories())
def test_checker_agrees_with_trying_all_orders(calls):
    """The quick way and the plain way come to the same verdict."""
    assert is_linearizable(calls) == exists_by_trying_all(calls)
