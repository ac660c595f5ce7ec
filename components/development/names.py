"""What the containers of a development environment are called, and where they are reached."""

COMPONENT = "development"
MARIADB = "mariadb"
MARIADB_PORT = 3306
VAULT = "vault"
VAULT_PORT = 8200
TOPICS, APPLY = "cdc-topics", "cdc-apply"
APPLICATION = "app"
"""Who writes into the sources, as a shop's own program would."""
