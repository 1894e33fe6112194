"""Every page and dialog that people can come to, and how: for the walks that look at all of them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from tests.browser import steps
from tests.browser.driver import Page, expect
from tests.browser.server import Server

Open = Callable[[Page, Server], object]

LONG_NAME = "W" * 100
LONG_PASSWORD = "a password of many letters"


@dataclass(frozen=True, slots=True)
class Place:
    """Who comes there (None is nobody, signed out), and how."""

    person: str | None
    open: Open
    # Rules of axe that the page breaks by the structure of a library, which we do not write.
    left_out: tuple[str, ...] = ()


def at(path: str) -> Open:
    """At an address, in which A stands for the account's ID."""
    return lambda page, server: page.goto(path.replace("/A/", f"/{server.account_id}/"))


def unseen() -> str:
    """An address that nobody has used: limits count by address."""
    return f"{secrets.token_hex(6)}@example.com"


def refused_sign_in(page: Page, server: Server) -> None:
    page.goto("/accounts/login/")
    steps.fill_sign_in(page, unseen(), "not a password of anybody")
    expect(page.get_by_role("alert")).to_be_visible()


def refused_sign_up(page: Page, server: Server) -> None:
    page.goto("/accounts/signup/")
    page.get_by_label("Email").fill(unseen())
    page.get_by_label("Password").fill("short")
    page.get_by_role("button", name="Create an account").click()
    expect(page.locator(".err").first).to_be_visible()


def confirm_address(page: Page, server: Server) -> None:
    address = unseen()
    page.goto("/accounts/signup/")
    page.get_by_label("Email").fill(address)
    page.get_by_label("Password").fill(LONG_PASSWORD)
    page.get_by_role("button", name="Create an account").click()
    expect(page).to_have_url(re.compile("/confirm-email/"))
    page.goto(server.link_mailed_to(address, "/accounts/confirm-email/"))
    expect(page.get_by_role("button", name="Confirm")).to_be_visible()


def choose_password(page: Page, server: Server) -> None:
    page.goto("/accounts/password/reset/")
    page.get_by_label("Email").fill("rob@example.com")
    page.get_by_role("button", name="Send me the link").click()
    expect(page).to_have_url(re.compile("/done/"))
    page.goto(server.link_mailed_to("rob@example.com", "/accounts/password/reset/key/"))
    expect(page.get_by_role("button", name="Change password")).to_be_visible()


def change_email(page: Page, server: Server) -> None:
    page.goto("/accounts/email/")
    page.get_by_label("New email").fill(unseen())
    page.get_by_role("button", name="Change email").click()
    expect(page.get_by_role("button", name="Cancel the change")).to_be_visible()


def create_dialog(list_url: str = steps.USER_KEYS, choice: str = "") -> Open:
    def open_(page: Page, server: Server) -> None:
        dialog = steps.open_create_dialog(page, list_url.replace("/A/", f"/{server.account_id}/"))
        if choice:
            dialog.get_by_role("radio", name=choice).check()

    return open_


def create_errors(page: Page, server: Server) -> None:
    dialog = steps.open_create_dialog(page)
    dialog.get_by_role("radio", name="Custom").check()
    dialog.get_by_role("button", name="Create API key").click()
    expect(dialog.locator(".err").first).to_be_visible()


def create_without_nonce(page: Page, server: Server) -> None:
    dialog = steps.open_create_dialog(page)
    dialog.get_by_label("Name").fill("Nothing else is wrong")
    dialog.locator("[name=nonce]").evaluate("input => input.value = ''")
    dialog.get_by_role("button", name="Create API key").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()


def reveal(page: Page, server: Server) -> None:
    steps.create_key(page, "Shown once")


def reveal_for_service(page: Page, server: Server) -> None:
    steps.create_key(page, "Shown once", steps.service_keys(server.account_id), role="Admin")


def reveal_gone(page: Page, server: Server) -> None:
    steps.create_key(page, "Shown and left")
    for event in ("pagehide", "pageshow"):
        page.evaluate(f"dispatchEvent(new PageTransitionEvent('{event}', {{persisted: true}}))")


