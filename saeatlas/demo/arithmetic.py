"""Questions about numbers with their answers, generated from a seed."""

import random
from collections.abc import Callable

_LETTERS = "abcdfghjkmnpqrstuvwxyz"


def _sum(rng: random.Random) -> tuple[str, int]:
    a, b = rng.randint(-9999, 9999), rng.randint(-999, 999)
    sign = rng.choice("+-")
    return f"Calculate {a} {sign} {b}.", a + b if sign == "+" else a - b


def _product(rng: random.Random) -> tuple[str, int]:
    a, b = rng.randint(-99, 99), rng.randint(2, 99)
    return rng.choice([f"What is {a} times {b}?", f"Multiply {a} and {b}."]), a * b


def _remainder(rng: random.Random) -> tuple[str, int]:
    a, b = rng.randint(100, 9999), rng.randint(3, 99)
    return f"What is the remainder when {a} is divided by {b}?", a % b


def _sequence(rng: random.Random) -> tuple[str, int]:
    first, step, bend = rng.randint(-99, 99), rng.randint(-50, 50), rng.randint(-5, 5)
    terms = [first + step * i + bend * i * i for i in range(6)]
    return f"What is the next term in {', '.join(map(str, terms[:5]))}?", terms[5]


def _equation(rng: random.Random) -> tuple[str, int]:
    letter, root = rng.choice(_LETTERS), rng.randint(-30, 30)
    a, b = rng.choice([-7, -4, -3, 2, 3, 5, 6, 8]), rng.randint(-99, 99)
    return f"Solve {a}*{letter} + {b} = {a * root + b} for {letter}.", root


def _comparison(rng: random.Random) -> tuple[str, str]:
    a, b = rng.randint(-500, 500), rng.randint(-500, 500)
    return f"Is {a} greater than {b}?", str(a > b)


def _closest(rng: random.Random) -> tuple[str, str]:
    target = rng.randint(-50, 50)
    choices = [target + rng.choice([-1, 1]) * size for size in rng.sample(range(1, 60), 3)]
    best = min(range(3), key=lambda i: abs(choices[i] - target))
    listed = "  ".join(f"({'abc'[i]}) {choice}" for i, choice in enumerate(choices))
    return f"Which is the closest to {target}?  {listed}", "abc"[best]


def _base(rng: random.Random) -> tuple[str, str]:
    number = rng.randint(16, 65535)
    if rng.random() < 0.5:
        return f"What is {number:#x} (base 16) in base 10?", str(number)
    return f"What is {number} (base 10) in base 2?", f"{number:#b}"


def _derivative(rng: random.Random) -> tuple[str, str]:
    letter, power = rng.choice(_LETTERS), rng.randint(2, 6)
    a, b = rng.randint(2, 50), rng.randint(2, 99)
    answer = f"{a * power}*{letter}**{power - 1} + {b}".replace("**1 ", " ")
    return f"Differentiate {a}*{letter}**{power} + {b}*{letter} with respect to {letter}.", answer


_QUESTIONS: tuple[Callable[[random.Random], tuple[str, int | str]], ...] = (
    _sum,
    _product,
    _remainder,
    _sequence,
    _equation,
    _comparison,
    _closest,
    _base,
    _derivative,
)


def worksheet(seed: str) -> str:
    """Return one sheet of questions, each followed by its answer on a line of its own.

    Parameters
    ----------
    seed
        Any text. Equal seeds give equal sheets.

    Returns
    -------
    str
        60 to 160 questions, about 3,000 to 8,000 characters.
    """
    rng = random.Random(seed)
    # Half of the sheets stay with a few kinds of question, as real exercises do.
    kinds = _QUESTIONS if rng.random() < 0.5 else rng.sample(_QUESTIONS, 3)
    lines = []
    for _ in range(rng.randint(60, 160)):
        question, answer = rng.choice(kinds)(rng)
        lines += [question, str(answer)]
    return "\n".join(lines) + "\n"
