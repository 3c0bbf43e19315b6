"""From the tree that the grammar gives to nodes: a method a rule."""

import math
import re
from typing import Any

from lark import Token
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive, v_args

from saeatlas.catalog.language import nodes, operands
from saeatlas.catalog.language.operands import Place
from saeatlas.catalog.language.query_errors import QueryError

MAX_INTEGER = 2**31 - 1
"""The largest whole number that names something: PostgreSQL's integer."""

_SPELLINGS = {"<>": "!="}


def _place(part: Token | Meta) -> Place:
    assert part.start_pos is not None and part.end_pos is not None
    return Place(part.start_pos, part.end_pos)


def _unquoted(token: Token) -> str:
    quote = token[0]
    return token[1:-1].replace(quote * 2, quote)


def _field(token: Token) -> operands.Word:
    """Read the name of a field; one of an attribute in quotes loses them."""
    begin, dot, name = str(token).partition(".")
    quoted = name.startswith('"')
    text = begin + dot + (name[1:-1].replace('""', '"') if quoted else name)
    return operands.Word(text, _place(token))


@v_args(meta=True)
class ToNodes(Transformer_NonRecursive[Token, nodes.Query]):
    """Makes the nodes of one query."""

    def query(self, _meta: Meta, parts: list[Any]) -> nodes.Query:
        """Put the parts together; which is which, their types say."""
        kind, *rest = parts
        wheres = [part for part in rest if isinstance(part, nodes.Condition)]
        orders = [part for part in rest if isinstance(part, tuple)]
        limits = [part for part in rest if isinstance(part, int)]
        return nodes.Query(
            kind,
            tuple(part for part in rest if isinstance(part, nodes.Clause)),
            wheres[0] if wheres else None,
            orders[0] if orders else (),
            limits[0] if limits else None,
        )

    def kind(self, _meta: Meta, parts: list[Token]) -> operands.Word:
        """``features``, ``function vectors``."""
        return operands.Word(" ".join(parts[0].split()), _place(parts[0]))

    def of(self, meta: Meta, parts: list[operands.Saes]) -> nodes.Of:
        """``of sae 3``."""
        return nodes.Of(parts[0], _place(meta))

    def among(self, meta: Meta, parts: list[operands.Saes]) -> nodes.In:
        """``in layer 20``."""
        return nodes.In(parts[0], _place(meta))

    def in_one(self, meta: Meta, parts: list[Token]) -> nodes.InNumber:
        """``in run 5``."""
        return nodes.InNumber(str(parts[0]), self._whole(parts[1]), _place(meta))

    def of_lobes(self, meta: Meta, parts: list[operands.Lobes]) -> nodes.OfLobes:
        """``of phi k 3``."""
        return nodes.OfLobes(parts[0], _place(meta))

    def of_feature(self, meta: Meta, parts: list[operands.Feature]) -> nodes.OfFeature:
        """``of 12:4821``."""
        return nodes.OfFeature(parts[0], _place(meta))

    def near(self, meta: Meta, parts: list[Any]) -> nodes.Near:
        """``near 12:10 - 12:11``."""
        signs = [1, *(1 if sign == "+" else -1 for sign in parts[1::2])]
        return nodes.Near(tuple(zip(signs, parts[::2], strict=True)), _place(meta))

    def exactly(self, meta: Meta, _parts: list[Any]) -> nodes.Exactly:
        """``exactly``."""
        return nodes.Exactly(_place(meta))

    def with_(self, meta: Meta, parts: list[Any]) -> nodes.With:
        """``with 12:4821 by phi > 0.2``."""
        feature, measure, comparison, number = parts
        word = measure and operands.Word(str(measure), _place(measure))
        return nodes.With(
            feature, word, self._sign(comparison), number and self._number(number), _place(meta)
        )

    def about(self, meta: Meta, parts: list[Token]) -> nodes.About:
        """``about "capital cities"``."""
        return nodes.About(_unquoted(parts[0]), _place(meta))

    def by_subset(self, meta: Meta, _parts: list[Any]) -> nodes.BySubset:
        """``by subset``."""
        return nodes.BySubset(_place(meta))

    def saes(self, meta: Meta, parts: list[Token]) -> operands.Saes:
        """``sae 3``, ``release "..."``, ``layer 12``."""
        by, value = parts
        if by == "release":
            name = _unquoted(value) if value.type == "TEXT" else str(value)
            return operands.Saes("release", name, _place(meta))
        return operands.Saes(str(by), self._whole(value), _place(meta))

    def feature(self, meta: Meta, parts: list[Token]) -> operands.Feature:
        """``12:4821``, ``release/12:4821``, ``sae 3:4821``."""
        match = re.fullmatch(r"(?s)(?:(sae)\s+|(.*)/)?([0-9]+):([0-9]+)", parts[-1])
        assert match is not None
        where, number = (self._whole(parts[-1], match[i]) for i in (3, 4))
        if match[1]:
            return operands.Feature(number, None, where, None, _place(meta))
        release = _unquoted(parts[0]) if len(parts) > 1 else match[2]
        return operands.Feature(number, where, None, release, _place(meta))

    def lobes(self, meta: Meta, parts: list[Any]) -> operands.Lobes:
        """``phi k 3``."""
        affinity, k = parts
        name = _unquoted(affinity) if affinity.type == "TEXT" else str(affinity)
        word = operands.Word(name, _place(affinity))
        return operands.Lobes(word, self._whole(k), _place(meta))

    def where(self, _meta: Meta, parts: list[nodes.Condition]) -> nodes.Condition:
        """``where ...``."""
        return parts[0]

    def any_of(self, _meta: Meta, parts: list[nodes.Condition]) -> nodes.Condition:
        """``... or ...``."""
        return parts[0] if len(parts) == 1 else nodes.Any(tuple(parts))

    def all_of(self, _meta: Meta, parts: list[nodes.Condition]) -> nodes.Condition:
        """``... and ...``."""
        return parts[0] if len(parts) == 1 else nodes.All(tuple(parts))

    def not_(self, _meta: Meta, parts: list[nodes.Condition]) -> nodes.Condition:
        """``not ...``; twice is not at all."""
        part = parts[0]
        return part.part if isinstance(part, nodes.Not) else nodes.Not(part)

    def compare(self, meta: Meta, parts: list[Any]) -> nodes.Comparison:
        """``layer = 12``."""
        return self._test(meta, parts[0], str(self._sign(parts[1])), parts[2])

    def between(self, meta: Meta, parts: list[Any]) -> nodes.Comparison:
        """``density between 0.001 and 0.01``."""
        return self._test(meta, parts[0], "between", *parts[1:])

    def one_of(self, meta: Meta, parts: list[Any]) -> nodes.Comparison:
        """``layer in (12, 20)``."""
        return self._test(meta, parts[0], "in", *parts[1:])

    def like(self, meta: Meta, parts: list[Token]) -> nodes.Comparison:
        """``release like "gemma%"``."""
        return self._test(meta, parts[0], "like", self.value(meta, parts[1:]))

    def is_null(self, meta: Meta, parts: list[Token]) -> nodes.Comparison:
        """``threshold is null``."""
        return self._test(meta, parts[0], "null")

    def is_known(self, meta: Meta, parts: list[Token]) -> nodes.Comparison:
        """``threshold is not null``."""
        return self._test(meta, parts[0], "known")

    def in_lobe(self, meta: Meta, parts: list[Any]) -> nodes.InLobe:
        """``lobe = 2 of phi k 3``, perhaps ``in run 5``."""
        test, lobes, _, run = parts
        return nodes.InLobe(test, lobes, run and self._whole(run), _place(meta))

    def fires(self, meta: Meta, parts: list[Token]) -> nodes.Fires:
        """Read ``fires in "Github" > 0.2``."""
        subset, comparison, number = parts
        sign = str(self._sign(comparison))
        return nodes.Fires(
            operands.Word(_unquoted(subset), _place(subset)),
            sign,
            self._number(number),
            _place(meta),
        )

    def active(self, meta: Meta, parts: list[Any]) -> nodes.Active:
        """``12:4821``, ``12:4821 > 5``."""
        feature, comparison, number = parts
        sign = self._sign(comparison)
        return nodes.Active(feature, sign, number and self._number(number), _place(meta))

    def value(self, _meta: Meta, parts: list[Token]) -> operands.Value:
        """Read a number, a text or a bare word."""
        token = parts[0]
        if token.type == "NUMBER":
            return self._number(token)
        if token.type == "TEXT":
            return operands.Value(_unquoted(token), True, _place(token))
        return operands.Value(str(token), False, _place(token))

    def order(self, _meta: Meta, parts: list[nodes.Order]) -> tuple[nodes.Order, ...]:
        """``order by ...``."""
        return tuple(parts)

    def sorting(self, _meta: Meta, parts: list[Any]) -> nodes.Order:
        """``density desc``."""
        field, direction = parts
        return nodes.Order(_field(field), direction == "desc")

    def limit(self, _meta: Meta, parts: list[Token]) -> int:
        """``limit 20``."""
        return self._whole(parts[0])

    @staticmethod
    def _test(meta: Meta, field: Token, operator: str, *values: operands.Value) -> nodes.Comparison:
        return nodes.Comparison(_field(field), operator, tuple(values), _place(meta))

    @staticmethod
    def _sign(token: Token | None) -> str | None:
        return None if token is None else _SPELLINGS.get(token, str(token))

    def _number(self, token: Token) -> operands.Value:
        digits = len(token) < 100 and token.lstrip("+-").isdecimal()
        number = int(token) if digits else float(token)
        if not (abs(number) < 2**63 if digits else math.isfinite(number)):
            raise QueryError(_place(token), "This number is too large.")
        return operands.Value(number, False, _place(token))

    def _whole(self, token: Token, digits: str | None = None) -> int:
        text = digits or str(token)
        if len(text.lstrip("0")) > 10 or int(text) > MAX_INTEGER:
            raise QueryError(
                _place(token), f"A whole number of at most {MAX_INTEGER:,} is expected here."
            )
        return int(text)
