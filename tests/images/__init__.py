"""The project's own images, built for real: ``python -m tests.images``. Too slow for every run."""
