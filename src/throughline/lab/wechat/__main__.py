"""`python -m throughline.lab.wechat [PORT]`: the WeChat Pay simulator of this installation."""

import sys

from throughline.kernel.lab_ports import lab_port
from throughline.kernel.settings import settings
from throughline.lab.simulator import serve
from throughline.lab.wechat.app import build

PORT = 8102

if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else lab_port(PORT)
    serve(build(settings().home, settings().lender_name, f"http://127.0.0.1:{port}"), port)
