"""Debezium beside each Cassandra node: a process of its own that reads the commit log; it does not run in Kafka Connect."""
