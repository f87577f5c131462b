"""Files that are not distributed with this project, fetched into the user's cache."""
