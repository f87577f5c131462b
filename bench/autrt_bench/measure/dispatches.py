"""Counts of what the tensors' flow asks of a GPU: operations, copies, waits; counted on a CPU, too."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from torch._C._profiler import _ExperimentalConfig  # pyright: ignore[reportPrivateUsage]
from torch.profiler import ProfilerActivity, profile

from autrt.gpu.transfer import Transfers, transfers

# fmt: off
_NO_KERNEL: Final = frozenset((
    "alias", "mT", "reshape_alias",
    "as_strided", "chunk", "clone", "contiguous", "detach", "diagonal", "empty", "empty_like",
    "empty_strided", "expand", "flatten", "is_pinned", "item", "lift_fresh", "narrow", "numpy_T", "permute",
    "reshape", "resize", "resolve_conj", "resolve_neg", "result_type", "select", "set", "slice", "split",
    "split_with_sizes", "squeeze", "t", "to", "to_copy", "transpose", "unbind", "unflatten", "unsafe_split",
    "unsafe_view", "unsqueeze", "view", "view_as",
))
# fmt: on
"""Operations that compute and copy nothing, where they call no other that does."""


@dataclass(slots=True)
class Dispatches:
    """Counts of one measurement."""

    kernels: int = 0
    """Torch's operations that compute or copy: on a GPU at least one kernel each."""
    by_name: dict[str, int] = field(default_factory=dict[str, int])
    """The same by the operations' names."""
    transfers: Transfers = field(default_factory=Transfers)


@contextmanager
def count_dispatches() -> Generator[Dispatches]:
    """Count what all threads do inside; the counts are there at its end."""
    found, before = Dispatches(), transfers()
    everywhere = _ExperimentalConfig(profile_all_threads=True)
    with profile(activities=[ProfilerActivity.CPU], experimental_config=everywhere) as profiled:
        yield found
    found.transfers = transfers() - before
    events: Any = profiled.events()
    _add_kernels([event for event in events if event.cpu_parent is None], found.by_name)
    found.kernels = sum(found.by_name.values())


def _add_kernels(events: Iterable[Any], by_name: dict[str, int]) -> int:
    """Add the operations that call no other; return how many."""
    total = 0
    for event in events:
        name = event.name.removeprefix("aten::")
        computes = name != event.name and name.strip("_") not in _NO_KERNEL
        # A kernel that is given Python's numbers converts them; on a GPU they are its arguments.
        inner = [child for child in event.cpu_children if not (computes and child.name == "aten::to")]
        count = _add_kernels(inner, by_name)
        if computes and not count:
            by_name[name] = by_name.get(name, 0) + 1
            count = 1
        total += count
    return total
