"""Engines: run networks on CPUs and GPUs through different libraries."""
