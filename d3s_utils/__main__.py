"""`python -m d3s_utils COMMAND`: see `cli/parser.py`."""

from __future__ import annotations

from d3s_utils.cli.parser import main

if __name__ == "__main__":
    raise SystemExit(main())
