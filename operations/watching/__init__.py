"""What ``cdc status`` sees of the pipelines as they run, and how it is shown."""
