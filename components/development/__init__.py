"""What only a development environment has: databases to read from, with a little to read in them."""
