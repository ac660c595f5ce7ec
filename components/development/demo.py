"""The small shop of a development environment: its tables and a few rows."""

_ORDERS = (
    (1, "ada@example.org", "paid", "19.90"),
    (2, "grace@example.org", "open", "249.00"),
    (3, "linus@example.org", "shipped", "7.50"),
)
_LINES = ((1, 1, "tea", 2, "9.95"), (2, 1, "keyboard", 1, "249.00"), (3, 1, "stickers", 3, "2.50"))
TABLES = {
    "shop.orders": "id BIGINT AUTO_INCREMENT PRIMARY KEY, customer VARCHAR(120) NOT NULL, status VARCHAR(20) NOT NULL, "
    "total DECIMAL(12,2) NOT NULL, changed TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)",
    "shop.order_lines": "order_id BIGINT NOT NULL, line INT NOT NULL, article VARCHAR(80) NOT NULL, quantity INT NOT NULL, "
    "price DECIMAL(12,2) NOT NULL, PRIMARY KEY (order_id, line)",
}
_ROWS = {
    "shop.orders": (("id", "customer", "status", "total"), _ORDERS),
    "shop.order_lines": (("order_id", "line", "article", "quantity", "price"), _LINES),
}


def statements(databases: tuple[str, ...]) -> list[str]:
    """SQL, one statement a line as MariaDB's ``init-file`` wants it; rows where a table has none. Nothing where nobody reads
    the shop."""
    if "shop" not in databases:
        return []
    made = [f"CREATE TABLE IF NOT EXISTS {table} ({columns});" for table, columns in TABLES.items()]
    return made + [_insert(table, columns, rows) for table, (columns, rows) in _ROWS.items()]


def _insert(table: str, columns: tuple[str, ...], rows: tuple[tuple[str | int, ...], ...]) -> str:
    selects = [
        "SELECT " + ", ".join(f"{_literal(value)} AS {column}" for column, value in zip(columns, row, strict=True))
        for row in rows
    ]
    rest = f"({' UNION ALL '.join(selects)}) AS demo WHERE NOT EXISTS (SELECT 1 FROM {table})"  # noqa: S608 - as above
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM {rest};"  # noqa: S608 - all of it stands above


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else f"'{value}'"
