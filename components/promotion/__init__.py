"""What an environment takes from another one, and where the two may differ."""
