"""``python -m ourdl_cli`` is the command ``ourdl``."""

import sys

from ourdl_cli.start import main

sys.exit(main())
