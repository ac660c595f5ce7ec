"""The demo of a development environment's Cassandra: the tables that ``cdc mock cassandra`` writes to, and a few rows."""

SCHEMA = (
    "CREATE TYPE IF NOT EXISTS {keyspace}.address (street text, city text, zipcode text)",
    "CREATE TABLE IF NOT EXISTS {keyspace}.users (user_id uuid PRIMARY KEY, email text, name text, age int, "
    "created_at timestamp, address frozen<address>) WITH cdc = true",
    "CREATE TABLE IF NOT EXISTS {keyspace}.orders (user_id uuid, order_id int, product text, amount decimal, status text, "
    "placed_at timestamp, PRIMARY KEY (user_id, order_id)) WITH cdc = true",
)
KEYSPACE = "shop"

_ADA, _GRACE = "6f1b1d0e-4a86-4d5c-9d55-2f6f0c1a7e01", "0c9a3f52-7f0e-4a34-8f5b-90d2e8b4c702"
_USERS = (
    f"{_ADA}, 'ada@example.org', 'Ada', 36, '2026-01-01 09:00:00+0000', "
    "{street: '12 St James''s Square', city: 'London', zipcode: 'SW1Y 4JH'}",
    f"{_GRACE}, 'grace@example.org', 'Grace', 44, '2026-01-01 09:30:00+0000', null",
)
_ORDERS = (
    f"{_ADA}, 1, 'punched cards', 19.90, 'paid', '2026-01-01 10:00:00+0000'",
    f"{_ADA}, 2, 'tea', 7.50, 'new', '2026-01-01 10:05:00+0000'",
    f"{_GRACE}, 1, 'a nanosecond of wire', 249.00, 'sent', '2026-01-01 11:00:00+0000'",
)
_ROWS = {
    "users (user_id, email, name, age, created_at, address)": _USERS,
    "orders (user_id, order_id, product, amount, status, placed_at)": _ORDERS,
}


def schema(keyspaces: tuple[str, ...]) -> list[str]:
    """The tables in CQL, one statement each; none where nobody reads the shop."""
    return [statement.format(keyspace=KEYSPACE) for statement in SCHEMA] if KEYSPACE in keyspaces else []


def rows(keyspaces: tuple[str, ...]) -> list[str]:
    """The rows; to write them again changes nothing but their times."""
    if KEYSPACE not in keyspaces:
        return []
    every = [(table, values) for table, rows in _ROWS.items() for values in rows]
    return [f"INSERT INTO {KEYSPACE}.{table} VALUES ({values})" for table, values in every]  # noqa: S608 - all of it stands above
