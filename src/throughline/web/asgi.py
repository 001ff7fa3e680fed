"""The entry point of the web server: one application for each process."""

from throughline.web.app import create_app

app = create_app()
