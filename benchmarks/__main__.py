"""`python -m benchmarks NAME [--quick]`: figures as JSON lines on stdout, what else is to say on stderr."""

import sys

from deploy.environment import calm_threads

calm_threads()  # before anything loads numpy or torch

from benchmarks.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
