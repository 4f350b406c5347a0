"""Reading JSON: what is read in the short way is what the careful way reads, and what that refuses is refused."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.documents import read_object
from hub.errors import HubError, Invalid, Malformed

texts = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=12) | st.sampled_from(['":', 'a":1', '"', "\\"])
things = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(texts, things, max_size=5), st.booleans())
def test_whatever_is_plain_is_read_as_it_was_written(thing: dict[str, Any], ascii_only: bool) -> None:
    assert read_object(json.dumps(thing, ensure_ascii=ascii_only).encode()) == thing
    assert read_object(orjson.dumps(thing)) == thing


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"a":1,"a":1}', Invalid),
        ('{"a": {"b":1, "b" :2}}', Invalid),
        ('{"a":[{"b":1},{"b":1,"c":"\\":","b":2}]}', Invalid),
        ('{"a":1,"\\u0061":2}', Invalid),
        ('{"a":9223372036854775808}', Invalid),
        ('{"a":123456789012345678901234567890}', Invalid),
        ('{"a":"\\ud800"}', Invalid),
        ('{"a":NaN}', Invalid),
        ('{"a":1e999}', Invalid),
        ('{"a":' + "[" * 40 + "]" * 40 + "}", Invalid),
        ('{"a":' + "[" * 700 + "]" * 700 + "}", Invalid),
        ('{"a":' * 5000 + "1" + "}" * 5000, Malformed),
        ('{"a":1', Malformed),
        ("[1]", Malformed),
        ("null", Malformed),
        ('{"a":01}', Malformed),
    ],
)
def test_what_others_might_read_differently_is_refused(text: str, kind: type[HubError]) -> None:
    with pytest.raises(kind):
        read_object(text.encode())


def test_a_fraction_is_left_to_who_knows_what_it_is_for() -> None:
    assert read_object(b'{"latitude":11.5,"longitude":104.25}') == {"latitude": 11.5, "longitude": 104.25}
