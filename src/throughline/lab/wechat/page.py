"""What the QR code opens: merchant and amount, one button. Nothing says what the payment is for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from html import escape
from typing import Any

_PAGE = """<!doctype html>
<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>微信支付（模拟） WeChat Pay (simulated)</title>
<style>
body{{font:17px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;margin:0;background:#ededed;color:#111}}
main{{max-width:24rem;margin:3rem auto;background:#fff;border-radius:12px;padding:2rem;text-align:center}}
.amount{{font-size:2.6rem;font-weight:600;margin:.5rem 0 1.5rem}}
button{{font:inherit;width:100%;padding:.8rem;border:0;border-radius:8px;background:#07a350;color:#fff}}
button:focus-visible{{outline:3px solid #111;outline-offset:2px}}
small{{color:#595959}}
</style></head><body><main>
<p>{merchant}</p><p class="amount">¥{amount}</p>{act}
<p><small>模拟环境，不会动用真实资金<br>Simulation: no real money moves</small></p>
</main></body></html>"""

_PAY = '<form method="post"><button type="submit">支付 Pay</button></form>'
_STATES = {
    "SUCCESS": "<p role='status'>已支付 Paid</p>",
    "REFUND": "<p role='status'>已退款 Refunded</p>",
    "CLOSED": "<p role='status'>订单已关闭 This order is closed</p>",
    "EXPIRED": "<p role='status'>订单已过期 This order has expired</p>",
}


def render(trade: Mapping[str, Any], merchant: str, *, expired: bool) -> str:
    """The page of one order."""
    state = "EXPIRED" if expired and trade["state"] == "NOTPAY" else trade["state"]
    return _PAGE.format(
        merchant=escape(merchant),
        amount=f"{Decimal(trade['total']) / 100:,.2f}",
        act=_STATES.get(state, _PAY),
    )
