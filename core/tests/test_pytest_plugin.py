from __future__ import annotations

import pytest
from pegboard.testing import chat, key_value


@pytest.mark.parametrize("kit", [chat, key_value])
def test_asserts_of_the_kits_say_what_they_compare(kit: object) -> None:
    """The plugin has pytest rewrite the modules of the kits."""
    assert "@pytest_ar" in vars(kit)
