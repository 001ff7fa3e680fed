"""ID numbers, addresses, names and masks: pure."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from throughline.parties import chinese_id, contact, masking
from throughline.parties.contact import ContactKind

DIVISIONS = ("110105", "440524", "310101", "650102", "810000")


@st.composite
def id_numbers(draw: st.DrawFn) -> str:
    born = draw(st.dates(date(1900, 1, 1), date(2020, 12, 31)))
    order = draw(st.integers(0, 999))
    first = f"{draw(st.sampled_from(DIVISIONS))}{born:%Y%m%d}{order:03d}"
    return first + chinese_id.check_character(first)


def test_the_examples_of_the_standard() -> None:
    # GB 11643-1999, annex: a woman born 31 December 1949 in Chaoyang, Beijing; a man of 1880 in Shantou.
    assert chinese_id.normalise("11010519491231002X") == "11010519491231002X"
    assert chinese_id.check_character("44052418800101001") == "4"


@given(id_numbers())
def test_a_made_number_is_valid_and_carries_its_birth_date(number: str) -> None:
    assert chinese_id.normalise(f" {number.lower()} ") == number
    assert chinese_id.birth_date(number) == date.fromisoformat(
        f"{number[6:10]}-{number[10:12]}-{number[12:14]}"
    )


@given(id_numbers(), st.integers(0, 17), st.sampled_from("0123456789X"))
def test_one_wrong_character_is_always_found(number: str, place: int, other: str) -> None:
    assume(other != number[place])
    with pytest.raises(ValueError, match=r".+"):
        chinese_id.normalise(number[:place] + other + number[place + 1 :])


@given(id_numbers(), st.integers(0, 16))
def test_two_swapped_neighbours_are_always_found(number: str, place: int) -> None:
    assume(number[place] != number[place + 1])
    swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
    with pytest.raises(ValueError, match=r".+"):
        chinese_id.normalise(swapped)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "11010519491231002",
        "11010519490231002X",
        "99010519491231002X",
        "１１０１０５１９４９１２３１００２X",
    ],
)
def test_other_numbers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        chinese_id.normalise(text)


def test_age_counts_full_years() -> None:
    assert chinese_id.age_years(date(2000, 5, 2), date(2018, 5, 1)) == 17
    assert chinese_id.age_years(date(2000, 5, 2), date(2018, 5, 2)) == 18
    assert chinese_id.age_years(date(2000, 2, 29), date(2018, 2, 28)) == 17
    assert chinese_id.age_years(date(2000, 2, 29), date(2018, 3, 1)) == 18


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("13800138000", "+8613800138000"),
        ("+86 138-0013-8000", "+8613800138000"),
        ("0086 13800138000", "+8613800138000"),
        ("+44 20 7946 0958", "+442079460958"),
    ],
)
def test_telephone_numbers_have_one_form(text: str, wanted: str) -> None:
    assert contact.phone(text) == wanted


@pytest.mark.parametrize("text", ["", "12345", "13800138000 ext. 5", "call me", "+8613800138000" * 5])
def test_other_telephone_numbers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        contact.phone(text)


def test_email_addresses_have_one_form() -> None:
    assert contact.email("  Wang.Min+loan@Example.COM ") == "wang.min+loan@example.com"


@pytest.mark.parametrize(
    "text",
    ["", "a", "a@b", "a@b..cn", "a b@c.cn", ".a@b.cn", "a.@b.cn", "a@-b.cn", "a@1.2.3.4", "a@b.cn\nBcc: x@y.cn", "王@b.cn", "a" * 65 + "@b.cn", "a@" + "b" * 250 + ".cn"],
)  # fmt: skip
def test_other_email_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        contact.email(text)


@given(st.text(max_size=300))
@example("a@b.cn\n")
def test_what_email_accepts_is_safe_in_a_header(text: str) -> None:
    try:
        address = contact.email(text)
    except ValueError:
        return
    assert len(address) <= 254
    assert address.isascii()
    assert not set(address) & set(' \r\n\t<>,;:"')
    assert contact.email(address) == address


def test_push_subscriptions() -> None:
    text = '{"keys":{"p256dh":"p","auth":"a"},"endpoint":"https://push.example/x","expirationTime":null}'
    assert contact.web_push(text) == '{"endpoint":"https://push.example/x","keys":{"auth":"a","p256dh":"p"}}'
    for bad in ("[]", "{", '{"endpoint":"http://x/","keys":{"auth":"a","p256dh":"p"}}', "[" * 1500, "null"):
        with pytest.raises(ValueError, match=r".+"):
            contact.web_push(bad)


def test_names_keep_rare_characters() -> None:
    assert contact.person_name("  王𬱖䶮 ") == "王𬱖䶮"
    assert contact.person_name("买买提·艾力") == "买买提·艾力"
    assert contact.person_name("Zoe\u0301  O'Neil") == "Zo\u00e9 O'Neil"
    for bad in ("", " ", "王\u202e敏", "王敏<script>", "王" * 101, "···", "王\x00敏"):
        with pytest.raises(ValueError, match=r".+"):
            contact.person_name(bad)


@given(id_numbers())
def test_masks_hide_the_middle(number: str) -> None:
    masked = masking.mask_id_number(number)
    assert len(masked) == 18
    assert masked[1:17] == "*" * 16
    assert masking.mask(ContactKind.PHONE, "+8613800135678") == "138****5678"
    assert masking.mask(ContactKind.PHONE, "+442079460958") == "+4****0958"
    assert masking.mask(ContactKind.EMAIL, "wang@example.com") == "w***@example.com"
    assert masking.mask_name("王小明") == "王**"
    assert masking.mask_name("王") == "王*"
