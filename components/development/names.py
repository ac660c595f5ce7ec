"""What the containers of a development environment are called, and where they are reached."""

COMPONENT = "development"
MARIADB = "mariadb"
MARIADB_PORT = 3306
CASSANDRA = "cassandra"
CASSANDRA_PORT = 9042
VAULT = "vault"
VAULT_PORT = 8200
TOKEN = "root.token"  # noqa: S105 - the file of the token that Vault is entered with
TOPICS, APPLY = "cdc-topics", "cdc-apply"
ADMINISTRATOR_FILE = "admin.password"
APPLICATION = "app"
"""Who writes into the sources, as a shop's own program would."""
