"""`python -m throughline.lab.prepare`: make the keys that platform and simulators share, before either starts."""

from __future__ import annotations

from throughline.kernel.settings import settings
from throughline.lab.bank.keys import ensure_keys as bank_keys
from throughline.lab.bureau.keys import ensure_keys as bureau_keys
from throughline.lab.carrier.keys import ensure_keys as carrier_keys
from throughline.lab.joint.keys import ensure_keys as joint_keys
from throughline.lab.sms.keys import ensure_keys as sms_keys
from throughline.lab.vendors.keys import ensure_keys as vendor_keys
from throughline.lab.wechat.keys import ensure_keys as wechat_keys


def main() -> None:
    """Make what is missing; safe to repeat."""
    home = settings().home
    bank_keys(home)
    bureau_keys(home)
    carrier_keys(home)
    wechat_keys(home)
    sms_keys(home)
    joint_keys(home)
    vendor_keys(home)


if __name__ == "__main__":
    main()
