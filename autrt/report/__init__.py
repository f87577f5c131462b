"""The report: one page, or an index with a page a video, that shows what results hold and how far to trust them."""
