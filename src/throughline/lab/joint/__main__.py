"""`python -m throughline.lab.joint [PORT]`: the desk for joint plans of this installation."""

import sys

from throughline.kernel.lab_ports import lab_port
from throughline.kernel.settings import settings
from throughline.lab.joint.app import build
from throughline.lab.simulator import serve

PORT = 8107

if __name__ == "__main__":
    serve(build(settings().home), int(sys.argv[1]) if len(sys.argv) > 1 else lab_port(PORT))
