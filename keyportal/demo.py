"""Demo data: two accounts, seven people, and keys in every state."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.access import operator_at_shell, person
from accounts.audit import AuditEvent
from accounts.models import Account, User
from accounts.outbox import Mail
from apikeys import usage
from apikeys.allowlist import Mode
from apikeys.models import ApiKey
from apikeys.secret import Kind, Secret
from apikeys.usage import Outcome, Span
from keyportal.policy import Role
from keyportal.v1.checks import CheckIn
from keyportal.v1.documents import write
from keyportal.v1.models import Check, Variable

OWNER_EMAIL = "olivia@example.com"
OPERATOR_EMAIL = "oscar@example.com"
ACCOUNT_NAME = "Acme Ltd"

PEOPLE = {
    OWNER_EMAIL: "Olivia Owens",
    "adam@example.com": "Adam Ames",
    "wendy@example.com": "Wendy Wu",
    "rhea@example.com": "Rhea Rao",
    "rob@example.com": "Rob Reed",
    "eve@example.com": "Eve Ellis",
}
ACME_ROLES = {
    "adam@example.com": Role.ADMIN,
    "wendy@example.com": Role.READ_WRITE,
    "rhea@example.com": Role.READ_RUN,
    "rob@example.com": Role.READ_ONLY,
}
CHECKS: tuple[tuple[str, str, int, list[str], list[str]], ...] = (
    ("Storefront home page", "BROWSER", 5, ["eu-west-1", "us-east-1"], ["web", "production"]),
    ("Checkout API", "API", 1, ["eu-west-1", "eu-central-1"], ["api", "production"]),
    ("Sign-in flow", "BROWSER", 10, ["eu-west-1"], ["web"]),
    ("Nightly invoice export", "HEARTBEAT", 1440, [], ["batch"]),
)
VARIABLES = (
    {"key": "BASE_URL", "value": "https://shop.example.com"},
    {"key": "LOGIN_USER", "value": "probe@example.com", "locked": True},
    {"key": "LOGIN_PASSWORD", "value": "kept encrypted, read by nobody", "secret": True},
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the first run shows once: Olivia's user key and a service key of Acme Ltd."""

    user_key: Secret
    service_key: Secret


def account() -> Account | None:
    """The account that the demo shows, where the demo is."""
    return Account.objects.filter(name=ACCOUNT_NAME, owner__email=OWNER_EMAIL).order_by("created_at").first()


def may_be_here() -> bool:
    """Whether the demo is here, or nobody."""
    return account() is not None or not User.objects.exists()


@transaction.atomic
def seed(password: str) -> Shown:
    """Make everything, or nothing if interrupted. All people sign in with `password`."""
    shell = operator_at_shell()
    users = {email: _enroll(email, name, password) for email, name in PEOPLE.items()}
    _enroll(OPERATOR_EMAIL, "Oscar Ortiz", password, is_staff=True)

    olivia, wendy, eve = users[OWNER_EMAIL], users["wendy@example.com"], users["eve@example.com"]
    acme = Account.objects.open(by=shell, owner=olivia, name=ACCOUNT_NAME)
    globex = Account.objects.open(by=shell, owner=eve, name="Globex")
    for email, role in ACME_ROLES.items():
        acme.add_member(users[email], role, by=shell)
    globex.add_member(wendy, Role.ADMIN, by=shell)
    _checks(acme, CHECKS)
    _checks(globex, CHECKS[:1])
    Variable.objects.bulk_create(Variable(account=acme, **fields) for fields in VARIABLES)

    _keys_in_every_state(acme, olivia, users["adam@example.com"], eve)
    for user in (wendy, users["rhea@example.com"], eve):
        _user_key(user, "Laptop CLI", used=timedelta(hours=3), client="checkly-cli")
    _service_key(globex, eve, "Uptime dashboard", Role.READ_ONLY, used=timedelta(minutes=20), client="terraform")

    _, user_key = ApiKey.objects.issue_user_key(by=person(olivia), name="First key")
    _, service_key = ApiKey.objects.issue_service_key(
        by=person(olivia), account=acme, name="First service key", role=Role.READ_WRITE
    )
    Mail.objects.all().delete()  # nobody reads the mail of people who are made up
    return Shown(user_key, service_key)


