"""Load on the admin API and on a pipeline, as Locust scenarios (requirement B11)."""
