"""Training of AU models. Its commands are not written yet; the networks are in `autrt.model`."""
