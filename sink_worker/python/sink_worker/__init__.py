"""Debezium events into PostgreSQL, exactly once in effect. `sink_worker._native` is the compiled half."""
