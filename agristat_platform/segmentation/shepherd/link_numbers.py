"""The eight 32-bit numbers of a link, held in a register while they are looked through.

Belongs here: the type of such numbers and its operations, each an instruction or two of the processor; LLVM cuts them up for
processors with narrower registers. They are called from compiled code. What a link is, is told in `neighbour_lists`.

A loop over the places of a link would end after as many rounds as the link happens to have numbers, which the processor
guesses wrong about once a list; compared all at once there is nothing to guess.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

# Numbers of a link. The first is no neighbour.
NUMBERS = 8

_NUMBER = ir.IntType(32)
_VECTOR = ir.VectorType(_NUMBER, NUMBERS)
_NEIGHBOURS = 2**NUMBERS - 2


class LinkNumbersType(types.Type):
    """Numba's type of the numbers of a link."""

    def __init__(self) -> None:
        super().__init__(name="LinkNumbers")


_LINK = LinkNumbersType()


@register_model(LinkNumbersType)
class _LinkNumbersModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _VECTOR)


def _address(context: Any, builder: Any, links_type: Any, links: Any, link: Any) -> Any:
    data = context.make_array(links_type)(context, builder, links).data
    first = builder.mul(link, link.type(NUMBERS))
    return builder.bitcast(builder.gep(data, [first]), _VECTOR.as_pointer())


def _spread(builder: Any, value: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(nothing, value, _NUMBER(0))
    return builder.shuffle_vector(one, nothing, ir.Constant(_VECTOR, [0] * NUMBERS))


def _load(typing_context: Any, links: Any, link: Any) -> Any:
    """The numbers of a link, from a contiguous (n, NUMBERS) array of 32-bit numbers; `link` is not checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        link = context.cast(builder, arguments[1], signature.args[1], types.intp)
        return builder.load(_address(context, builder, signature.args[0], arguments[0], link), align=4)

    return _LINK(links, link), generate


def _store(typing_context: Any, links: Any, link: Any, numbers: Any) -> Any:
    """Write the numbers of a link to a contiguous (n, NUMBERS) array of 32-bit numbers; `link` is not checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        link = context.cast(builder, arguments[1], signature.args[1], types.intp)
        address = _address(context, builder, signature.args[0], arguments[0], link)
        builder.store(arguments[2], address, align=4)
        return context.get_dummy_value()

    return types.void(links, link, numbers), generate


def _place_of(typing_context: Any, numbers: Any, number: Any) -> Any:
    """The first place, from 1, where a link has this number; NUMBERS where it has it nowhere."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number = context.cast(builder, arguments[1], signature.args[1], types.uint32)
        equal = builder.icmp_unsigned("==", arguments[0], _spread(builder, number))
        places = builder.zext(builder.bitcast(equal, ir.IntType(NUMBERS)), _NUMBER)
        places = builder.or_(builder.and_(places, _NUMBER(_NEIGHBOURS)), _NUMBER(2**NUMBERS))
        kind = ir.FunctionType(_NUMBER, [_NUMBER, ir.IntType(1)])
        count_zeros = cgutils.get_or_insert_function(builder.module, kind, "llvm.cttz.i32")
        return builder.call(count_zeros, [places, ir.IntType(1)(1)])

    return types.uint32(numbers, number), generate


def _with_number(typing_context: Any, numbers: Any, place: Any, number: Any) -> Any:
    """The link with another number in this place; the link as it is where `place` is NUMBERS or more."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = context.cast(builder, arguments[1], signature.args[1], types.uint32)
        number = context.cast(builder, arguments[2], signature.args[2], types.uint32)
        here = builder.icmp_unsigned("==", ir.Constant(_VECTOR, list(range(NUMBERS))), _spread(builder, place))
        return builder.select(here, _spread(builder, number), arguments[0])

    return _LINK(numbers, place, number), generate


load_link: Any = intrinsic(_load)
store_link: Any = intrinsic(_store)
place_of: Any = intrinsic(_place_of)
with_number: Any = intrinsic(_with_number)
