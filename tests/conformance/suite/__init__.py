# SPDX-License-Identifier: MIT
"""A conformance suite for WebSocket peers: wire, endpoint, cases, judge, report."""
