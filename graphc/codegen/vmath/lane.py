"""One element of a vectorised loop: arithmetic on it emits straight-line LLVM IR.

What does not live here: how kernels get to call such functions (functions.py), and the functions themselves (its
siblings). No branch, no call and no memory access
is emitted, so LLVM can widen every loop that uses these functions. `fma` rounds once wherever the CPU can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from llvmlite import ir

Number = int | float


@dataclass(frozen=True)
class Machine:
    """What the instructions of a target can do: multiply and add with one rounding; scale by a power of two.

    library: operations that are functions of a library, not LLVM's intrinsics; the name for float64 (float32 adds f).
    """

    fma: bool
    ldexp: bool
    library: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """What the bits of a float type mean."""

    real: ir.Type
    integer: ir.IntType
    mantissa: int
    bias: int

    @property
    def magic(self) -> float:
        """Adding it rounds a small number to an integer, which then stands in the low bits."""
        return 1.5 * 2.0 ** self.mantissa

    @property
    def tiny(self) -> float:
        """The smallest normal number."""
        return 2.0 ** (1 - self.bias)


SINGLE = Format(ir.FloatType(), ir.IntType(32), 23, 127)
DOUBLE = Format(ir.DoubleType(), ir.IntType(64), 52, 1023)


@dataclass(frozen=True)
class Lane:
    """A value of one element: a float, an integer or a condition. Operators take lanes or Python numbers."""

    builder: ir.IRBuilder
    value: ir.Value
    machine: Machine

    def made(self, value: ir.Value) -> Lane:
        """Another value beside this one."""
        return replace(self, value=value)

    @property
    def type(self) -> ir.Type:
        return self.value.type

    @property
    def is_float(self) -> bool:
        return not isinstance(self.type, ir.IntType)

    @property
    def format(self) -> Format:
        return DOUBLE if self.type == DOUBLE.real else SINGLE

    def constant(self, number: Number) -> Lane:
        """A number of this lane's type."""
        return self.made(ir.Constant(self.type, number))

    def like(self, other: Lane | Number) -> Lane:
        return other if isinstance(other, Lane) else self.constant(other)

    def _emit(self, name: str, *operands: Lane | Number) -> Lane:
        return self.made(getattr(self.builder, name)(self.value, *(self.like(o).value for o in operands)))

    def _arithmetic(self, name: str, other: Lane | Number) -> Lane:
        return self._emit(f"f{name}" if self.is_float else name, other)

    def __add__(self, other: Lane | Number) -> Lane:
        return self._arithmetic("add", other)

    def __sub__(self, other: Lane | Number) -> Lane:
        return self._arithmetic("sub", other)

    def __mul__(self, other: Lane | Number) -> Lane:
        return self._arithmetic("mul", other)

    def __truediv__(self, other: Lane | Number) -> Lane:
        return self._emit("fdiv", other)

    def __rsub__(self, other: Number) -> Lane:
        return self.constant(other) - self

    def __rtruediv__(self, other: Number) -> Lane:
        return self.constant(other) / self

    def __neg__(self) -> Lane:
        return (-0.0 if self.is_float else 0) - self  # LLVM's own way to say so, also where fneg is not known

    __radd__, __rmul__ = __add__, __mul__

    def __and__(self, other: Lane | Number) -> Lane:
        return self._emit("and_", other)

    def __or__(self, other: Lane | Number) -> Lane:
        return self._emit("or_", other)

    def __xor__(self, other: Lane | Number) -> Lane:
        return self._emit("xor", other)

    def __lshift__(self, count: Lane | int) -> Lane:
        return self._emit("shl", count)

    def __rshift__(self, count: Lane | int) -> Lane:
        """Logical: zeros come in."""
        return self._emit("lshr", count)

    def shift_signed(self, count: Lane | int) -> Lane:
        """Arithmetic: copies of the sign come in."""
        return self._emit("ashr", count)

    def __invert__(self) -> Lane:
        return self.made(self.builder.not_(self.value))

    def compare(self, operator: str, other: Lane | Number, *, signed: bool = True) -> Lane:
        """A condition; false where an operand is NaN, except that `!=` is true."""
        if self.is_float:
            name = "fcmp_unordered" if operator == "!=" else "fcmp_ordered"
        else:
            name = "icmp_signed" if signed else "icmp_unsigned"
        return self.made(getattr(self.builder, name)(operator, self.value, self.like(other).value))

    def __lt__(self, other: Lane | Number) -> Lane:
        return self.compare("<", other)

    def __gt__(self, other: Lane | Number) -> Lane:
        return self.compare(">", other)

    def __le__(self, other: Lane | Number) -> Lane:
        return self.compare("<=", other)

    def __ge__(self, other: Lane | Number) -> Lane:
        return self.compare(">=", other)

    def equals(self, other: Lane | Number) -> Lane:
        return self.compare("==", other)

    def differs(self, other: Lane | Number) -> Lane:
        return self.compare("!=", other)

    @property
    def is_nan(self) -> Lane:
        return self.differs(self)

    def choose(self, yes: Lane | Number, no: Lane | Number) -> Lane:
        """For a condition: `yes` where it holds, else `no`; one of them is a lane."""
        model = yes if isinstance(yes, Lane) else no
        assert isinstance(model, Lane)
        return self.made(self.builder.select(self.value, model.like(yes).value, model.like(no).value))

    def at_least(self, bound: Lane | Number) -> Lane:
        """NaN stays."""
        return (self < bound).choose(bound, self)

    def at_most(self, bound: Lane | Number) -> Lane:
        """NaN stays."""
        return (self > bound).choose(bound, self)

    def call(self, name: str, *operands: Lane | Number, flags: tuple[str, ...] = ()) -> Lane:
        """An LLVM intrinsic over this lane's type, such as llvm.fabs, or what the library has in its place."""
        lanes = [self, *(self.like(operand) for operand in operands)]
        kind = ir.FunctionType(self.type, [lane.type for lane in lanes])
        if name in self.machine.library:
            called = self.machine.library[name] + ("f" if self.format is SINGLE else "")
            function = self.builder.module.globals.get(called) or ir.Function(self.builder.module, kind, called)
        else:
            function = self.builder.module.declare_intrinsic(f"llvm.{name}", [self.type], kind)
        return self.made(self.builder.call(function, [lane.value for lane in lanes], fastmath=flags))

    def fma(self, factor: Lane | Number, term: Lane | Number) -> Lane:
        """self * factor + term."""
        return self.call("fma" if self.machine.fma else "fmuladd", factor, term)

    def polynomial(self, coefficients: tuple[float, ...]) -> Lane:
        """sum(coefficients[i] * self**i), by Horner's rule."""
        result = self.constant(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            result = result.fma(self, coefficient)
        return result

    def absolute(self) -> Lane:
        return self.call("fabs")

    def with_sign_of(self, other: Lane) -> Lane:
        return self.call("copysign", other)

    @property
    def bits(self) -> Lane:
        """A float's bits as an integer."""
        return self.made(self.builder.bitcast(self.value, self.format.integer))

    @property
    def as_float(self) -> Lane:
        """The float whose bits this integer holds."""
        target = SINGLE if self.type.width == 32 else DOUBLE
        return self.made(self.builder.bitcast(self.value, target.real))

    def integer(self, width: int, *, signed: bool = False) -> Lane:
        """An integer with more or fewer bits."""
        target = ir.IntType(width)
        if self.type.width < width:
            return self._convert("sext" if signed else "zext", target)
        return self._convert("trunc", target) if self.type.width > width else self

    def to_float(self, target: Format) -> Lane:
        """From a signed integer or another float type; rounds to nearest."""
        if not self.is_float:
            return self._convert("sitofp", target.real)
        if self.type == target.real:
            return self
        return self._convert("fpext" if target is DOUBLE else "fptrunc", target.real)

    def _convert(self, name: str, target: ir.Type) -> Lane:
        return self.made(getattr(self.builder, name)(self.value, target))


def power_of_two(exponent: Lane, target: Format) -> Lane:
    """2**exponent for an integer lane as wide as the float, within the normal range."""
    return ((exponent + target.bias) << target.mantissa).as_float


def scale(x: Lane, exponent: Lane) -> Lane:
    """x * 2**exponent with overflow to infinity and gradual underflow; |exponent| <= 1.2 times the float's range."""
    if x.machine.ldexp:
        narrow = exponent.integer(32)
        function = x.builder.module.declare_intrinsic("llvm.ldexp", [x.type, narrow.type],
                                                      ir.FunctionType(x.type, [x.type, narrow.type]))
        return x.made(x.builder.call(function, [x.value, narrow.value]))
    half = exponent.shift_signed(1)
    return x * power_of_two(half, x.format) * power_of_two(exponent - half, x.format)