def already_shown(page: Page, server: Server) -> None:
    steps.create_key(page, "Shown before")
    page.reload()
    expect(page.get_by_role("heading", name="No second key was created")).to_be_visible()


def already_shown_and_deleted(page: Page, server: Server) -> None:
    key = steps.create_key(page, "Shown and deleted")
    other = page.context.new_page()
    other.goto(f"{steps.USER_KEYS}/{steps.public_id(key)}/delete")
    steps.confirm_deletion(other, "Shown and deleted")
    other.close()
    page.reload()
    expect(page.get_by_role("heading", name="No second key was created")).to_be_visible()


def addresses_dialog(typed: str = "", press: str = "") -> Open:
    def open_(page: Page, server: Server) -> None:
        key_page("Infisical sync", f"/settings/accounts/{server.account_id}/api-keys")(page, server)
        page.get_by_role("link", name="Change").click()
        dialog = page.get_by_role("dialog")
        if typed:
            dialog.get_by_label("Networks").fill(typed)
        if press:
            dialog.get_by_role("button", name=press).click()
            expect(
                page.get_by_role("dialog").get_by_text("Nothing is saved yet").or_(page.locator(".err")).first
            ).to_be_visible()

    return open_


def policy_preview(page: Page, server: Server) -> None:
    page.goto(f"/settings/accounts/{server.account_id}/general/keys")
    page.get_by_label("Longest life, in days").fill("30")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="This would stop")).to_be_visible()


def key_page(name: str, list_url: str = steps.USER_KEYS) -> Open:
    def open_(page: Page, server: Server) -> None:
        page.goto(f"{list_url.replace('/A/', f'/{server.account_id}/')}?q={name}")
        steps.row(page, name).get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", name=name)).to_be_visible()

    return open_


def on_key_page(act: str, name: str) -> Open:
    """The page of a key with the dialog of one of its buttons open."""

    def open_(page: Page, server: Server) -> None:
        key_page(name)(page, server)
        page.get_by_role("main").get_by_role("link", name=act, exact=True).click()
        expect(page.get_by_role("dialog")).to_be_visible()

    return open_


def wrong_name(page: Page, server: Server) -> None:
    on_key_page("Rename", "Scratch")(page, server)
    page.get_by_role("dialog").get_by_label("Name").fill(" ")
    page.get_by_role("button", name="Rename key").click()
    expect(page.get_by_role("dialog").locator(".err")).to_be_visible()


def rotated(then: str) -> Open:
    """What comes after a rotation of a key of one's own that was made for it."""

    def open_(page: Page, server: Server) -> None:
        key = steps.create_key(page, "Turned")
        address = f"{steps.USER_KEYS}/{steps.public_id(key)}"
        page.goto(address)
        steps.rotate_key(page, "Not at all" if then == "at once" else "24 hours")
        if then == "again":
            page.reload()
            expect(page.get_by_role("heading", name="No second key was created")).to_be_visible()
        elif then != "at once" and then != "reveal":
            page.goto(f"{address}/rotate" if then == "conflict" else address)

    return open_


def half_rotated(row: int, list_url: str = steps.USER_KEYS) -> Open:
    """The page of the demo's new key (0) or old key (1) in the midst of a rotation."""

    def open_(page: Page, server: Server) -> None:
        name = "Release notes" if list_url == steps.USER_KEYS else "Deploy"
        page.goto(f"{list_url.replace('/A/', f'/{server.account_id}/')}?q={name}&show=usable")
        steps.row(page, name).nth(row).get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", name="Rotation")).to_be_visible()

    return open_


def refused_key(page: Page, server: Server) -> None:
    """The page of a deleted key that somebody still tries."""
    server.manage(
        "shell",
        "-c",
        "from django.utils import timezone; from apikeys import knocks; from apikeys.models import ApiKey; "
        "key = ApiKey.objects.get(name='Legacy deploy'); "
        "knocks.add([knocks.LateKnock(public_id=key.public_id, minute=timezone.now(), outcome='deleted', door='gateway.write', "
        "address='2001:db8:1234:5678:9abc:def0:1234:5678', client='terraform')])",
    )
    key_page("Legacy deploy", "/settings/accounts/A/api-keys")(page, server)
    expect(page.get_by_role("heading", name="Last refusals")).to_be_visible()


