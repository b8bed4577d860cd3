"""Whom a campaign may call, over the public API: rules set and changed, a preflight, calls that follow it."""

from tests.support.stack import FIRST_CONTACT, Stack

FAST = {"callSeconds": [0.2, 0.6], "speed": 10.0, "reportDelaySeconds": 0.3, "concurrencyLimit": 100}
DAYS = range(1, 8)


async def test_rules_over_rest_decide_who_is_called(stack: Stack) -> None:
    """CA-5: policy, consents, kill switch, preflight, verdicts and state by their REST names."""
    await stack.sandbox.post("/sandbox/settings", FAST)
    campaign = await stack.campaign(name="rules over rest", contacts=4, cap=4)
    path = f"/v2/campaigns/{campaign['id']}"
    hours = [{"day": day, "opens": "00:00", "closes": "24:00"} for day in DAYS]
    policy = {"consentRequired": True, "callingHours": hours, "budgetUsd": "50", "callCostMaxUsd": "1.5"}
    saved = (await stack.http.put(f"{path}/dialingPolicy", json=policy)).json()
    assert (True, hours, "50.0000", "1.5000", "1") == tuple(
        saved[name] for name in ("consentRequired", "callingHours", "budgetUsd", "callCostMaxUsd", "etag")
    )
    assert saved == (await stack.http.get(f"{path}/dialingPolicy")).json()
    stale = await stack.http.put(f"{path}/dialingPolicy", json={"etag": "0"})
    assert (409, "ETAG_MISMATCH") == (stale.status_code, stale.json()["details"][0]["reason"])
    wrong = {"callingHours": [{"day": 1, "opens": "9:00", "closes": "25:00"}]}
    assert 400 == (await stack.http.put(f"{path}/dialingPolicy", json=wrong)).status_code

    agreed = [f"+{FIRST_CONTACT + 7 * number}" for number in (0, 2)]
    for phone in agreed:
        consent = await stack.api.post("/v2/consents", {"phoneNumber": phone, "source": "e2e"})
        assert "VOICE" == consent["channel"]
    listed = await stack.api.every("/v2/consents", "consents", phoneNumber=agreed[0])
    assert ["e2e"] == [one["source"] for one in listed]

    preflight = await stack.api.post(f"{path}:preflight", {"pageSize": 10})
    reasons = {one["reason"]: one["contacts"] for one in preflight["reasons"]}
    assert {"FIRST_ATTEMPT": 2, "NO_CONSENT": 2} == reasons
    assert ["Contact 1", "Contact 3"] == [one["name"] for one in preflight["contactsNotDialed"]]

    switch = (await stack.http.put(f"{path}/killSwitch", json={"engaged": True, "reason": "wait"})).json()
    assert (True, "wait") == (switch["engaged"], switch["reason"])
    assert "KILL_SWITCH" == (await stack.http.get(f"{path}/dialingState")).json()["holdReason"]
    await stack.api.post(f"{path}:start")
    await stack.http.put(f"{path}/killSwitch", json={"engaged": False})

    done = await stack.completed(campaign["id"])

    assert (2, 2) == (done["stats"]["attempts"], done["stats"]["skipped"])
    assert set(agreed) == {call["customer"] for call in await stack.dials(campaign["id"])}
    verdicts = await stack.api.every(f"{path}/verdicts", "verdicts")
    assert ["DIAL", "DIAL", "SKIP", "SKIP"] == sorted(one["decision"] for one in verdicts)
    for consent in await stack.api.every("/v2/consents", "consents"):
        await stack.api.post(f"/v2/consents/{consent['id']}:revoke", {"source": "over"})
