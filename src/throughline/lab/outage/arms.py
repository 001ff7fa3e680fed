"""The arms of an experiment on one cell: an ordinary lender, and ours by one policy or two, on the same lives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from throughline.contracts.outage import OutagePolicy
from throughline.lab.outage import paying, reach
from throughline.lab.outage.beliefs import Believed
from throughline.lab.outage.cases import Decided, Known, Reviewer, decide
from throughline.lab.outage.episodes import Word, believed_dark
from throughline.lab.outage.outcome import Outcomes, outcomes
from throughline.lab.outage.population.chance import Floats, Mask
from throughline.lab.outage.population.lives import Lives
from throughline.lab.outage.reach import Reached

ORDINARY = "ordinary"
COMPLAINT_HONEST, COMPLAINT_DISHONEST = 0.30, 0.15  # of complaints that an ordinary lender grants


@dataclass(frozen=True, slots=True)
class Arm:
    """What one lender did and what came of it."""

    name: str
    reached: Reached
    paid_s: Floats
    out: Outcomes
    decided: Decided | None
    accepts: Mask  # by installment: a complaint about its charges would be granted


def ordinary(lives: Lives) -> Arm:
    """Text messages, codes, fees and reports; protection only for who complains."""
    without = paying.undisturbed(lives, reach.undisturbed(lives, calls=True), lives.phones.off)
    reached = reach.by_sms_alone(lives)
    paid = paying.disturbed(lives, reached, paying.ways_by_code(lives), without)
    out = outcomes(lives, paid, without, None, reached.proof_s)
    honest = lives.people.honesty[lives.dues.who] == 0
    accepts = lives.dues.luck < np.where(honest, COMPLAINT_HONEST, COMPLAINT_DISHONEST)
    return Arm(ORDINARY, reached, paid, out, None, accepts)


def ours(
    lives: Lives, believed: Believed, words: list[Word], policy: OutagePolicy, name: str, reviewer: Reviewer
) -> Arm:
    """Beliefs, other routes, the policy's protections, and a person for what is in doubt."""
    off = lives.phones.off.only(~lives.people.second_device)
    without = paying.undisturbed(lives, reach.undisturbed(lives, calls=False), off)
    knowing = Known.of(lives, believed, words, policy)
    notice, back = knowing.notices(lives, policy)
    reached = reach.by_every_route(
        lives, believed_dark(lives, believed), paying.without_network(lives), notice, back
    )
    paid = paying.disturbed(lives, reached, paying.ways_without_line(lives), without)
    decided = decide(lives, knowing, policy, reached.knows, paid, believed.contradicted, reviewer)
    out = outcomes(lives, paid, without, decided, reached.proof_s)
    honest = lives.people.honesty[lives.dues.who] == 0
    luck = lives.dues.luck
    accepts = np.where(honest, luck >= reviewer.refuses_honest, luck < reviewer.believes_dishonest)
    return Arm(name, reached, paid, out, decided, accepts)
