"""`python -m saeatlas` is `saeatlas`."""

from saeatlas.cli import main

if __name__ == "__main__":
    main()
