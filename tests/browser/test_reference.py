"""The API reference: from our own files, under the content security policy, and its "Try it out" really asks."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.browser.driver import Page, expect
from tests.browser.server import Server

pytestmark = pytest.mark.browser


def test_an_operation_is_tried_with_a_key_from_the_page(open_as: Callable[..., Page], server: Server) -> None:
    page = open_as(None)
    page.goto("/v1/docs")
    page.get_by_role("button", name="Authorize").click()
    page.get_by_label("Value").fill(server.facts["service_key"])
    page.locator(".auth-btn-wrapper").get_by_role("button", name="Apply credentials").click()
    page.locator(".auth-btn-wrapper").get_by_role("button", name="Close").click()
    operation = page.locator("#operations-Variables-keyportal_v1_variables_list_variables")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    with page.expect_response("**/v1/variables*") as asked:
        operation.get_by_role("button", name="Execute").click()
    assert asked.value.status == 200
    assert {one["key"] for one in asked.value.json()} == {"BASE_URL", "LOGIN_USER", "LOGIN_PASSWORD"}
    expect(operation.locator(".live-responses-table")).to_contain_text("BASE_URL")


def test_the_key_that_was_typed_in_is_gone_with_the_page(open_as: Callable[..., Page], server: Server) -> None:
    page = open_as(None)
    page.goto("/v1/docs")
    page.get_by_role("button", name="Authorize").click()
    page.get_by_label("Value").fill(server.facts["service_key"])
    page.locator(".auth-btn-wrapper").get_by_role("button", name="Apply credentials").click()
    kept = page.evaluate("() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert server.facts["service_key"][16:] not in kept
    page.reload()
    page.get_by_role("button", name="Authorize").click()
    expect(page.get_by_label("Value")).to_have_value("")


def test_the_pages_of_people_lead_to_the_reference(open_as: Callable[..., Page]) -> None:
    page = open_as("rob")
    page.goto("/settings/user/api-keys")
    page.get_by_role("link", name="API reference").click()
    expect(page.get_by_role("heading", name="KeyPortal API")).to_be_visible()


def test_who_has_no_script_is_led_to_the_document(open_as: Callable[..., Page]) -> None:
    page = open_as(None, java_script_enabled=False)
    page.goto("/v1/docs")
    page.get_by_role("link", name="/v1/openapi.json").click()
    assert json.loads(page.locator("body").inner_text())["openapi"].startswith("3.1")
