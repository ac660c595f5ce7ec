"""Where data comes from and where it goes (requirement A10)."""
