"""How pages draw icons, times and form controls. Everything is shown in UTC."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django import template
from django.forms import BaseForm, BoundField
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def icon(name: str, size: int = 16) -> SafeString:
    """An icon of the sprite, hidden from screen readers: the words beside it speak."""
    return format_html(
        '<svg class="icon" width="{0}" height="{0}" aria-hidden="true"><use href="{1}#{2}"></use></svg>',
        size,
        static("keyportal/icons.svg"),
        name,
    )


def _utc(value: dt.datetime) -> dt.datetime:
    return value.astimezone(dt.UTC) if timezone.is_aware(value) else value.replace(tzinfo=dt.UTC)


def _day(value: dt.date) -> str:
    return f"{value.day} {value:%b %Y}"


def _time(value: dt.datetime, words: str) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        f"{value:%Y-%m-%dT%H:%M:%SZ}",
        f"{_day(value)}, {value:%H:%M:%S} UTC",
        words,
    )


def _ago(value: dt.datetime, now: dt.datetime) -> str:
    """Words for how long ago a moment was; by the clock within a day, by the calendar after it."""
    minutes = int((now - value).total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} minute{'' if minutes == 1 else 's'} ago"
    if minutes < 24 * 60:
        hours = minutes // 60
        return f"{hours} hour{'' if hours == 1 else 's'} ago"
    days = (now.date() - value.date()).days
    if days == 1:
        return "yesterday"
    return f"{days} days ago" if days < 14 else _day(value)


@register.simple_tag
def when(value: dt.datetime | None) -> str:
    """A past moment in relative words ("4 minutes ago"), the exact one as its title."""
    if value is None:
        return ""
    value = _utc(value)
    return _time(value, _ago(value, timezone.now().astimezone(dt.UTC)))


@register.simple_tag
def until(value: dt.datetime) -> str:
    """A coming moment in whole days ("in 6 days"), the exact one as its title."""
    value = _utc(value)
    days = (value.date() - timezone.now().astimezone(dt.UTC).date()).days
    return _time(value, f"in {days} days" if days > 1 else "tomorrow" if days == 1 else "today")


@register.simple_tag
def day(value: dt.date | None) -> str:
    """A day ("2 Nov 2026"); of a datetime, its day in UTC with the exact moment as its title."""
    if value is None:
        return ""
    if isinstance(value, dt.datetime):
        value = _utc(value)
        return _time(value, _day(value))
    return format_html('<time datetime="{}">{}</time>', value.isoformat(), _day(value))


@register.simple_tag
def moment(value: dt.datetime | None) -> str:
    """A moment to the minute ("12 Nov 2026, 09:00 UTC"), to the second in its title."""
    if value is None:
        return ""
    value = _utc(value)
    return _time(value, f"{_day(value)}, {value:%H:%M} UTC")


@register.filter
def count(value: int) -> str:
    """A number with its thousands apart: 12,345."""
    return f"{value:,}"


@register.filter
def initials(value: object) -> str:
    """One or two capitals for the avatar of a name or an email address."""
    words = str(value).partition("@")[0].replace(".", " ").split() or ["?"]
    ends = words[:1] + words[1:][-1:]
    return "".join(word[0] for word in ends).upper()


@register.filter
def at(value: Mapping[Any, Any] | None, key: object) -> Any:
    """The item of a mapping at a key that only the template knows; "" where there is none."""
    return value.get(key, "") if value else ""


@register.simple_tag
def first_to_fix(form: BaseForm) -> str:
    """The name of the field to focus: the first with an error, else the first that is shown."""
    shown = [field for field in form if not field.is_hidden]
    return next((field.name for field in [f for f in shown if f.errors] + shown), "")


@register.simple_tag
def control(field: BoundField, focus: str = "", hint: str = "", autocomplete: str = "") -> SafeString:
    """A form field as a bare control, tied to the hint and the error that `parts/field.html` puts under it.

    `focus` is the name of the field to focus; `hint` is one of the page's own.
    """
    described = []
    if hint or field.help_text:
        described.append(f"{field.auto_id}_helptext")
    if field.errors:
        described.append(f"{field.auto_id}_error")
    if field.name == focus and field.form.non_field_errors():
        described.append("form_error")
    attrs: dict[str, Any] = {
        "class": "check" if field.widget_type == "checkbox" else "input",
        "placeholder": False,
        "autofocus": field.name == focus,
        "aria-describedby": " ".join(described) or False,
    }
    if autocomplete:
        attrs["autocomplete"] = autocomplete
    return field.as_widget(attrs=attrs)
