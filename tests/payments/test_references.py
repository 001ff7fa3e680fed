"""References: every single-digit error and every swap of neighbours is refused, exhaustively on samples."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from throughline.kernel.ids import new_id
from throughline.payments import references

SAMPLES = ("539007547034", "2026112400000017", "9", "C0NTINU1TY")


@given(st.uuids(), st.integers(1, 99))
def test_an_out_ref_names_its_order_and_generation(order_id: UUID, generation: int) -> None:
    reference = references.out_ref(order_id, generation)
    assert len(reference) == 28
    assert reference.isascii()
    assert reference.isalnum()
    assert references.order_of(reference) == (order_id, generation)


def test_out_refs_sort_as_their_orders_were_made() -> None:
    made = [references.out_ref(new_id(), 1) for _ in range(100)]
    assert made == sorted(made)


@pytest.mark.parametrize("text", ["", "Z" * 26 + "01", "0" * 25 + "I01", "0" * 28 + "1", "lower" * 5 + "123"])
def test_other_texts_are_no_out_ref(text: str) -> None:
    with pytest.raises(ValueError, match="not a reference"):
        references.order_of(text)


@pytest.mark.parametrize("generation", [0, 100])
def test_a_generation_has_two_digits(generation: int) -> None:
    with pytest.raises(ValueError, match="two digits"):
        references.out_ref(new_id(), generation)


def test_the_published_example_of_iso_11649() -> None:
    assert references.rf_reference("539007547034") == "RF18539007547034"
    assert references.print_rf("RF18539007547034") == "RF18 5390 0754 7034"
    assert references.is_rf_reference("rf18 5390 0754 7034")


@pytest.mark.parametrize("body", SAMPLES)
def test_every_wrong_character_and_swap_of_an_rf_reference_is_found(body: str) -> None:
    reference = references.rf_reference(body)
    assert references.is_rf_reference(reference)
    for wrong in _mistakes(reference, start=2):
        assert not references.is_rf_reference(wrong), wrong


@pytest.mark.parametrize("digits", [sample for sample in SAMPLES if sample.isdigit()])
def test_every_wrong_digit_and_swap_of_a_numeric_reference_is_found(digits: str) -> None:
    reference = references.numeric_reference(digits)
    assert references.is_numeric_reference(reference)
    assert references.is_numeric_reference(f"{reference[:2]} {reference[2:]}")
    for wrong in _mistakes(reference, start=0):
        assert not references.is_numeric_reference(wrong), wrong


@given(st.text(max_size=40))
def test_no_text_breaks_the_checks(text: str) -> None:
    references.is_rf_reference(text)
    references.is_numeric_reference(text)


def _mistakes(reference: str, *, start: int) -> list[str]:
    found = []
    for place in range(start, len(reference)):
        old = reference[place]
        alphabet = "0123456789" if old.isdigit() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        for new in alphabet:
            if new != old:
                found.append(reference[:place] + new + reference[place + 1 :])
        if place + 1 < len(reference) and reference[place + 1] != old:
            found.append(reference[:place] + reference[place + 1] + old + reference[place + 2 :])
    return found
