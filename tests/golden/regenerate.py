"""Write the golden files anew: ``python -m tests.golden.regenerate``. Then read the difference before it is committed."""

from tests.golden import FOLDER, rendered


def main() -> None:
    """Files that no longer belong there are removed."""
    folder = FOLDER / "minimal"
    folder.mkdir(exist_ok=True)
    texts = rendered()
    for stale in {path.name for path in folder.iterdir()} - texts.keys():
        (folder / stale).unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
