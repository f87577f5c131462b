"""Loading: from rows of the index to batches of pixels. All random numbers are drawn before a picture is read."""
