"""Live recognition: a camera's pictures and their Action Units on a local web page."""
