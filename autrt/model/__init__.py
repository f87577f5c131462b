"""Networks, and models on disk. Only the modules that define networks import torch."""
