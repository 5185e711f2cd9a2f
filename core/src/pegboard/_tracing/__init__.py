"""Calls as spans and metrics of OpenTelemetry. Imported only if settings ask for it."""
