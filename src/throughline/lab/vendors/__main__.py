"""`python -m throughline.lab.vendors [PORT]`: the vendors of number status of this installation."""

import sys

from throughline.kernel.lab_ports import lab_port
from throughline.kernel.settings import settings
from throughline.lab.simulator import serve
from throughline.lab.vendors.app import build

PORT = 8106

if __name__ == "__main__":
    serve(build(settings().home), int(sys.argv[1]) if len(sys.argv) > 1 else lab_port(PORT))
