"""``python -m sink_worker`` is the console script."""

from sink_worker.cli import main

if __name__ == "__main__":
    main()
