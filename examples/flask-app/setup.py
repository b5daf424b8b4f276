"""Packs the application with its vendored dependencies: `python -m build --sdist` makes `dist/hello-VERSION.tar.gz`."""

from pathlib import Path

from setuptools import setup

setup(
    name="hello",
    version=Path(__file__).with_name("VERSION").read_text().strip(),
    packages=["hello"],
    python_requires=">=3.10",
)
