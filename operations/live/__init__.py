"""What runs: looked at and changed through its own interfaces."""
