"""Several networks as one model: `autrt ensemble`. Letters: N pictures, M candidates, A AUs, S sources."""
