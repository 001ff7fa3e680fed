"""The entry point of the web server: one application for each process."""

from throughline.kernel.telemetry import set_up_tracing
from throughline.web.app import create_app

set_up_tracing("web")  # here: the server's own processes are not the one that started it
app = create_app()
