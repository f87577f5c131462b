"""Types of options that are more than a number or a name."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import click

from autrt.errors import UsageError
from autrt.run.options import parse_baseline, parse_rate, parse_size, parse_split
from autrt.run.shard import Shard


class FractionType(click.ParamType):
    """A positive rate such as 30, 29.97 or 30000/1001."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Fraction:
        """Return the rate as an exact fraction."""
        try:
            return parse_rate(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


class BaselineType(click.ParamType):
    """`none`, or `pN`: the N-th percentile of a person's logits."""

    name = "none|pN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Return the percentile, or None."""
        if value is None or isinstance(value, float):
            return value
        try:
            return parse_baseline(str(value))
        except UsageError as error:
            self.fail(str(error), param, ctx)


class SplitType(click.ParamType):
    """A length of time such as 15m, 90s or 1h."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Return the seconds."""
        try:
            return parse_split(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


class ShardType(click.ParamType):
    """`I/N`, the I-th of N shares of the videos, or `auto`."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Shard:
        """Return the shard.

        Raises:
            UsageError: as `Shard.parse`.
        """
        return value if isinstance(value, Shard) else Shard.parse(str(value))


class SizeType(click.ParamType):
    """A number of bytes, such as 500MB or 20GB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        try:
            return parse_size(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)
