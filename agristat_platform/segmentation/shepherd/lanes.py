"""Sixteen single-precision numbers that a kernel works on at once, held in registers.

Belongs here: the type of such numbers and its operations, each an instruction or two of the processor; LLVM cuts them up for
processors with narrower registers. They are called from compiled code. A loop over arrays is turned into vectors by the
compiler, but what it carries from one round to the next goes through memory; local variables of this type do not.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic, models, register_model

# Numbers side by side.
LANES = 16

_VECTOR = ir.VectorType(ir.FloatType(), LANES)


class LanesType(types.Type):
    """Numba's type of `LANES` single-precision numbers."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


_LANES = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _VECTOR)


def _address(context: Any, builder: Any, array_type: Any, array: Any, position: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [position]), _VECTOR.as_pointer())


def _load(typing_context: Any, array: Any, position: Any) -> Any:
    """The numbers of a contiguous float32 array from `array[position]` on; positions are not checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = context.cast(builder, arguments[1], signature.args[1], types.intp)
        return builder.load(_address(context, builder, signature.args[0], arguments[0], place), align=4)

    return _LANES(array, position), generate


def _store(typing_context: Any, array: Any, position: Any, lanes: Any) -> Any:
    """Write the numbers to a contiguous float32 array from `array[position]` on; positions are not checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = context.cast(builder, arguments[1], signature.args[1], types.intp)
        builder.store(arguments[2], _address(context, builder, signature.args[0], arguments[0], place), align=4)
        return context.get_dummy_value()

    return types.void(array, position, lanes), generate


def _spread(builder: Any, value: Any) -> Any:
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(nothing, value, ir.IntType(32)(0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, nothing, mask)


def _fill(typing_context: Any, value: Any) -> Any:
    """The same number in all lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _spread(builder, context.cast(builder, arguments[0], signature.args[0], types.float32))

    return _LANES(value), generate


def _plus_product(typing_context: Any, total: Any, lanes: Any, factor: Any) -> Any:
    """total + lanes · factor, rounded once or twice, as the processor does it faster; `factor` is one number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        factors = _spread(builder, context.cast(builder, arguments[2], signature.args[2], types.float32))
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        instruction = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")
        return builder.call(instruction, [arguments[1], factors, arguments[0]])

    return _LANES(total, lanes, factor), generate


def _where_less(typing_context: Any, first: Any, second: Any, yes: Any, no: Any) -> Any:
    """Lane by lane `yes` where first < second, else (NaN too) `no`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        first, second, yes, no = arguments
        return builder.select(builder.fcmp_ordered("<", first, second), yes, no)

    return _LANES(first, second, yes, no), generate


load_lanes: Any = intrinsic(_load)
store_lanes: Any = intrinsic(_store)
fill_lanes: Any = intrinsic(_fill)
plus_product: Any = intrinsic(_plus_product)
where_less: Any = intrinsic(_where_less)
