"""Fills a database with as many people and credentials of every kind as wanted, in seconds.

One row of each kind is made by the models; one INSERT … SELECT then multiplies it, with what differs said in SQL. The
credentials that requests will bear lie evenly among all others, and their hashes are genuine; all others share the
first row's.
"""

from __future__ import annotations

import secrets
import time
import uuid
from datetime import timedelta
from typing import Any

from django.db import connection, models
from django.utils import timezone

PASSWORD = "a long enough password"
PEOPLE_AT_MOST = 100_000  # beyond that, people have several keys
KEYS_IN_AN_ACCOUNT = 100

Asked = dict[str, str]

# i × this, cut to 48 bits, meets every number once and in no order: IDs that scatter as random ones do.
_SCATTER, _BITS = 25_214_903_917, 48
_USER, _ACCOUNT = "40008000000000000001", "40008000000000000002"
_STRIDE = 7919  # a prime: the people of neighbouring keys are no neighbours


def fill(number: int, asked: int = 1000, *, peers: bool = True) -> list[Asked]:
    """`number` credentials of each kind, and what the requests need to know about `asked` of them."""
    started = time.monotonic()
    step = max(1, number // asked)
    people = min(number, PEOPLE_AT_MOST)
    asked_for = [_asked(i) | _place(i, number, people) for i in range(step, number + 1, step)][:asked]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")  # the product's is for requests
    _keep(asked_for)
    _multiply_people(people, max(1, number // KEYS_IN_AN_ACCOUNT))
    _multiply_keys(number, people)
    if peers:
        _multiply_peers(number, people, asked_for)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bench_asked")
        if connection.vendor == "sqlite":
            tidy = ("PRAGMA wal_checkpoint(TRUNCATE)", "ANALYZE")
        else:
            tidy = ("VACUUM ANALYZE", "RESET statement_timeout")
        for statement in tidy:
            cursor.execute(statement)
    print(f"{number:,} keys in {time.monotonic() - started:.0f} s", flush=True)
    return asked_for


def _hex(i: int) -> str:
    return f"{i * _SCATTER % 2**_BITS:012x}"


def _asked(i: int) -> Asked:
    from apikeys.secret import ALPHABET, SECRET_LENGTH, Secret, checksum

    body = f"cu_{_hex(i)}_" + "".join(secrets.choice(ALPHABET) for _ in range(SECRET_LENGTH))
    key = body + checksum(body)
    return {"i": str(i), "key": key, "public_id": f"cu_{_hex(i)}", "secret_hash": Secret.parse(key).hash()}


def _place(i: int, number: int, people: int) -> Asked:
    """Whose key it is: the same arithmetic as in the SQL below."""
    person = i * _STRIDE % people + 1
    account = person % max(1, number // KEYS_IN_AN_ACCOUNT) + 1
    return {
        "email": f"{_hex(person)}@example.com",
        "account": str(uuid.UUID(_hex(account) + _ACCOUNT)),
        "drf": _hex((i - 1) % people + 1) + "0" * 28,
    }


def _person_sql(people: int) -> str:
    return _uuid_sql(f"(i * {_STRIDE} %% {people} + 1)", _USER)


def _keep(asked_for: list[Asked]) -> None:
    """The asked ones in a table, for the SQL to join: their places in the tables are among all others."""
    from knox.crypto import hash_token
    from oauth2_provider.models import AccessToken
    from rest_framework_api_key.models import APIKey

    checksum_of = AccessToken._meta.get_field("token_checksum")
    columns = (
        "number",
        "public_id",
        "secret_hash",
        "knox_key",
        "knox_digest",
        "api_id",
        "api_prefix",
        "api_hash",
        "oauth",
        "oauth_sum",
    )
    rows = []
    for one in asked_for:
        one["knox"], one["oauth"] = secrets.token_hex(32), secrets.token_urlsafe(30)
        one["api_key"], prefix, hashed = APIKey.objects.key_generator.generate()
        oauth_sum = checksum_of.pre_save(AccessToken(token=one["oauth"]), True)
        api = (f"{prefix}.{hashed}", prefix, hashed)
        row = (one["public_id"], one["secret_hash"], one["knox"][:15], hash_token(one["knox"]), *api, one["oauth"], oauth_sum)
        rows.append([int(one["i"]), *row])
        del one["secret_hash"]
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE bench_asked (number BIGINT PRIMARY KEY, {', '.join(f'{name} TEXT' for name in columns[1:])})"
        )
        cursor.executemany(f"INSERT INTO bench_asked VALUES ({', '.join(['%s'] * len(columns))})", rows)


def _multiply_people(people: int, accounts: int) -> None:
    from accounts.models import Account, Membership, User
    from keyportal.policy import Role

    user = User(email="first@example.com", name="First")
    user.set_password(PASSWORD)
    user.save()
    account = Account.objects.create(name="First", owner=user)
    membership = Membership.objects.create(account=account, user=user, stored_role=Role.READ_WRITE)
    _multiply(user, people, id=_uuid_sql("i", _USER), email=f"{_hex_sql('i')} || '@example.com'")
    _multiply(account, accounts, id=_uuid_sql("i", _ACCOUNT))
    _multiply(membership, people, account_id=_uuid_sql(f"(i %% {accounts} + 1)", _ACCOUNT), user_id=_uuid_sql("i", _USER))


def _multiply_keys(number: int, people: int) -> None:
    from accounts.models import User
    from apikeys.models import ApiKey
    from apikeys.secret import Kind, Secret

    user, secret = User.objects.get(email="first@example.com"), Secret.generate(Kind.USER)
    key = ApiKey(user=user, created_by=user, name="First", public_id=secret.public_id, last_four=secret.last_four)
    key.secret_hash = secret.hash()
    key.save()
    person = _person_sql(people)
    _multiply(
        key,
        number,
        public_id=f"'cu_' || {_hex_sql('i')}",
        secret_hash="COALESCE(asked.secret_hash, first.secret_hash)",
        user_id=person,
        created_by_id=person,
    )


def _multiply_peers(number: int, people: int, asked_for: list[Asked]) -> None:
    from knox.models import AuthToken
    from oauth2_provider.models import AccessToken, Application
    from rest_framework.authtoken.models import Token
    from rest_framework_api_key.models import APIKey

    from accounts.models import User

    user = User.objects.get(email="first@example.com")
    person, some_hex = _person_sql(people), _hex_sql("i")
    token = Token.objects.create(user=user)
    # One for each person is all that DRF's tokens allow.
    _multiply(token, people, key=f"{some_hex} || '{'0' * 28}'", user_id=person)
    _multiply(
        AuthToken.objects.create(user)[0],
        number,
        digest=f"COALESCE(asked.knox_digest, {some_hex} || '{'0' * 116}')",
        token_key=f"COALESCE(asked.knox_key, {some_hex} || '000')",
        user_id=person,
    )
    _multiply(
        APIKey.objects.create_key(name="First")[0],
        number,
        id=f"COALESCE(asked.api_id, {some_hex})",
        prefix=f"COALESCE(asked.api_prefix, substr({some_hex}, 5, 8))",
        hashed_key="COALESCE(asked.api_hash, first.hashed_key)",
    )
    grant = Application.GRANT_CLIENT_CREDENTIALS
    application = Application.objects.create(
        name="First", user=user, authorization_grant_type=grant, client_type="confidential"
    )
    expires = timezone.now() + timedelta(days=1)
    issued: dict[str, Any] = {"user": user, "application": application, "expires": expires}
    # Who asks about tokens is one service with one token, as a gateway would be.
    introspector = AccessToken.objects.create(token=secrets.token_urlsafe(30), scope="introspection", **issued)
    for one in asked_for:
        one["introspector"] = introspector.token
    _multiply(
        AccessToken.objects.create(token=secrets.token_urlsafe(30), scope="read", **issued),
        number,
        token=f"COALESCE(asked.oauth, {some_hex})",
        token_checksum=f"COALESCE(asked.oauth_sum, {some_hex} || '{'0' * 52}')",
        user_id=person,
    )


def _multiply(first: models.Model, number: int, **differing: str) -> None:
    """`number` copies of the row `first`, but for the columns whose SQL is given in terms of i and the asked one."""
    table, key = first._meta.db_table, first._meta.pk
    assert key is not None
    copied = {
        field.column: f"first.{field.column}"
        for field in first._meta.concrete_fields
        if field is not key or field.column in differing
    }
    columns = copied | differing
    sql = f"""
        INSERT INTO {table} ({", ".join(columns)})
        WITH RECURSIVE series(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM series WHERE i < %s)
        SELECT {", ".join(columns.values())}
          FROM series
          JOIN {table} AS first ON first.{key.column} = %s
          LEFT JOIN bench_asked AS asked ON asked.number = i
         ORDER BY i
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [number, key.get_db_prep_value(first.pk, connection)])


def _hex_sql(number: str) -> str:
    scattered = f"(({number} * {_SCATTER}) & {2**_BITS - 1})"
    return f"printf('%%012x', {scattered})" if connection.vendor == "sqlite" else f"lpad(to_hex({scattered}), 12, '0')"


def _uuid_sql(number: str, rest: str) -> str:
    text = f"({_hex_sql(number)} || '{rest}')"
    return text if connection.vendor == "sqlite" else f"{text}::uuid"
