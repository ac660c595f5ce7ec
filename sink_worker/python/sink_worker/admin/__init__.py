"""The admin API: a process of its own beside a pipeline's workers."""
