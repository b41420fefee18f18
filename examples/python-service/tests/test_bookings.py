"""Looking for a berth, and taking it."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from berths.models import Berth, Vessel

JULY = {"arrives_on": "2026-07-10", "leaves_on": "2026-07-14"}


@pytest.fixture
def harbour(rows: Session) -> dict[str, int]:
    """Two berths, and a vessel that fits into both."""
    small = Berth(quay="Old Quay", number=1, length_cm=1000, depth_cm=200)
    large = Berth(quay="Old Quay", number=2, length_cm=2000, depth_cm=300)
    vessel = Vessel(call_sign="HB00001", name="Terrapin", length_cm=900, draught_cm=150)
    whale = Vessel(call_sign="HB00002", name="Whale", length_cm=3000, draught_cm=150)
    rows.add_all([small, large, vessel, whale])
    rows.commit()
    return {"small": small.id, "large": large.id, "vessel": vessel.id, "whale": whale.id}


def free(client: TestClient, vessel: int, **days: str) -> list[int]:
    answer = client.get("/berths/free", params={"vessel_id": vessel, **(days or JULY)})
    assert answer.status_code == 200, answer.text
    return [berth["id"] for berth in answer.json()]


def test_free_berths_are_those_a_vessel_fits_into(client: TestClient, harbour: dict[str, int]) -> None:
    assert free(client, harbour["vessel"]) == [harbour["small"], harbour["large"]]
    assert free(client, harbour["whale"]) == []


def test_a_booked_berth_is_free_before_and_after(client: TestClient, harbour: dict[str, int]) -> None:
    wish = {"berth_id": harbour["small"], "vessel_id": harbour["vessel"], **JULY}
    booked = client.post("/bookings", json=wish)
    assert booked.status_code == 201, booked.text
    assert booked.json()["status"] == "booked"
    assert free(client, harbour["vessel"]) == [harbour["large"]]
    both = [harbour["small"], harbour["large"]]
    assert free(client, harbour["vessel"], arrives_on="2026-07-14", leaves_on="2026-07-15") == both
    assert client.post("/bookings", json=wish).status_code == 409
    assert [each["id"] for each in client.get("/arrivals", params={"day": "2026-07-10"}).json()] == [
        booked.json()["id"]
    ]
    assert client.delete(f"/bookings/{booked.json()['id']}").status_code == 204
    assert free(client, harbour["vessel"]) == both
    assert client.get("/arrivals", params={"day": "2026-07-10"}).json() == []


def test_what_cannot_be_booked_says_why(client: TestClient, harbour: dict[str, int]) -> None:
    wish = {"berth_id": harbour["small"], "vessel_id": harbour["vessel"], **JULY}
    too_long = client.post("/bookings", json={**wish, "vessel_id": harbour["whale"]})
    assert (too_long.status_code, too_long.json()["detail"]) == (
        409,
        "the vessel does not fit into this berth",
    )
    unknown = client.post("/bookings", json={**wish, "berth_id": 0})
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "no such berth")
    backwards = client.post("/bookings", json={**wish, "leaves_on": "2026-07-10"})
    assert backwards.status_code == 422
