"""Hypothesis strategies: whole environments, wrong values in them, and nasty plain values."""
