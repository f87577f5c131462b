"""A run whose videos or results lie in object storage: they are exchanged, the run works on this machine."""
