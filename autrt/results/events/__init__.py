"""AU events: when an Action Unit sets in, peaks and ends, and the files that other tools read them from."""
