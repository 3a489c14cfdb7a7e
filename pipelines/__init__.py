"""The pure half of Allô: no asyncio, no sockets, no clocks, no metrics. See DESIGN.md in this folder."""
