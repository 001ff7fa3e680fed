"""A verdict as one sentence for people, in both languages."""

from __future__ import annotations

from throughline.compliance.rules import Verdict
from throughline.kernel.i18n import N_, Text, bilingual


def sentence(one: Verdict) -> Text:
    """Why a rule is met, breached, open or beside the point."""
    because = "; ".join(
        f"{step.text} ({step.left if step.left is not None else '?'} / {step.right if step.right is not None else '?'})"
        for step in one.trace
    )
    match one.verdict:
        case "met":
            return bilingual(N_("%(rule)s is met: %(because)s."), rule=one.rule.id, because=because or "-")
        case "breached":
            return bilingual(
                N_("%(rule)s is breached: %(because)s."), rule=one.rule.id, because=because or "-"
            )
        case "not_applicable":
            return bilingual(N_("%(rule)s does not apply here."), rule=one.rule.id)
        case "pending":
            return bilingual(
                N_("%(rule)s is decided at a later step: %(missing)s is not known yet."),
                rule=one.rule.id,
                missing=", ".join(one.missing),
            )
        case "unknown":
            return bilingual(
                N_("%(rule)s could not be decided: %(missing)s is missing."),
                rule=one.rule.id,
                missing=", ".join(one.missing),
            )
        case "duty":
            return bilingual(
                N_("%(rule)s is a duty that is proved by evidence, not by numbers."), rule=one.rule.id
            )
