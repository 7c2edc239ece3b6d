from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.oauth.encoding import percent_encode

VECTORS = json.loads((Path(__file__).parents[1] / "samples" / "oauth_vectors.json").read_text())


@pytest.mark.parametrize("vector", VECTORS["percent_encoding"], ids=lambda v: repr(v["text"]))
def test_text_is_encoded_as_in_the_vectors(vector: dict[str, Any]) -> None:
    """Only unreserved characters stay; a space is %20 and a slash is %2F."""
    assert percent_encode(vector["text"]) == vector["canonical"]


@given(st.text())
def test_both_paths_agree_with_the_standard_library(text: str) -> None:
    """The table for ASCII and the general path are the same function."""
    assert percent_encode(text) == quote(text, safe="")


def test_lone_surrogate_is_refused() -> None:
    """Text without a UTF-8 form cannot be signed."""
    with pytest.raises(ValueError, match="surrogates"):
        percent_encode("\ud800")
