from django.apps import AppConfig


class V1Config(AppConfig):
    name = "keyportal.v1"
    label = "v1"
    verbose_name = "What keys manage"
