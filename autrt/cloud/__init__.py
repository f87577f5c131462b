"""Object storage and web servers, through fsspec: files listed, staged on the local disk, and written whole."""
