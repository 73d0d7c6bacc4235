"""Questions about files that a user answers at the terminal.

What does not live here: reading and writing models.
"""


def ask_to_proceed_with_overwrite(filepath: str) -> bool:
    """Ask at the terminal whether to replace an existing file; True when the answer is yes."""
    answer = input(f"[WARNING] {filepath} already exists - overwrite? [y/n]").strip().lower()
    while answer not in ("y", "n"):
        answer = input("Enter \"y\" (overwrite) or \"n\" (cancel).").strip().lower()
    if answer == "n":
        return False
    print("[TIP] Next time specify overwrite=True!")
    return True
