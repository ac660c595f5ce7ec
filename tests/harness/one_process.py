"""What servers have in common that are one process, which a test may end and start again."""

from tests.harness.processes import Process


class OneProcess:
    """``title`` is what it is called where it is missed."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        """The running one."""
        if self._process is None:
            raise RuntimeError(f"{self._title} is not running")
        return self._process

    def kill(self) -> None:
        """End it with no warning."""
        self.process.kill()
        self._process = None
