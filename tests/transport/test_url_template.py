"""The URL of a webhook, with hub and event filled in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubbub.transport.wire.url_template import UrlTemplate


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("https://a.example/{hub}/{event}", "https://a.example/chat/a%2Fb"),
        ("http://a:80/x?e={EVENT}&code=s", "http://a:80/x?e=a%2Fb&code=s"),
        ("https://a.example", "https://a.example"),
    ],
)
def test_a_template_is_filled_with_encoded_names(template: str, url: str) -> None:
    assert UrlTemplate(template).fill("chat", "a/b") == url


@given(st.text(max_size=20))
def test_only_unreserved_characters_stay_as_they_are(name: str) -> None:
    filled = UrlTemplate("http://a/{event}").fill("h", name).removeprefix("http://a/")
    assert set(filled.replace("%", "")) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    )


@pytest.mark.parametrize(
    "template",
    [
        "/relative/{event}",
        "ftp://a.example/",
        "https:///path",
        "https://{hub}.example/",
        "https://a.example/{name}",
        "https://a.example/{@Microsoft.KeyVault(SecretUri=x)}",
        "https://a.example:port/",
        "https://a.example/a b",
        "https://a.example/\u00e9",
        "tunnel:///eventhandler",
    ],
)
def test_a_template_that_cannot_work_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        UrlTemplate(template)


def test_the_label_of_a_template_holds_no_secret() -> None:
    template = UrlTemplate("https://me:pass@a.example:8443/x/{event}?code=secret")
    assert template.label == "https://a.example:8443/x/{event}"
