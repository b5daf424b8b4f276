"""Runs gunicorn out of `vendors`: `python3 run.py --bind 127.0.0.1:8000 hello.app:app`. Nothing is installed on the server."""

import hello  # noqa: F401  puts the vendored packages on the path

from gunicorn.app.wsgiapp import run

if __name__ == "__main__":
    run()
