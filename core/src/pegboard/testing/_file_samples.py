"""Paths that the kit of Files tries."""

from __future__ import annotations

from typing import Any

PATHS = (
    *("a", "a.txt", "a.json", "a_b", "a b", "a+b", "a%2Fb", "%", "a&b=c#d", "-rf", "~"),
    *("...a", ".hidden", "a..b", "folder/a", "folder/folder/a", "folder_a", "folder.a"),
    *("'; DROP TABLE x; --", "[a]", "{a}", "!a", "$HOME", "`a`", "nullable", "con-a"),
    *("\u00e9", "\u00df", "\u4e2d\u6587/\u6587", "\U0001f600.txt", "\u202eabc"),
    *(
        "tmp",
        "a.tmp",
        "incoming/a",
        "k" * 255,
        "\u00e9" * 127,
        "/".join(["k" * 99] * 8),
    ),
)
NOT_PATHS: tuple[Any, ...] = (
    *(None, 5, b"a", ("a",), "/", "/a", "a/", "a//b", "/etc/passwd", "C:\\a", "C:a"),
    *(".", "..", "../a", "a/../b", "a/./b", "a/..", "a\\b", "..\\a", "\\\\host\\a"),
    *("\x00", "a\x00b", "a\nb", "\x7f", "a\u0085b", "e\u0301", "\ud800"),
    *("a:b", "a*", "a?", "<a>", "a|b", '"a"', "a ", "a.", "a /b", "..a/..."),
    *("nul", "NUL.txt", "a/Con", "com1", "lpt9.log", "aux /b", "com\u00b9"),
    *(".pegboard", ".pegboard/a", ".PEGBOARD/a"),
    *("k" * 256, "\u00e9" * 128, "/".join(["k" * 200] * 5)),
)
