"""Traces: from the change that Connect reads to the transaction that writes it."""