def _keys_in_every_state(acme: Account, olivia: User, adam: User, eve: User) -> None:
    week, year = timedelta(days=7), timedelta(days=365)
    _user_key(olivia, "Old MacBook", age=year, used=timedelta(days=290), revoked="Replaced by a new laptop")
    _user_key(olivia, "Grafana import", age=timedelta(days=310), used=timedelta(days=224), expires=-timedelta(days=224))
    _user_key(olivia, "Terraform sandbox", age=timedelta(days=170), expires=timedelta(days=194))
    _user_key(olivia, "Staging cron", age=timedelta(days=120), used=timedelta(days=40), suspended=True)
    _user_key(
        olivia,
        "GitHub Actions",
        age=timedelta(days=99),
        used=timedelta(days=1),
        client="checkly-cli",
        expires=timedelta(days=5),
    )
    _user_key(olivia, "Home Assistant", age=timedelta(days=60), used=timedelta(minutes=1), client="HomeAssistant")
    _user_key(olivia, "Laptop CLI", age=timedelta(days=19), used=timedelta(minutes=4), client="checkly-cli")
    _user_key(olivia, "Scratch", age=week)
    # In the midst of a rotation, where nobody has moved to the new secret.
    old = _user_key(olivia, "Release notes", age=timedelta(days=70), used=timedelta(minutes=12), client="checkly-cli")
    new = _user_key(olivia, "Release notes", age=timedelta(minutes=40), replaces=old)
    _give_way(old, new, timedelta(hours=24))

    shell = operator_at_shell()
    # Somebody who made a key, then left: her key stays.
    acme.add_member(eve, Role.ADMIN, by=shell)
    _service_key(acme, eve, "Data warehouse sync", Role.READ_ONLY, age=year, used=timedelta(hours=2), client="tap-checkly")
    acme.memberships.get(user=eve).remove(by=acme.present(person(olivia)))
    _service_key(acme, adam, "Legacy deploy", Role.ADMIN, age=year, used=timedelta(days=200), revoked="Pipeline retired")
    _service_key(acme, adam, "Quarterly audit", Role.READ_ONLY, age=timedelta(days=200), expires=-timedelta(days=20))
    _service_key(acme, adam, "Partner feed", Role.READ_RUN, age=timedelta(days=90), used=timedelta(days=33), suspended=True)
    _service_key(
        acme, olivia, "Infisical sync", Role.READ_WRITE, age=timedelta(days=80), used=timedelta(minutes=12), client="axios"
    )
    _service_key(
        acme,
        adam,
        "Terraform Cloud",
        Role.ADMIN,
        age=timedelta(days=50),
        used=timedelta(hours=9),
        client="terraform",
        expires=timedelta(days=9),
    )
    _service_key(acme, adam, "Status page", Role.READ_ONLY, age=timedelta(days=2))
    # Here most have moved, and one has not.
    old = _service_key(
        acme, adam, "Deploy", Role.READ_WRITE, age=timedelta(days=70), used=timedelta(minutes=12), client="checkly-cli"
    )
    new = _service_key(
        acme,
        adam,
        "Deploy",
        Role.READ_WRITE,
        age=timedelta(days=2),
        used=timedelta(minutes=3),
        client="checkly-cli",
        replaces=old,
    )
    _give_way(old, new, week)
    admin = acme.present(person(olivia))
    _named(acme, "Infisical sync").allow_from(by=admin, networks=["198.51.100.7"], mode=Mode.OBSERVE)
    _named(acme, "Data warehouse sync").allow_from(by=admin, networks=["198.51.100.0/24", "203.0.113.0/24"], mode=Mode.ENFORCE)


def _enroll(email: str, name: str, password: str, **fields: Any) -> User:
    user = User.objects.enroll(by=operator_at_shell(), email=email, name=name, **fields)
    user.set_password(password)
    user.save()
    return user


