"""The platform changes its signing key while orders are open: nobody has to touch our settings."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import httpx
import pytest

from payments.support_servers import Simulator, wait_for
from throughline.kernel import clock
from throughline.kernel.db import Database
from throughline.payments import service
from throughline.payments.service import OrderView

pytestmark = pytest.mark.usefixtures("rails")


@pytest.mark.parametrize("mode", ["public_key", "new_certificate", "certificate"])
def test_the_platform_may_change_its_key_in_flight(
    mode: str,
    database: Database,
    borrower: UUID,
    hooks: str,
    wechat: Simulator,
    view: Callable[[UUID], OrderView],
    run_jobs: Callable[..., int],
) -> None:
    order_id = database.run(
        lambda session: service.order_collection(
            session, borrower, 52_345, "CNY", "loan:1", idempotency_key=str(uuid4()), now=clock.now()
        )
    )
    run_jobs(rounds=1, hurry=False)
    wechat.post("settings", sign_with=mode).raise_for_status()
    out_ref = view(order_id).out_ref
    wechat.post(f"pay/{out_ref}").raise_for_status()
    notice = httpx.get(f"{wechat.url}/control/notice/{out_ref}")
    signature = {name: value for name, value in notice.headers.items() if name.startswith("wechatpay")}
    answer = httpx.post(f"{hooks}/wechat", content=notice.content, headers=signature)
    assert answer.status_code == 204

    def received() -> bool:
        run_jobs(rounds=2)
        return view(order_id).state == "succeeded"

    wait_for(received)
