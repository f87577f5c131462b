"""Reports of a run: history, comparison, tables, plots and the HTML page."""
