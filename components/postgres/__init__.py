"""PostgreSQL, where rows go: a cluster of our own or an existing server, and who may do what in it."""
