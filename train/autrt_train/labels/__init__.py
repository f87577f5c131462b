"""Codes of one's own videos and pictures, as coding tools write them."""
