def heard_text(text: str, heard_us: int, total_us: int) -> str:
    words = text.split()
    return " ".join(words[: round(len(words) * min(1.0, heard_us / max(1, total_us)))])
