"""Made-up rows and changes for sources, the same for the same seed."""
