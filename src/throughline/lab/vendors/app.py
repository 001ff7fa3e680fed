"""The vendors' HTTP face: Alibaba Cloud's RPC at the root, Baidu's paths, and the control desk of both."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from throughline.lab.simulator import control_routes
from throughline.lab.vendors import aliyun, baidu
from throughline.lab.vendors.keys import read_accounts
from throughline.lab.vendors.view import View

SETTINGS = frozenset({"lag_s", "recycled_lag_days", "carrier_answer_s", "repeat_after_s", "per_s"})
_SHOWN = 500


def build(home: Path) -> Starlette:
    """The vendors over their ledger in `home`/lab/vendors.sqlite."""
    view, accounts = View(home), read_accounts(home)
    ali, bai = aliyun.Aliyun(view, accounts), baidu.Baidu(view, accounts)

    async def queries(request: Request) -> Response:
        """Queries that were answered, and what each costs in fen; `?phone=` for one number of 11 digits."""
        phone = request.query_params.get("phone")
        rows = view.ledger.rows(
            "SELECT vendor, check_name, phone, answer, price_minor FROM query WHERE ? IS NULL OR phone = ?"
            " ORDER BY id DESC LIMIT ?",
            (phone, phone, _SHOWN),
        )
        return JSONResponse({"queries": rows[::-1]})

    return Starlette(
        routes=[
            Route("/", ali.rpc, methods=["GET", "POST"]),
            *(Route(path, bai.ask, methods=["POST"]) for path in baidu.PATHS),
            Route("/control/queries", queries, methods=["GET"]),
            *control_routes(
                view.ledger, faults=frozenset({*aliyun.FAULTS, *baidu.FAULTS}), settings=SETTINGS
            ),
        ]
    )
