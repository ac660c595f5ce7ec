"""What the other components stand on: the namespace, its default-deny network policy, and priorities."""
