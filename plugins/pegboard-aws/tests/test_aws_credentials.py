from __future__ import annotations

import sys

import pytest
from pegboard import errors
from pegboard_aws._credentials import Account
from pegboard_aws._signature import Keys
from pegboard_aws.options import AWSOptions

GIVEN = {"access_key_id": "given-id", "secret_access_key": "given-key"}
CREDENTIALS = """
[default]
aws_access_key_id = file-id
aws_secret_access_key = file-key
[other]
aws_access_key_id = other-id
aws_secret_access_key = other-key
aws_session_token = other-token
"""
CONFIG = """
[default]
region = eu-central-1
[profile other]
region = eu-west-3
[profile broken]
credential_process = {python} -c "raise SystemExit(3)"
[profile renewed]
credential_process = {python} {script}
"""
ISSUE = """
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

file = Path(__file__).with_suffix(".count")
count = int(file.read_text()) + 1 if file.exists() else 1
file.write_text(str(count))
minutes = 5 if count < 3 else 600  # the first ones end soon
print(json.dumps({
    "Version": 1,
    "AccessKeyId": f"id-{count}",
    "SecretAccessKey": "key",
    "SessionToken": "token",
    "Expiration": (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(),
}))
"""


@pytest.fixture(autouse=True)
def machine(tmp_path, monkeypatch):
    """Be on a machine that has these files, and no role."""
    script = tmp_path / "issue.py"
    script.write_text(ISSUE)
    config = CONFIG.format(python=sys.executable, script=script)
    for name, text in (("config", config), ("credentials", CREDENTIALS)):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return tmp_path


def account(**options):
    """Return who these options say calls."""
    return Account(AWSOptions.model_validate(options))


async def test_keys_of_the_settings_are_used():
    """They are taken as they are, without a word from the SDK."""
    assert await account(**GIVEN).keys() == Keys("given-id", "given-key")
    with_token = account(**GIVEN, session_token="t")
    assert await with_token.keys() == Keys("given-id", "given-key", "t")


async def test_token_of_another_key_is_not_used(monkeypatch):
    """A machine's own key has a token; one that settings give has no part in it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "role-id")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "role-token")
    mixed = {**GIVEN, "session_token": "role-token"}

    assert await account(**mixed).keys() == Keys("given-id", "given-key")
    ours = {**mixed, "access_key_id": "role-id"}
    assert await account(**ours).keys() == Keys("role-id", "given-key", "role-token")
    own = {**mixed, "session_token": "own-token"}
    assert await account(**own).keys() == Keys("given-id", "given-key", "own-token")


async def test_keys_are_found_where_the_sdk_finds_them():
    """Without any in the settings, files of the user are read."""
    assert await account().keys() == Keys("file-id", "file-key")
    assert await account().region() == "eu-central-1"


async def test_profile_is_used_before_keys():
    """Who names a profile means it, whatever variables are set."""
    other = account(profile="other", **GIVEN)

    assert await other.keys() == Keys("other-id", "other-key", "other-token")
    assert await other.region() == "eu-west-3"
    assert await account(profile="other", region="eu-north-1").region() == "eu-north-1"


async def test_profile_may_be_in_the_usual_variable(monkeypatch):
    """As all tools of Amazon have it."""
    monkeypatch.setenv("AWS_PROFILE", "other")

    assert (await account().keys()).access_key_id == "other-id"


async def test_keys_are_renewed_before_they_end(machine):
    """Asked each time, the SDK gives new ones when it is time, and only then."""
    renewed = account(profile="renewed")
    found = [(await renewed.keys()).access_key_id for _ in range(4)]

    assert found == ["id-2", "id-3", "id-3", "id-3"]
    assert (machine / "issue.count").read_text() == "3"


async def test_nothing_found_says_what_to_do(machine):
    """The error comes before any request."""
    (machine / "credentials").write_text("")
    (machine / "config").write_text("")

    with pytest.raises(errors.Authentication, match="Set access_key_id") as seen:
        await account().keys()
    assert seen.value.request_sent == "no"
    with pytest.raises(
        errors.InvalidRequest, match="Set region, or AWS_REGION"
    ) as seen:
        await account().region()
    assert seen.value.request_sent == "no"


async def test_endpoint_needs_no_region(machine):
    """A server of one's own has one region, whatever that is called."""
    (machine / "config").write_text("")

    assert await account(endpoint="http://127.0.0.1:9").region() == "us-east-1"


async def test_unknown_profile_is_told():
    """A name that is misspelt is not taken for no profile."""
    for wanted in (account(profile="othr").keys(), account(profile="othr").region()):
        with pytest.raises(errors.CallError, match="othr") as seen:
            await wanted
        assert seen.value.request_sent == "no"


async def test_broken_source_is_told():
    """What goes wrong while keys are fetched is an error of the keys."""
    with pytest.raises(errors.Authentication, match="cannot be used") as seen:
        await account(profile="broken").keys()
    assert seen.value.request_sent == "no"


@pytest.mark.parametrize("one", GIVEN)
def test_half_a_key_is_refused(one):
    """Both parts are given, or none."""
    with pytest.raises(ValueError, match="go together"):
        account(**{one: GIVEN[one]})
