"""The verbs of payments, for the packages above. Each runs in the caller's transaction."""

from throughline.payments.accounts import (
    AccountView,
    InvalidAccount,
    NotOwnAccount,
    TooManyAccounts,
    UnknownAccount,
    add_payee_account,
    close_payee_account,
    payee_accounts,
)
from throughline.payments.orders import (
    InvalidOrder,
    NotClosable,
    OrderKeyReused,
    UnknownOrder,
    close,
    order_collection,
    order_payout,
)
from throughline.payments.registry import RailNotSetUp
from throughline.payments.views import AttemptView, OrderView, attempts_of, order_view, orders

__all__ = [
    "AccountView",
    "AttemptView",
    "InvalidAccount",
    "InvalidOrder",
    "NotClosable",
    "NotOwnAccount",
    "OrderKeyReused",
    "OrderView",
    "RailNotSetUp",
    "TooManyAccounts",
    "UnknownAccount",
    "UnknownOrder",
    "add_payee_account",
    "attempts_of",
    "close",
    "close_payee_account",
    "order_collection",
    "order_payout",
    "order_view",
    "orders",
    "payee_accounts",
]
