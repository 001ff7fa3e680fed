"""The entry point of the web server: one application for each process."""

import gc

from throughline.kernel.telemetry import set_up_tracing
from throughline.web.app import create_app

set_up_tracing("web")  # here: the server's own processes are not the one that started it
app = create_app()
# What the application is made of stays for ever; the collector shall not look through it again with every request.
gc.collect()
gc.freeze()
