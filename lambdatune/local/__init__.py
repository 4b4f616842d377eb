"""The embedded endpoint: AWS's Lambda API on loopback, with real handlers in real processes.

A program of its own (``python -m lambdatune.local``); the rest of lambdatune reaches it over HTTP exactly as it
reaches AWS.
"""
