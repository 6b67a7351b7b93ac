"""Text of others, as a terminal can show it."""

from __future__ import annotations


def printable(text: str) -> str:
    r"""Text without control characters and halves of characters: each becomes its escape.

    Example:
        >>> printable("a\x1b[2Jb\nc")
        'a\\x1b[2Jb\nc'
    """
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def one_line(error: BaseException | str) -> str:
    r"""What an error says, on one line.

    Example:
        >>> one_line(ValueError("too\n  long"))
        'too long'
    """
    return " ".join(str(error).split())
