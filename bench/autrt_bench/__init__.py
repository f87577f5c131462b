"""Benchmarks of speed, memory and accuracy on this machine, and of their changes.

A suite is one file in `suites/`: a generator of groups of cases. `measure.interleaved` measures them;
`reporting.history` stores the measurements, `reporting.compare` compares two runs, and `reporting.table`, `plots`
and `page` show them.
"""
