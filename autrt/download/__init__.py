"""Files that this project uses and may not ship, fetched into the user's cache."""
