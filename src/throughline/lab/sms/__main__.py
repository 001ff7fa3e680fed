"""`python -m throughline.lab.sms [PORT]`: the SMS provider simulator of this installation."""

import sys

from throughline.kernel.lab_ports import lab_port
from throughline.kernel.settings import settings
from throughline.lab.simulator import serve
from throughline.lab.sms.app import build

PORT = 8104

if __name__ == "__main__":
    serve(
        build(settings().home, f"{str(settings().base_url).rstrip('/')}/hooks/messaging/sms"),
        int(sys.argv[1]) if len(sys.argv) > 1 else lab_port(PORT),
    )
