"""The kernel's endpoints, gathered for the web application."""

from throughline.kernel.webhook_api import router

__all__ = ["router"]
