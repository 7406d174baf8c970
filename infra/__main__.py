"""Pulumi starts here, in this folder, and without the repository on Python's path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra import program

program.main()
