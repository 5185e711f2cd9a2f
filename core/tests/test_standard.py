from __future__ import annotations

import pytest
from pegboard.testing.standard import StandardTests


class Kit(StandardTests):
    __test__ = False

    def test_one(self) -> None:
        """Pass."""


class TestStandardTests:
    def test_more_tests_may_be_added(self) -> None:
        """A test of another name is nobody's business."""

        class Mine(Kit):
            def test_two(self) -> None:
                """Pass."""

        assert issubclass(Mine, Kit)

    def test_a_standard_test_cannot_be_replaced(self) -> None:
        """A test of the same name is refused when the class is made."""
        with pytest.raises(TypeError, match=r"Mine\.test_one replaces a standard test"):

            class Mine(Kit):
                def test_one(self) -> None:
                    """Pass, whatever happens."""

    def test_a_standard_test_cannot_be_removed(self) -> None:
        """None in place of a test is refused as well."""
        with pytest.raises(TypeError, match="test_one"):
            type("Mine", (Kit,), {"test_one": None})

    def test_a_mark_without_a_reason_is_not_enough(self) -> None:
        """To leave a test out takes a sentence."""
        with pytest.raises(TypeError, match="test_one"):

            class Mine(Kit):
                @pytest.mark.xfail
                def test_one(self) -> None:
                    """Fail."""

    def test_a_skip_is_not_enough(self) -> None:
        """A skipped test is not seen in reports as a gap."""
        with pytest.raises(TypeError, match="test_one"):

            class Mine(Kit):
                @pytest.mark.skip(reason="no time")
                def test_one(self) -> None:
                    """Do not run."""

    def test_a_reason_is_enough(self) -> None:
        """Xfail with a reason leaves the test out."""

        class Mine(Kit):
            @pytest.mark.xfail(reason="The service cannot.", run=False)
            def test_one(self) -> None:
                """Do not run."""

        assert Mine.test_one.pytestmark[0].kwargs["reason"] == "The service cannot."

    def test_it_holds_for_grandchildren(self) -> None:
        """Inheriting through a class of one's own changes nothing."""

        class Mine(Kit):
            pass

        with pytest.raises(TypeError, match="test_one"):
            type("Yours", (Mine,), {"test_one": lambda _: None})