def _checks(account: Account, rows: Any) -> None:
    for name, check_type, frequency, locations, tags in rows:
        check = Check(account=account, check_type=check_type)
        write(check, CheckIn(name=name, frequency=frequency, locations=locations, tags=tags))
        check.save()


def _user_key(user: User, name: str, **past: Any) -> ApiKey:
    return _key_of_the_past(Kind.USER, user, name, {"user": user}, **past)


def _service_key(account: Account, maker: User, name: str, role: Role, **past: Any) -> ApiKey:
    return _key_of_the_past(Kind.SERVICE, maker, name, {"account": account, "role": role}, **past)


def _named(account: Account, name: str) -> ApiKey:
    return ApiKey.objects.get(account=account, name=name)


def _key_of_the_past(
    kind: Kind,
    maker: User,
    name: str,
    belongs: dict[str, Any],
    *,
    age: timedelta = timedelta(days=30),
    used: timedelta | None = None,
    client: str = "curl",
    expires: timedelta | None = None,
    suspended: bool = False,
    revoked: str = "",
    replaces: ApiKey | None = None,
) -> ApiKey:
    """A key made `age` ago, with the event of that day: the verbs make keys of now only. Nobody keeps its secret."""
    now = timezone.now()
    secret = Secret.generate(kind)
    key = ApiKey.objects.create(
        public_id=secret.public_id,
        last_four=secret.last_four,
        secret_hash=secret.hash(),
        name=name,
        created_at=now - age,
        created_by=maker,
        expires_at=_end_of_day(now + expires) if expires else None,
        last_used_at=now - used if used else None,
        last_used_address="198.51.100.7" if used else None,
        last_used_client=client if used else "",
        suspended_at=now - timedelta(days=3) if suspended else None,
        replaces=replaces,
        suspended_by_name="Oscar Ortiz <oscar@example.com>" if suspended else "",
        suspended_reason="Seen in a public repository" if suspended else "",
        **belongs,
    )
    if used is not None:
        _use(key, now - used)
    made = key.event(AuditEvent.Action.KEY_CREATED, by=person(maker), role=key.role)
    made.at = key.created_at
    made.save()
    if revoked:
        key.revoke(by=key.account.present(person(maker)) if key.account else person(maker), reason=revoked)
    return key


def _give_way(old: ApiKey, new: ApiKey, overlap: timedelta) -> None:
    """The old key was rotated when the new one was made."""
    old.replaced_at, old.expires_at = new.created_at, new.created_at + overlap
    old.save()
    rotated = old.event(AuditEvent.Action.KEY_ROTATED, by=person(new.created_by), replaced_by=new.public_id)
    rotated.at = new.created_at
    rotated.save()


def _use(key: ApiKey, last: datetime) -> None:
    """Some use on each day of the last 30 that the key lived through, until `last`; weekends are quiet. It looks alike every time."""
    chance = random.Random(key.name)  # nosec B311 - a picture, no secret
    client, elsewhere = key.last_used_client, ("python-requests", "203.0.113.0/24")
    rows: list[usage.Row] = []
    today = timezone.now().replace(minute=0, second=0, microsecond=0)
    for days in range(30):
        hour = min(today - timedelta(days=days), last.replace(minute=0, second=0, microsecond=0))
        if hour < key.created_at or hour.date() != (today - timedelta(days=days)).date():
            continue
        busy = chance.randint(4, 40) if hour.weekday() < 5 else chance.randint(0, 3)
        rows.append((key.public_id, Span.HOUR, hour, Outcome.ALLOWED, client, "198.51.100.0/24", 5 * busy + 1))
        if days % 4 == 0:
            rows.append((key.public_id, Span.HOUR, hour, Outcome.ALLOWED, *elsewhere, busy + 1))
        if days % 9 == 2:
            rows.append((key.public_id, Span.HOUR, hour, Outcome.NO_RIGHT, client, "198.51.100.0/24", busy // 3 + 1))
    usage.add(rows)


def _end_of_day(moment: datetime) -> datetime:
    return moment.replace(hour=23, minute=59, second=59, microsecond=0)
