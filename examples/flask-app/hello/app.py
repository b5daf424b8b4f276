"""The application: a greeting, and a health check that a deployment can believe."""

from . import ROOT  # first of all: puts the vendored packages on the path

from flask import Flask, jsonify

VERSION = (ROOT / "VERSION").read_text().strip()

app = Flask(__name__)


@app.get("/")
def greet():
    return "Hello from a bundle.\n"


@app.get("/health")
def health():
    """Says which version answers, so that a deployment notices when the old one still does."""
    return jsonify(status="ok", version=VERSION)
