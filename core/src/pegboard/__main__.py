"""``python -m pegboard`` is the same as ``pegboard``."""

from __future__ import annotations

from pegboard.cli import main

main()
