"""erf.

What does not live here: the exponential it needs (exponential.py).
For |x| < 1 erf(x) = x + x*H(x^2), from there on 1 - e**-T(|x|), up to where erf is 1. H and T are minimax fits of our
own, made as in exponential.py, of erf(x)/x - 1 (relative to erf) and of -log(erfc(x)) (weighted by erfc, up to 4 for
float32 and 6 for float64).
"""

from graphc.codegen.vmath.exponential import EXP, reduce
from graphc.codegen.vmath.functions import on_floats
from graphc.codegen.vmath.lane import DOUBLE, SINGLE, Lane, power_of_two

HEAD = {SINGLE: (0.12837917, -0.37612626, 0.11283579, -0.026853347, 0.005187162, -0.0007997853, 7.806904e-05),
        DOUBLE: (0.1283791670955126, -0.376126389031841, 0.11283791670971118, -0.026866170648043412,
                 0.0052239776529067845, -0.0008548328553641934, 0.00012055387042443836, -1.4926906492849455e-05,
                 1.6481532020341054e-06, -1.6562877368247136e-07, 1.605662478657346e-08, -1.6650092329767791e-09,
                 1.4685742328088876e-10)}
TAIL = {SINGLE: (0.00035370892, 1.12704, 0.6382258, 0.103037156, -0.021805152, 0.002939547, -0.00018556567),
        DOUBLE: (5.134737314776629e-07, 1.1283739895313747, 0.6366440645982603, 0.10270226427455961,
                 -0.018987994677735744, -0.00041360094748337363, 0.0019190120155884167, -0.0007730961256835326,
                 0.00013658742771091554, 1.9507385390254047e-05, -2.2526858269644968e-05, 8.576944408081739e-06,
                 -2.114364921674764e-06, 3.6948728130545405e-07, -4.592292286740631e-08, 3.889078293096042e-09,
                 -2.0198194400013059e-10, 4.863742296080991e-12)}
END = {SINGLE: 4.0, DOUBLE: 6.0}


@on_floats
def erf(x: Lane) -> Lane:
    """2/sqrt(pi) times the integral of e**(-t*t) from 0 to x."""
    size = x.absolute()
    head = x.fma((x * x).polynomial(HEAD[x.format]), x)
    n, excess = reduce(-size.at_most(END[x.format]).polynomial(TAIL[x.format]), EXP[x.format])
    tail = (-power_of_two(n, x.format)).fma(excess + 1.0, 1.0)
    return (size < 1.0).choose(head, tail.with_sign_of(x))
