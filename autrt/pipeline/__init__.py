"""The stages from decoded frames to rows of a results file, joined by iterators."""
