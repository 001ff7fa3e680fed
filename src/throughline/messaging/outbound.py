"""What leaves the house: the outside text of a message, filled, for one address."""

from __future__ import annotations

import json
from uuid import UUID

from throughline.kernel import crypto
from throughline.messaging.flow import Plan
from throughline.messaging.models import MsgAttempt, MsgStep
from throughline.messaging.plan import Channel
from throughline.messaging.ports import Outbound
from throughline.messaging.settings import load_settings
from throughline.messaging.templates import fill, places, template
from throughline.parties import service as parties
from throughline.parties.purposes import Purpose


def outbound(plan: Plan, step: MsgStep, attempt: MsgAttempt) -> Outbound:
    """The message of an attempt in the borrower's language, with the address in clear."""
    intent = plan.intent
    outside = template(intent.template).outside
    params = json.loads(
        crypto.open_sealed(plan.session, intent.borrower_id, params_place(intent.id), intent.params)
    )
    mail = Channel(step.channel) is Channel.EMAIL
    text = fill(outside.body if mail else outside.sms, params)[intent.locale]
    return Outbound(
        client_ref=attempt.client_ref,
        address=address(plan, step.contact_point_id),
        locale=intent.locale,
        text=text,
        subject=fill(outside.subject, params)[intent.locale] if mail else "",
        template=f"{outside.name}.{intent.locale}",
        template_code=load_settings().sms_template_codes.get(f"{outside.name}.{intent.locale}", ""),
        # Of the parameters only those that the outside text itself names may leave the house.
        params={name: str(params[name]) for name in places(outside.sms[intent.locale]) if name in params},
    )


def params_place(intent_id: UUID) -> str:
    """The sealed place of an intent's parameters."""
    return f"msg_intent|{intent_id}|params"


def address(plan: Plan, contact_point_id: UUID) -> str:
    """The address in clear; the read is logged. Raises `ConsentMissing`."""
    return parties.contact_value(
        plan.session, contact_point_id, Purpose(plan.intent.purpose), now=plan.now, reader="messaging"
    )
