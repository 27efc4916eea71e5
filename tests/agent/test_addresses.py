"""Addresses as people write them, and the parts that are certain."""

from __future__ import annotations

import pytest

from agent.addresses import address


@pytest.mark.parametrize(
    ("text", "line1", "line2", "city", "region", "code"),
    [
        ("4 Mill Lane, Flat 2, York YO1 7EX", "4 Mill Lane", "Flat 2", "York", "", "YO1 7EX"),
        ("ship it to Flat 2, 4 Mill Lane, York YO1 7EX, UK", "4 Mill Lane", "Flat 2", "York", "", "YO1 7EX"),
        ("10 High Street, Clifton, Bristol BS8 1AA", "10 High Street", "Clifton", "Bristol", "", "BS8 1AA"),
        (
            "224 Elm Street, Suite 491, New York, NY 10108, USA",
            "224 Elm Street",
            "Suite 491",
            "New York",
            "NY",
            "10108",
        ),
        ("380 Maple Drive, San Diego, CA, 92101", "380 Maple Drive", "", "San Diego", "CA", "92101"),
        ("575 Oak Street Apt 3B, Phoenix AZ 85041", "575 Oak Street Apt 3B", "", "Phoenix", "AZ", "85041"),
        ("1017 Main St, Springfield, IL 62701", "1017 Main St", "", "Springfield", "IL", "62701"),
        ("1200 Bay St, Toronto, ON M5R 2A5, Canada", "1200 Bay St", "", "Toronto", "ON", "M5R 2A5"),
        ("change it to 9 Wattle Grove, Geelong VIC 3220", "9 Wattle Grove", "", "Geelong", "VIC", "3220"),
        ("88 Queen St, Auckland 1010, New Zealand", "88 Queen St", "", "Auckland", "", "1010"),
        ("77 Grafton Street, Dublin D02 K7K5, Ireland", "77 Grafton Street", "", "Dublin", "", "D02 K7K5"),
        ("Via Roma 12, int. 4, 00184 Roma, Italy", "Via Roma 12", "int. 4", "Roma", "", "00184"),
        ("Rua Augusta 24, 2.º esq, 1100-053 Lisboa", "Rua Augusta 24", "2.º esq", "Lisboa", "", "1100-053"),
        ("10115 Berlin, Hauptstr. 5", "Hauptstr. 5", "", "Berlin", "", "10115"),
        ("Bahnhofstrasse 3, 8001 Zürich, Switzerland", "Bahnhofstrasse 3", "", "Zürich", "", "8001"),
    ],
)
def test_the_parts_of_an_address(
    text: str, line1: str, line2: str, city: str, region: str, code: str
) -> None:
    found = address(text)
    parts = tuple(found.get(part, "") for part in ("line1", "line2", "city", "region", "postal_code"))
    assert parts == (line1, line2, city, region, code)


@pytest.mark.parametrize(
    ("text", "recipient"),
    [
        ("Noah Patel, 224 Elm Street, Suite 491, New York, NY 10108", "Noah Patel"),
        ("Maria Rossi, Flat 2, 4 Mill Lane, York YO1 7EX", "Maria Rossi"),
        ("Flat 2, 4 Mill Lane, York YO1 7EX", ""),
        ("send it to my brother's, 9 Harbour Road, Cork, Ireland", ""),
    ],
)
def test_a_name_before_the_street_is_the_recipient_a_flat_is_not(text: str, recipient: str) -> None:
    assert address(text).get("recipient", "") == recipient
