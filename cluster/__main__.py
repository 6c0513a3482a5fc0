"""`python -m cluster`: the `expertmesh` command from a source tree that is not installed."""

import sys

from cluster.cli import main

sys.exit(main())
