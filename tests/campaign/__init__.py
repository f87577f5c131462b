"""Campaigns of random faults against the command line, for a stated time; run by `scripts/campaign`."""
