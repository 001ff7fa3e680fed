"""Who the borrowers are, what they owe and when, and how they would repay if nothing ever failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from throughline.lab.outage.population.chance import Floats, Indices, Mask, lognormal, stream
from throughline.lab.outage.population.habits import CARRIERS, DAY, HOUR, MONTH_DAYS, START, World

HONEST, FAKER, SUSPENDER = range(3)
AUTO, ONESELF, REMINDED, LATE = range(4)
SLOT_DAYS = (-3, 0, 1, 3, 7, 14, 21, 30, 45)  # of reminders and dunning, from the due date
TRIES = 4
_TERMS = np.array([6, 9, 12, 18])
_SHARES_MINOR = np.array([20_000, 40_000, 60_000, 100_000, 150_000])


@dataclass(frozen=True, slots=True)
class People:
    """Borrowers by number, sorted by carrier. Money in minor units."""

    carrier: Indices
    region: Indices
    honesty: Indices
    forgetful: Mask
    habit: Indices
    transfers: Mask
    app: Mask
    wifi: Mask
    beats_a_day: Floats
    second_device: Mask
    email: Mask
    second_person: Mask
    due_day_of_month: Indices
    installments: Indices
    share_minor: Indices  # of principal in each installment

    def __len__(self) -> int:
        return len(self.carrier)


@dataclass(frozen=True, slots=True)
class Dues:
    """Installments that fall due in the time, sorted by borrower. Each row has what its person would do.

    `due`: days from START. Times in seconds; `own_s` is when they would pay without a word, `able_s` when they
    have the money (inf: never again). Delays are drawn once, whatever a lender does.
    """

    who: Indices
    number: Indices  # of the installment, from 1
    due: Indices
    days: Indices  # of its interest period
    own_s: Floats
    able_s: Floats
    late_s: Floats  # earliest for those who are late by nature or delay on purpose; -inf: not
    notice_s: Floats  # when they find out by themselves
    read_s: Floats  # (rows, slots + 2), inf: never read
    act_s: Floats
    resume_s: Floats  # (rows, TRIES)
    answers: Floats  # (rows, 3) chance of a call
    email_s: Floats  # (rows, slots + 2) from sending to reading
    person_s: Floats  # until a second person has told them
    complains: Floats
    tells: Floats  # of an outage, by themselves
    luck: Floats  # of reviews and complaints
    spends: Floats
    fakes: Mask
    claim_s: Floats  # from the due date's midnight

    def __len__(self) -> int:
        return len(self.who)


def people_of(seed: int, cell: int, count: int, world: World) -> People:
    """The borrowers of a cell."""
    chance = stream(seed, cell, "people")
    carrier = np.sort(chance.choice(len(CARRIERS), count, p=[one.share for one in CARRIERS]))
    kind = chance.random(count)
    honesty = np.where(
        kind < world.fakers, FAKER, np.where(kind < world.fakers + world.suspenders, SUSPENDER, HONEST)
    )
    habit = chance.choice(
        4,
        count,
        p=[
            world.auto_debit,
            world.by_oneself,
            1 - world.auto_debit - world.by_oneself - world.late_by_nature,
            world.late_by_nature,
        ],
    )
    # Who plans to delay would not leave it to a debit.
    habit = np.where((honesty != HONEST) & (habit == AUTO), REMINDED, habit)
    income = chance.choice([5, 10, 15, 20, 25], count)
    app = chance.random(count) < world.app
    return People(
        carrier=carrier,
        region=chance.integers(0, world.regions, count),
        honesty=honesty,
        forgetful=chance.random(count) < 0.3,
        habit=habit,
        transfers=chance.random(count) < world.by_transfer,
        app=app,
        wifi=chance.random(count) < world.wifi,
        beats_a_day=lognormal(chance, world.beats_a_day, 0.5, count),
        second_device=chance.random(count) < world.second_device,
        email=chance.random(count) < world.email,
        second_person=chance.random(count) < world.second_person,
        due_day_of_month=(income + chance.integers(1, 6, count) - 1) % 28 + 1,
        installments=chance.choice(_TERMS, count),
        share_minor=chance.choice(_SHARES_MINOR, count),
    )


def due_dates(day_of_month: int, months: int) -> list[date]:
    """The due dates of a day of the month from START on, the one before them first."""
    dates = []
    year, month = START.year, START.month - 1
    for _ in range(months + 2):
        dates.append(date(year, month, day_of_month))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return dates


def dues_of(seed: int, cell: int, people: People, months: int, world: World) -> Dues:
    """All installments of a cell that fall due in the time."""
    chance = stream(seed, cell, "dues")
    first = START.date()
    table = {day: due_dates(day, months) for day in range(1, 29)}
    offsets = np.array([[(one - first).days for one in table[day]] for day in range(1, 29)])
    mine = offsets[people.due_day_of_month - 1]  # (borrowers, months + 2)
    length = months * MONTH_DAYS
    numbers = np.arange(1, mine.shape[1])
    inside = (mine[:, 1:] < length) & (numbers[np.newaxis, :] <= people.installments[:, np.newaxis])
    who, column = np.nonzero(inside)
    count = len(who)
    due = mine[who, column + 1]
    slots = len(SLOT_DAYS) + 2
    habit, at = people.habit[who], due * DAY
    forgets = chance.random(count) < np.where(people.forgetful[who], 2.2, 0.65) * world.forgets
    own = at - chance.uniform(0.5, 5.0, count) * DAY + chance.uniform(8, 22, count) * HOUR
    own = np.where(habit == AUTO, at + 9 * HOUR, np.where((habit == ONESELF) & ~forgets, own, np.inf))
    short = chance.random(count) < world.short_of_money
    able = np.where(short, at + lognormal(chance, world.short_days, 0.7, count) * DAY, -np.inf)
    able = np.where(_from_first(who, chance.random(count) < world.gives_up), np.inf, able)
    # Those who are late by nature are so every other time.
    late = at + DAY + lognormal(chance, 4.5, 0.8, count) * DAY
    late = np.where((habit == LATE) & (chance.random(count) < 0.5), late, -np.inf)
    fakes = (people.honesty[who] == FAKER) & (chance.random(count) < world.fakes)
    delay = at + chance.uniform(4, 16, count) * DAY
    late = np.where(fakes, np.maximum(late, delay), late)
    return Dues(
        who=who,
        number=column + 1,
        due=due,
        days=due - mine[who, column],
        own_s=own,
        able_s=able,
        late_s=late,
        notice_s=at + DAY + lognormal(chance, world.notices_by_oneself_days, 0.7, count) * DAY,
        read_s=np.where(
            chance.random((count, slots)) < world.unread,
            np.inf,
            chance.exponential(world.read_h * HOUR, (count, slots)),
        ),
        act_s=chance.exponential(world.acts_h * HOUR, count),
        resume_s=chance.exponential(world.resumes_h * HOUR, (count, TRIES)),
        answers=chance.random((count, 3)),
        email_s=np.where(
            chance.random((count, slots)) < world.email_read,
            lognormal(chance, world.email_h, 0.8, (count, slots)) * HOUR,
            np.inf,
        ),
        person_s=np.where(
            chance.random(count) < world.second_person_tells,
            lognormal(chance, world.second_person_h, 0.7, count) * HOUR,
            np.inf,
        ),
        complains=chance.random(count),
        tells=chance.random(count),
        luck=chance.random(count),
        spends=chance.random(count),
        fakes=fakes,
        claim_s=chance.uniform(-1.2, 1.5, count) * DAY,
    )


def due_date(day: int) -> date:
    """A day from START as a date."""
    return START.date() + timedelta(days=int(day))


def _from_first(who: Indices, hit: Mask) -> Mask:
    """From a borrower's first hit on, all their rows."""
    gone: Mask = np.maximum.accumulate(np.where(hit, who, -1)) == who
    return gone
