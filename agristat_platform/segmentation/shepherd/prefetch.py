"""A hint to the processor that a row of an array will be needed soon.

Belongs here: the instruction alone. It changes no result; it hides the wait for memory where a kernel goes through rows
in an order that the processor cannot foresee but the kernel knows.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic


def _prefetch(typing_context: Any, array: Any, row: Any) -> Any:
    """Begin to load `array[row]`, which may lie anywhere: loading outside the array does nothing.

    It is the row's first byte and its last that are asked for: a row of ten bands lies on two lines of the cache more
    often than on one, and each is waited for as long as the other.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type, row_type = signature.args
        array = context.make_array(array_type)(context, builder, arguments[0])
        row = context.cast(builder, arguments[1], row_type, types.intp)
        stride = cgutils.unpack_tuple(builder, array.strides, array_type.ndim)[0]
        first = builder.mul(row, stride)
        offsets = [first]
        if array_type.ndim > 1:
            offsets.append(builder.add(first, builder.sub(stride, stride.type(1))))
        flag = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, flag, flag, flag])
        instruction = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        for offset in offsets:
            address = builder.gep(builder.bitcast(array.data, cgutils.voidptr_t), [offset])
            # For reading, to be kept in all levels of the cache, data.
            builder.call(instruction, [address, flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(array, row), generate


# Called from compiled code as prefetch(array, row).
prefetch: Any = intrinsic(_prefetch)