def delete_dialog(name: str) -> Open:
    def open_(page: Page, server: Server) -> None:
        page.goto(f"{steps.USER_KEYS}?q={name}")
        steps.row(page, name).get_by_role("link", name=f"Delete {name}").click()
        expect(page.get_by_role("alertdialog")).to_be_visible()

    return open_


def wrong_confirmation(page: Page, server: Server) -> None:
    delete_dialog("Laptop CLI")(page, server)
    button = page.get_by_role("button", name="Delete key")
    button.evaluate("button => button.disabled = false")
    button.click()
    expect(page.get_by_role("alertdialog").locator(".err")).to_be_visible()


def just_deleted(page: Page, server: Server) -> None:
    steps.create_key(page, "Gone")
    steps.delete_key(page, "Gone")


def endless_name(then: str) -> Open:
    """Pages and dialogs of a key whose name is as long and as wide as names may be."""

    def open_(page: Page, server: Server) -> None:
        key = steps.create_key(page, LONG_NAME)
        address = f"{steps.USER_KEYS}/{steps.public_id(key)}"
        if then != "reveal":
            page.goto({"list": steps.USER_KEYS, "page": address}.get(then, f"{address}/{then}"))

    return open_


def empty_service_keys(page: Page, server: Server) -> None:
    page.goto("/settings/account/general")
    said = server.manage("create_account", "--name", "Initech", "--owner-email", "eve@example.com")
    (account_id,) = re.findall(r"[0-9a-f-]{36}", said)
    page.goto(steps.service_keys(account_id))
    expect(page.get_by_role("heading", name="No service API keys yet")).to_be_visible()


def invited(address: str, then: str = "") -> Open:
    """The page of an invitation to `address`, sent by Olivia, after `then` was run on it in the server's shell."""

    def open_(page: Page, server: Server) -> None:
        email = address or unseen()
        path = _invite(server, email)
        if then:
            server.manage("shell", "-c", f"{_SHELL}; i = Invitation.objects.get(email='{email}', withdrawn_at=None); {then}")
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()

    return open_


_SHELL = (
    "from accounts.invitations import Invitation; from accounts.models import *; from accounts.access import person; "
    "from keyportal.policy import Role; from django.utils import timezone; "
    "o = User.objects.get(email='olivia@example.com'); a = Account.objects.get(name='Acme Ltd', owner=o)"
)


def _invite(server: Server, email: str) -> str:
    """The path of a new invitation's link; an older one to the same address is withdrawn."""
    said = server.manage(
        "shell",
        "-c",
        f"{_SHELL}; Invitation.objects.pending().filter(email='{email}').update(withdrawn_at=timezone.now()); "
        f"print('token', Invitation.objects.invite(a, '{email}', Role.READ_WRITE, by=a.present(person(o)))[1])",
    )
    return f"/invitations/{said.split()[-1]}"


def waiting_list(page: Page, server: Server) -> None:
    """Members with an invitation that is open and one that has expired."""
    _invite(server, unseen())
    late = unseen()
    _invite(server, late)
    server.manage("shell", "-c", f"{_SHELL}; Invitation.objects.filter(email='{late}').update(expires_at=timezone.now())")
    page.goto(f"/settings/accounts/{server.account_id}/members")
    page.locator("summary", has_text="What each role can do").click()


def remove_dialog(page: Page, server: Server) -> None:
    page.goto(f"/settings/accounts/{server.account_id}/members")
    page.get_by_role("link", name="Remove Wendy Wu").click()
    expect(page.get_by_role("alertdialog")).to_be_visible()


def reference(page: Page, server: Server) -> None:
    page.goto("/v1/docs")
    page.get_by_text("/v1/variables", exact=True).first.click()
    expect(page.get_by_role("button", name="Try it out")).to_be_visible()


