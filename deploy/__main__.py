"""`python -m deploy` is `liteheart`."""

import sys

from deploy.cli import main

sys.exit(main())
