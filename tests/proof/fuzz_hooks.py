"""What Schemathesis loads beside the API's document: what no document can say, and checks of our own."""

from __future__ import annotations

from typing import Any

import requests
import schemathesis

# Beyond 8,190 bytes in the first line of a request the server answers by itself, before us.
LONGEST_ADDRESS = 8_000


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Leave out addresses that are longer than any server takes."""
    return len(requests.Request(**case.as_transport_kwargs()).prepare().url or "") < LONGEST_ADDRESS


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """Leave out what is refused for what is stored: a group that is not there, a null that keeps no value."""
    if not isinstance(body, dict):
        return True
    variables = body.get("environmentVariables")
    keeps = (
        [one for one in variables if isinstance(one, dict) and one.get("value") is None] if isinstance(variables, list) else []
    )
    return body.get("groupId") is None and not keeps


@schemathesis.check
def errors_are_shaped_and_name_the_request(ctx: Any, response: Any, case: Any) -> None:
    """The document says which fields an error has; what must be in them, and around them, is said here."""
    assert "x-request-id" in response.headers, "answered by the server, not by us"
    assert "set-cookie" not in response.headers
    if response.status_code >= 400:
        error = response.json()
        assert error["statusCode"] == response.status_code
        assert error["error"]
        assert error["message"].strip()
        assert len(response.content) < 4_000, "an error need not repeat what was sent"
