"""`python -m autrt`."""

from autrt.cli import main

if __name__ == "__main__":
    main()
