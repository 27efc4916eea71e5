"""Which pages may open a socket."""

from __future__ import annotations

import pytest

from serving.headers import may_connect


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        (None, "shop.example", True),
        ("https://shop.example", "shop.example", True),
        ("https://shop.example", "shop.example:443", True),
        ("http://shop.example", "shop.example:443", False),
        ("https://SHOP.example", "shop.example", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("https://shop.example:8443", "shop.example", False),
        ("https://evil.example", "shop.example", False),
        ("https://shop.example.evil.example", "shop.example", False),
        ("null", "shop.example", False),
        ("", "shop.example", False),
        ("https://shop.example", None, False),
        ("https://shop.example", "", False),
        ("http://[", "[", False),
        ("https://friend.example", "shop.example", True),
        ("https://friend.example/", "shop.example", True),
        ("http://friend.example", "shop.example", False),
    ],
)
def test_only_our_own_pages_and_the_named_sites_may(origin: str | None, host: str, expected: bool) -> None:
    assert may_connect(origin, host, ["https://friend.example"]) is expected
