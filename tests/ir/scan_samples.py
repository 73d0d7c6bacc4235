"""Samples of scan: what is carried, sliced and read by all steps; both directions; rows apart and rows together."""

from graphc.ir import symbol
from graphc.ir.parser import parse
from tests.ir.sampling import between, sample

T, B = symbol("T"), symbol("B")


def body(text):
    return parse(f"graph step{text}")


DECAY = body("""(%h: f32[B,3], %x: f32[B,3], %w: f32[3]) {
  %d = broadcast(%w){axes=(1,), shape=(B,3)}
  %p = multiply(%h, %d)
  %n = add(%p, %x)
  return %n
}""")
PRODUCT = body("""(%h: f32[B,4], %x: f32[B,4], %u: f32[4,4]) {
  %p = matmul(%h, %u)
  %n = add(%p, %x)
  return %n
}""")
MIXED = body("""(%h: f32[3,3], %x: f32[3,3]) {
  %p = matmul(%x, %h)
  return %p
}""")
EACH = body("""(%x: f32[B,3], %w: f32[3]) {
  %d = broadcast(%w){axes=(1,), shape=(B,3)}
  %p = multiply(%x, %d)
  return %p
}""")


def decay(h, x, w):
    for row in x:
        h = h * w + row
    return h


def product(h, x, u):
    for row in x[::-1]:
        h = h @ u + row
    return h


def mixed(h, x):
    for matrix in x:
        h = matrix @ h
    return h


SCAN = [
    sample("scan", "f32[B,3]", "f32[T,B,3]", "f32[3]", expected=decay, sizes={"B": 2, "T": 4}, body=DECAY, carried=1,
           sliced=1, length=T, reverse=False),
    sample("scan", "f32[B,3]", "f32[0,B,3]", "f32[3]", expected=lambda h, x, w: h, sizes={"B": 2}, body=DECAY,
           carried=1, sliced=1, length=0, reverse=False),
    sample("scan", "f32[B,4]", "f32[5,B,4]", "f32[4,4]", expected=product, sizes={"B": 3},
           domain=between(-0.5, 0.5), body=PRODUCT, carried=1, sliced=1, length=5, reverse=True),
    sample("scan", "f32[3,3]", "f32[4,3,3]", expected=mixed, domain=between(-0.5, 0.5), body=MIXED, carried=1, sliced=1,
           length=4, reverse=False),
    sample("scan", "f32[T,B,3]", "f32[3]", expected=lambda x, w: x * w, sizes={"B": 2, "T": 3}, body=EACH, carried=0,
           sliced=1, length=T, reverse=False),
]
