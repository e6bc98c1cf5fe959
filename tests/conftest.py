"""For every test."""

from hypothesis import HealthCheck, settings

# How fast an example runs is the machine's affair: on a busy one a deadline fails what is right.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
