"""The schema registry: which schemas there are, and how they may change."""
