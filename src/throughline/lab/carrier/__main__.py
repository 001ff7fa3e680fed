"""`python -m throughline.lab.carrier [PORT]`: the carrier simulator of this installation."""

import sys

from throughline.kernel.lab_ports import lab_port
from throughline.kernel.settings import settings
from throughline.lab.carrier.app import build
from throughline.lab.simulator import serve

PORT = 8103

if __name__ == "__main__":
    serve(
        build(settings().home, f"{str(settings().base_url).rstrip('/')}/hooks/line/camara"),
        int(sys.argv[1]) if len(sys.argv) > 1 else lab_port(PORT),
    )
