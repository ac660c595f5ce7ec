"""Run a command and show what it wrote only when it fails: ``python -m tests.quietly COMMAND [ARGUMENT ...]``."""

import subprocess
import sys


def main() -> int:
    """The command's own exit code."""
    done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        sys.stdout.write(done.stdout)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
