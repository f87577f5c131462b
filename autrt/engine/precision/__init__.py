"""Graphs in float16 and int8, derived from a network's float32 graph and compared with it layer by layer."""
