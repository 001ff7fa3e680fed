"""What a history is expected to hold under given rates: the E-step of Baum and Welch for a chain in continuous
time with irregular observations. Pure.

With Q = R·diag(λ)·L, a row α before a gap of Δ hours and a column β after it, the expected number of changes
from i to j in the gap is q_ij · Σ_kl L_ki (αR)_k I_kl (Lβ)_l R_jl / (α exp(QΔ) β), where
I_kl = (e^{λ_k Δ} - e^{λ_l Δ}) / (λ_k - λ_l), and Δ e^{λ_k Δ} for k = l (Hobolth and Jensen 2011, "Summary statistics for
endpoint-conditioned continuous-time Markov chains"). I_kl falls apart into a part of k and one of l, so that
sums over all gaps are two products of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from throughline.line.fold import Indices, scaled
from throughline.line.learning.sequences import Past, Sequences
from throughline.line.parameters import Floats, decomposed
from throughline.line.state import STATES

_CLOSE = 1e-9  # roots that differ by less are one


@dataclass(slots=True)
class Expected:
    """Sums over lines. `changes`: from state to state; `time_h`: in each state; `begun`: lines that begin in
    each state; `before`: by reading, how probable each state was by all other evidence."""

    changes: Floats
    time_h: Floats
    begun: Floats
    before: Floats
    log_likelihood: float

    def add(self, other: Expected) -> None:
        """Take another block in."""
        self.changes += other.changes
        self.time_h += other.time_h
        self.begun += other.begun
        self.before += other.before
        self.log_likelihood += other.log_likelihood


def expect(past: Past, rates: Floats, prior: Floats, usual: Floats) -> Expected:
    """What is expected of a history. `rates` (states, states) by hour without a diagonal. The logarithm of the
    likelihood is relative to one who knows nothing of a line but how `usual` each state is."""
    size = len(STATES)
    total = Expected(
        np.zeros((size, size)), np.zeros(size), np.zeros(size), np.zeros((len(past.readings), size)), 0.0
    )
    roots = decomposed(rates)
    for block in past.blocks:
        total.add(_block(block, rates, roots, prior, usual, len(past.readings)))
    return total


def likelihood(past: Past, rates: Floats, prior: Floats, usual: Floats) -> float:
    """The logarithm of the likelihood alone, as `expect` gives it."""
    roots = decomposed(rates)
    return float(
        sum(np.log(_forward(one, roots, prior)[2]).sum() - _baseline(one, usual) for one in past.blocks)
    )


def _baseline(block: Sequences, usual: Floats) -> float:
    return float(np.log(_weights(block) @ usual).sum())


def _weights(block: Sequences) -> Floats:
    """The likelihoods themselves, the largest of a row 1."""
    weights: Floats = np.exp(block.evidence - block.evidence.max(axis=1, keepdims=True))
    return weights


Roots = tuple[Floats, Floats, Floats]  # roots, right, left


def _rounds(first: Indices) -> Sequence[Indices]:
    """Rows of one place each of all lines that are so long, from the first place on."""
    counts = np.diff(first)
    order = np.argsort(-counts, kind="stable")
    ordered, begins = counts[order], first[:-1][order]
    return [
        begins[: int(np.searchsorted(-ordered, -number, side="left"))] + number
        for number in range(int(ordered[0]))
    ]


def _gaps_h(block: Sequences) -> Floats:
    gaps = np.diff(block.at_s, prepend=block.at_s[:1]) / 3600
    gaps[block.first[:-1]] = 0.0
    return np.asarray(np.maximum(gaps, 0.0))


def _forward(block: Sequences, roots: Roots, prior: Floats) -> tuple[Floats, Floats, Floats]:
    """Beliefs before each observation, after it, and how likely each was."""
    values, right, left = roots
    gaps, weights = _gaps_h(block), _weights(block)
    before, after = np.empty_like(weights), np.empty_like(weights)
    chance = np.empty(len(weights))
    for number, rows in enumerate(_rounds(block.first)):
        if number == 0:
            p = np.broadcast_to(prior, (len(rows), len(prior)))
        else:
            spread = (after[rows - 1] @ right) * np.exp(values * gaps[rows][:, np.newaxis])
            p = scaled(np.real(spread @ left))
        before[rows] = p
        seen = p * weights[rows]
        chance[rows] = seen.sum(axis=1)
        after[rows] = seen / chance[rows][:, np.newaxis]
    return before, after, chance


def _block(
    block: Sequences, rates: Floats, roots: Roots, prior: Floats, usual: Floats, readings: int
) -> Expected:
    values, right, left = roots
    before, after, chance = _forward(block, roots, prior)
    gaps, weights = _gaps_h(block), _weights(block)
    ahead = np.ones_like(weights)  # how likely all that follows is in each state, scaled
    for rows in reversed(_rounds(block.first)[1:]):
        later = weights[rows] * ahead[rows]
        spread = (later @ left.T) * np.exp(values * gaps[rows][:, np.newaxis])
        back = np.maximum(np.real(spread @ right.T), 0.0)
        ahead[rows - 1] = back / back.sum(axis=1, keepdims=True)
    # Rows that have one before them end a gap.
    ends = np.ones(len(weights), dtype=bool)
    ends[block.first[:-1]] = False
    rows = np.nonzero(ends)[0].astype(np.int64)
    a = after[rows - 1] @ right
    b = (weights[rows] * ahead[rows]) @ left.T
    grown = np.exp(values * gaps[rows][:, np.newaxis])
    likely = np.real((a * grown * b).sum(axis=1))
    a = a / likely[:, np.newaxis]
    apart = values[:, np.newaxis] - values[np.newaxis, :]
    close = np.abs(apart) < _CLOSE
    sums = ((a * grown).T @ b - a.T @ (b * grown)) / np.where(close, 1.0, apart)
    same = (a * grown * gaps[rows][:, np.newaxis]).T @ b
    sums = np.where(close, same, sums)
    spent = np.real(left.T @ sums @ right.T)  # hours in i, followed by j; its diagonal: hours in i
    smoothed = scaled(before * ahead)
    said = np.zeros((readings, len(values)))
    spoken = block.reading >= 0
    np.add.at(said, block.reading[spoken], smoothed[spoken])
    first = block.first[:-1]
    begun = after[first] * ahead[first]
    return Expected(
        np.maximum(spent * rates, 0.0),
        np.maximum(np.diag(spent).copy(), 0.0),
        (begun / begun.sum(axis=1, keepdims=True)).sum(axis=0),
        said,
        float(np.log(chance).sum()) - _baseline(block, usual),
    )
