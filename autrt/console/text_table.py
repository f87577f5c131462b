"""Tables of text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def aligned(rows: Sequence[Sequence[str]], left: int | None = None) -> Iterator[str]:
    """Yield a line for each row, in columns of equal width, two spaces apart.

    Args:
        rows: texts, equally many each; a header is a row like the others.
        left: number of columns aligned to the left, the others (numbers) to the right; None: all to the left.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            text.ljust(width) if left is None or i < left else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
