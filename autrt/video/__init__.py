"""Video in: what to read (`discover`), how to read it (`open`), and pictures kept in their decoder's planes."""
