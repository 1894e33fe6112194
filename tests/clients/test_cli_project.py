"""A project of checks in a folder: it is validated here; what would run it is refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from keyportal.policy import Role
from tests.clients.cli import PROGRAMS, Cli
from tests.clients.team import Team

Checkly = Callable[..., Cli]
PROJECT = """
import { defineConfig } from 'checkly'
export default defineConfig({
  projectName: 'Shop', logicalId: 'shop', checks: { checkMatch: '*.check.js', frequency: 10, locations: ['eu-west-1'] },
})
"""
API_CHECK = """
import { ApiCheck } from 'checkly/constructs'
new ApiCheck('checkout', { name: 'Checkout', request: { method: 'GET', url: 'https://shop.example.com/checkout' } })
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "package.json").write_text('{"name": "shop", "private": true, "type": "module"}')
    (tmp_path / "node_modules").symlink_to(PROGRAMS.parent)
    (tmp_path / "checkly.config.js").write_text(PROJECT)
    (tmp_path / "shop.check.js").write_text(API_CHECK)
    return tmp_path


def test_a_project_is_valid_for_the_account_s_runtime(acme: Team, checkly: Checkly, project: Path) -> None:
    printed = checkly(acme.user_key(Role.READ_ONLY), acme.id)("validate")
    assert printed.code == 0, printed.words
    assert "Your project is valid." in printed.words


def test_a_project_with_a_mistake_is_not(acme: Team, checkly: Checkly, project: Path) -> None:
    (project / "shop.check.js").write_text(API_CHECK.replace("name: 'Checkout', ", "runtimeId: '1999.01', "))
    printed = checkly(acme.user_key(Role.READ_ONLY), acme.id)("validate")
    assert printed.code == 1
    assert "Your project is not valid." in printed.words


NOT_OFFERED = {
    ("deploy", "--force"): "Your project could not be deployed. Deploying projects",
    ("deploy", "--preview"): "Your project could not be deployed. Deploying projects",
    ("destroy", "--force"): "Your project could not be destroyed. Destroying projects",
    ("test",): "Error: Storing code",
}


@pytest.mark.parametrize("command", NOT_OFFERED, ids=" ".join)
def test_what_would_run_checks_is_refused(acme: Team, checkly: Checkly, project: Path, command: tuple[str, ...]) -> None:
    printed = checkly(acme.user_key(Role.ADMIN), acme.id)(*command)
    assert printed.code == 1
    assert f"{NOT_OFFERED[command]} is not offered here: KeyPortal stores checks and runs none." in printed.words
