"""A small MCP server, run as a child process by the tests."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("clock")


@server.tool()
def double(number: int) -> int:
    """twice the number"""
    return 2 * number


@server.tool()
def halve(number: int) -> int:
    """half the number"""
    return number // 2


if __name__ == "__main__":
    server.run("stdio")
