"""Benchmarks: how fast, how large and how faithful this program is on this machine, and whether that changed.

A suite is one file in `suites/`: a generator of groups of cases. `turns` measures them, `history` keeps what was
measured, `compare` tells two runs apart, `table`, `plots` and `page` show it.
"""
