"""The sink worker against Debezium's JDBC sink and against what PostgreSQL itself can take, on the same data in one run."""