def menu(words: str) -> Open:
    def open_(page: Page, server: Server) -> None:
        page.goto(steps.USER_KEYS)
        page.locator("summary").filter(has_text=words).click()

    return open_


PLACES = {
    # Nobody is signed in
    "sign-in": Place(None, at("/accounts/login/")),
    "sign-in refused": Place(None, refused_sign_in),
    "sign-up": Place(None, at("/accounts/signup/")),
    "sign-up refused": Place(None, refused_sign_up),
    "mail sent": Place(None, at("/accounts/confirm-email/")),
    "confirm address": Place(None, confirm_address),
    "confirm address, bad link": Place(None, at("/accounts/confirm-email/nonsense/")),
    "reset": Place(None, at("/accounts/password/reset/")),
    "reset sent": Place(None, at("/accounts/password/reset/done/")),
    "reset, bad link": Place(None, at("/accounts/password/reset/key/1-abc-def/")),
    "reset, new password": Place(None, choose_password),
    "reset done": Place(None, at("/accounts/password/reset/key/done/")),
    "not found, signed out": Place(None, at("/nothing/here")),
    # The person's own pages
    "sign-out": Place("olivia", at("/accounts/logout/")),
    "change password": Place("olivia", at("/accounts/password/change/")),
    "confirm it is you": Place("olivia", at("/accounts/reauthenticate/")),
    "keys": Place("olivia", at(steps.USER_KEYS)),
    "keys, usable": Place("olivia", at(f"{steps.USER_KEYS}?show=usable")),
    "keys, nothing found": Place("olivia", at(f"{steps.USER_KEYS}?q=nothing-is-called-so")),
    "keys, none": Place("rob", at(steps.USER_KEYS)),
    "create": Place("olivia", create_dialog()),
    "create, custom day": Place("olivia", create_dialog(choice="Custom")),
    "create, own address": Place("olivia", at(f"{steps.USER_KEYS}/new")),
    "create, first key": Place("rob", create_dialog()),
    "create, errors": Place("olivia", create_errors),
    "create, no nonce": Place("olivia", create_without_nonce),
    "reveal": Place("olivia", reveal),
    "reveal, come back to": Place("olivia", reveal_gone),
    "already shown": Place("olivia", already_shown),
    "already shown, deleted since": Place("olivia", already_shown_and_deleted),
    "delete": Place("olivia", delete_dialog("Scratch")),
    "delete, typed name": Place("olivia", delete_dialog("Laptop CLI")),
    "delete, wrong name": Place("olivia", wrong_confirmation),
    "deleted just now": Place("olivia", just_deleted),
    "key, active": Place("olivia", key_page("Terraform sandbox")),
    "key, expiring": Place("olivia", key_page("GitHub Actions")),
    "key, expired": Place("olivia", key_page("Grafana import")),
    "key, suspended": Place("olivia", key_page("Staging cron")),
    "key, deleted": Place("olivia", key_page("Old MacBook")),
    "key, replaced": Place("olivia", half_rotated(1)),
    "key, its successor": Place("olivia", half_rotated(0)),
    "key, replaced and quiet": Place("olivia", rotated("page")),
    "rename": Place("olivia", on_key_page("Rename", "Scratch")),
    "rename, wrong name": Place("olivia", wrong_name),
    "rotate": Place("olivia", on_key_page("Rotate", "GitHub Actions")),
    "reveal of a rotation": Place("olivia", rotated("reveal")),
    "reveal of a rotation at once": Place("olivia", rotated("at once")),
    "rotation, already shown": Place("olivia", rotated("again")),
    "rotation, rotated already": Place("olivia", rotated("conflict")),
    "long name, list": Place("rhea", endless_name("list")),
    "long name, reveal": Place("rhea", endless_name("reveal")),
    "long name, page": Place("rhea", endless_name("page")),
    "long name, delete": Place("rhea", endless_name("delete")),
    "long name, rename": Place("rhea", endless_name("rename")),
    "long name, rotate": Place("rhea", endless_name("rotate")),
    # The account's
    "service keys": Place("olivia", at("/settings/accounts/A/api-keys")),
    "service keys, none": Place("eve", empty_service_keys),
    "create service key": Place("olivia", create_dialog("/settings/accounts/A/api-keys")),
    "reveal service key": Place("olivia", reveal_for_service),
    "service key": Place("olivia", key_page("Terraform Cloud", "/settings/accounts/A/api-keys")),
    "service key, replaced": Place("olivia", half_rotated(1, "/settings/accounts/A/api-keys")),
    "service key, maker left": Place("olivia", key_page("Data warehouse sync", "/settings/accounts/A/api-keys")),
    "service key, observed": Place("olivia", key_page("Infisical sync", "/settings/accounts/A/api-keys")),
    "service key, restricted": Place("olivia", key_page("Data warehouse sync", "/settings/accounts/A/api-keys")),
    "allowed addresses": Place("olivia", addresses_dialog()),
    "allowed addresses, suggested": Place("olivia", addresses_dialog(press="Suggest from use")),
    "allowed addresses, errors": Place("olivia", addresses_dialog(typed="192.0.2.7/24\nfe80::1%eth0", press="Save")),
    "key policies": Place("olivia", at("/settings/accounts/A/general/keys")),
    "key policies, what would stop": Place("olivia", policy_preview),
    "service key, refused": Place("olivia", refused_key),
    "forbidden": Place("rob", at("/settings/accounts/A/api-keys")),
    "general": Place("olivia", at("/settings/accounts/A/general")),
    "general as a reader": Place("rob", at("/settings/accounts/A/general")),
    "transfer": Place("olivia", at("/settings/accounts/A/transfer")),
    "leave": Place("rob", at("/settings/accounts/A/leave")),
    "delete account": Place("olivia", at("/settings/accounts/A/delete")),
    "members": Place("olivia", at("/settings/accounts/A/members")),
    "members as a reader": Place("rob", at("/settings/accounts/A/members")),
    "invite": Place("olivia", at("/settings/accounts/A/members/invite")),
    "waiting to join": Place("olivia", waiting_list),
    "remove a member": Place("olivia", remove_dialog),
    "audit log": Place("olivia", at("/settings/accounts/A/audit-log")),
    "audit log, bad day": Place("olivia", at("/settings/accounts/A/audit-log?since=2026-02-31&action=people")),
    "audit log, nothing found": Place("olivia", at("/settings/accounts/A/audit-log?until=2001-01-01")),
    "audit log, forbidden": Place("rob", at("/settings/accounts/A/audit-log")),
    "invited, signed out": Place(None, invited("")),
    "invited, signed in": Place("eve", invited("eve@example.com")),
    "invited, wrong address": Place("eve", invited("")),
    "invited, expired": Place(None, invited("", "i.expires_at = timezone.now(); i.save()")),
    "invited, withdrawn": Place("eve", invited("eve@example.com", "i.withdrawn_at = timezone.now(); i.save()")),
    "invited, already a member": Place(
        "rob", invited("", "Invitation.objects.filter(email='rob@example.com').delete(); i.email = 'rob@example.com'; i.save()")
    ),
    "invited, by nobody any more": Place(
        None, invited("", "i.invited_by = User.objects.get(email='rob@example.com'); i.save()")
    ),
    "no such invitation": Place(None, at("/invitations/unknown")),
    "user general": Place("olivia", at("/settings/user/general")),
    "delete user": Place("rob", at("/settings/user/delete")),
    "delete user who owns": Place("olivia", at("/settings/user/delete")),
    "change email": Place("olivia", at("/accounts/email/")),
    "change email, waiting": Place("rhea", change_email),
    "no account": Place("oscar", at("/settings/account/general")),
    # Swagger UI puts buttons into the heads that fold its operations, and begins its headings at the third level.
    "API reference": Place(None, reference, left_out=("nested-interactive", "heading-order")),
    # Errors and menus
    "not found": Place("olivia", at("/nothing/here")),
    "bad request": Place("olivia", at(f"{steps.USER_KEYS}?q=%00")),
    "own menu": Place("wendy", menu("Menu of")),
    "account menu": Place("wendy", menu("Switch account")),
}
