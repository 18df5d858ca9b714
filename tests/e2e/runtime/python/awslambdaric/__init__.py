"""Stands in for the runtime client that AWS publishes under this name, where that cannot be installed: enough of
the Lambda Runtime API for tests of how the gateway starts and serves a Python function."""
