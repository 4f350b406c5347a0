"""The endpoint table over HTTP: what it reads, what it refuses, and the manners of every answer."""

from __future__ import annotations

from tests.doors import Http


async def test_a_hub_says_that_it_lives_and_is_ready(http: Http) -> None:
    health = await http.get("//health")
    assert health.status == 200
    assert health.data["database"] == "connected"
    assert health.data["status"] == "ok"
    ready = await http.get("//health/ready")
    assert (ready.status, ready.data["checks"]) == (200, {"database": True, "redis": True, "migrations": True})


async def test_what_is_not_there_is_a_problem_document(http: Http) -> None:
    answer = await http.get("/no-such-thing")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.data["code"] == "not_found"
    assert answer.data["request_id"] == answer.headers["X-Request-Id"]
