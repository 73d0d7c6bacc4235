"""`python -m graphc` is the command `graphc`.

Python puts the current folder in front of everything that is imported. There lie models, and perhaps a numba.py; so the
folder goes, unless graphc itself is found in it.
"""

import os
import sys

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if not sys.flags.safe_path and sys.path and os.path.abspath(sys.path[0]) == os.getcwd() != FOLDER:
    del sys.path[0]

if __name__ == "__main__":
    from graphc.cli import main

    sys.exit(main())
