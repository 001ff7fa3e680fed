"""`python -m throughline.lab.mail [PORT]`: the mailbox of this installation; SMTP listens 20 ports higher."""

import sys

from throughline.kernel.lab_ports import lab_port
from throughline.kernel.settings import settings
from throughline.lab.mail.app import build
from throughline.lab.simulator import serve

PORT = 8105
SMTP_ABOVE = 20

if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else lab_port(PORT)
    serve(build(settings().home, port + SMTP_ABOVE), port)
