"""What others offer, each behind a view of its own, under the middleware that `django-admin startproject` writes."""
