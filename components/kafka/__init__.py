"""Kafka itself: controllers and brokers, listeners, security, quotas, tiered storage, topics, users and ACLs."""
