"""Each carrier's webhooks and sockets. A request is checked here, once; what lies behind trusts it."""
