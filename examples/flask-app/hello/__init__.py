"""A small web application that brings its dependencies along."""

import site
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What `pip install --target vendors` left. In development there is no such folder, and nothing happens.
site.addsitedir(str(ROOT / "vendors"))
