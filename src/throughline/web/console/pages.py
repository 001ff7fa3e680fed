"""All pages of the console, in one router."""

from __future__ import annotations

from fastapi import APIRouter

from throughline.web.console import auth, borrowers, dashboard, jobs

router = APIRouter(include_in_schema=False)
for module in (auth, dashboard, borrowers, jobs):
    router.include_router(module.router)
