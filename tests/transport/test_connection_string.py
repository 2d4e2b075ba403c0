"""Connection strings as the official packages read and print them."""

import pytest
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from hypothesis import given
from hypothesis import strategies as st

from hubbub.transport.wire.connection_string import (
    ConnectionString,
    ConnectionStringError,
    format_connection_string,
    parse_connection_string,
)

KEY = "0123456789abcdef0123456789abcdef+/=="


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        (f"Endpoint=http://h:8080;AccessKey={KEY};Version=1.0;", "http://h:8080"),
        (f"Endpoint=https://h;AccessKey={KEY}", "https://h"),
        (f"ENDPOINT=https://h/;accesskey={KEY};version=2.0;", "https://h"),
        (f" AccessKey = {KEY} ; Endpoint = https://h ; ", "https://h"),
        (f"Endpoint=http://h;Port=8080;AccessKey={KEY}", "http://h:8080"),
        (f"Endpoint=http://h:1/;port=8080;AccessKey={KEY}", "http://h:8080"),
        (f"Endpoint=https://h/base/;AccessKey={KEY}", "https://h/base"),
        (f"Endpoint=HTTP://H.example;AccessKey={KEY}", "http://h.example"),
        (f"Endpoint=http://[::1]:8080;AccessKey={KEY}", "http://[::1]:8080"),
        (f"Endpoint=https://h;AccessKey={KEY};AuthType=key;X=", "https://h"),
    ],
)
def test_a_connection_string_is_read_tolerantly(text: str, endpoint: str) -> None:
    assert parse_connection_string(text) == ConnectionString(endpoint, KEY)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no Endpoint"),
        ("nonsense", "no '='"),
        (f"AccessKey={KEY}", "no Endpoint"),
        (f"Endpoint=;AccessKey={KEY}", "no Endpoint"),
        ("Endpoint=https://h", "no AccessKey"),
        (f"Endpoint=h.example:8080;AccessKey={KEY}", "write http://h.example:8080"),
        (f"Endpoint=ftp://h;AccessKey={KEY}", "not an http"),
        (f"Endpoint=https://;AccessKey={KEY}", "not an http"),
        (f"Endpoint=https://u:p@h;AccessKey={KEY}", "not an http"),
        (f"Endpoint=https://h?x=1;AccessKey={KEY}", "not an http"),
        (f"Endpoint=https://h;Port=0;AccessKey={KEY}", "1 to 65535"),
        (f"Endpoint=https://h;Port=65536;AccessKey={KEY}", "1 to 65535"),
        (f"Endpoint=https://h;Port=x;AccessKey={KEY}", "1 to 65535"),
        (f"Endpoint=https://h:99999;AccessKey={KEY}", "1 to 65535"),
        (f"Endpoint=https://h;endpoint=https://i;AccessKey={KEY}", "twice"),
    ],
)
def test_a_wrong_connection_string_is_told_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(ConnectionStringError, match=words) as caught:
        parse_connection_string(text)
    assert KEY not in str(caught.value)


def test_what_is_printed_is_read_by_us_and_by_the_official_package() -> None:
    text = format_connection_string("http://127.0.0.1:8080/", KEY)
    assert text == f"Endpoint=http://127.0.0.1:8080;AccessKey={KEY};Version=1.0;"
    assert parse_connection_string(text).endpoint == "http://127.0.0.1:8080"
    client = WebPubSubServiceClient.from_connection_string(text, hub="chat")
    url = client.get_client_access_token()["baseUrl"]
    assert url == "ws://127.0.0.1:8080/client/hubs/chat"


@pytest.mark.parametrize("key", ["", "a;b", " a"])
def test_a_key_that_cannot_be_read_back_is_not_printed(key: str) -> None:
    with pytest.raises(ConnectionStringError):
        format_connection_string("http://h", key)


def test_a_connection_string_does_not_show_its_key() -> None:
    value = ConnectionString("http://h", KEY)
    assert KEY not in repr(value)
    assert KEY not in str(value)
    assert KEY not in repr(value.__rich_repr__())


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for candidate in (
        text,
        f"Endpoint={text};AccessKey={KEY}",
        f"Endpoint=http://{text}",
    ):
        try:
            assert parse_connection_string(candidate).endpoint
        except ConnectionStringError:
            continue
