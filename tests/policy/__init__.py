"""Every rule refuses what it is there to refuse, and nothing else."""
