"""What an agent can do in a call: functions, HTTP endpoints, MCP servers, and the call's own tools."""
