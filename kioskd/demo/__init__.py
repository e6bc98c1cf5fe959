"""Starts mosquitto, pcscd and the simulators around ``app``."""
